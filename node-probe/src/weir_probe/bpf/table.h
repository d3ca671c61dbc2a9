// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flow table: buckets of four slots in a memory-mapped array. A flow lives in one of two buckets; its first 8-byte word
 * after the addresses (ports, protocol, state, interface) claims, publishes and retires a slot by compare-and-swap. */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include "packet.h"

#define SPINS 32 /* looks at a slot that another CPU is writing (an insertion is about 100 ns) before finding it again */
#define ATTEMPTS 3

/* Of four bits: how many are set, and the lowest that is. */
#define COUNT_OF(bits) (0x4332322132212110ull >> (bits) * 4 & 7)
#define LOWEST_OF(bits) (0x12131210u >> (bits) * 2 & 3)

#define STATE_SHIFT 40
#define IFACE_SHIFT 48
#define KEY_MASK ((1ull << STATE_SHIFT) - 1)
#define state_of(word) ((__u8)((word) >> STATE_SHIFT))
#define iface_of(word) ((__u16)((word) >> IFACE_SHIFT))

struct bucket {
	struct weir_slot slot[WEIR_WAYS];
};

#ifndef WEIR_BCC
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} flows SEC(".maps");
#endif

/* A flow as the table names it, and who of its two sides sent the packet at hand. */
struct flow {
	__u64 addr[2][2];
	__u64 key; /* port[0] | port[1] << 16 | proto << 32, as the slot's word has it */
	__u8 sender;
};

inlined __u64 *word_of(struct weir_slot *slot)
{
	return (__u64 *)slot->port;
}

/* Side 0 is the lower endpoint: address words as loaded (so on every engine little-endian numbers), then port. */
inlined void name_flow(const struct packet *p, struct flow *flow)
{
	__u64 swap, differs, ports = p->src_port ^ p->dst_port;

	if (p->src[0] != p->dst[0])
		swap = p->src[0] > p->dst[0];
	else if (p->src[1] != p->dst[1])
		swap = p->src[1] > p->dst[1];
	else
		swap = p->src_port > p->dst_port;
	flow->sender = swap;
	swap = -swap;
	opaque(swap); /* exchanged without a branch */
	differs = (p->src[0] ^ p->dst[0]) & swap;
	flow->addr[0][0] = p->src[0] ^ differs;
	flow->addr[1][0] = p->dst[0] ^ differs;
	differs = (p->src[1] ^ p->dst[1]) & swap;
	flow->addr[0][1] = p->src[1] ^ differs;
	flow->addr[1][1] = p->dst[1] ^ differs;
	ports &= swap;
	flow->key = (p->src_port ^ ports) | (p->dst_port ^ ports) << 16 | (__u64)p->proto << 32;
}

/* One term of NH (UMAC, RFC 4418 §5.2.2): universal as long as the keys are secret, and terms do not wait for each other. */
inlined __u64 nh(__u64 word, int term)
{
	return (__u64)((__u32)word + constants.hash_key[2 * term]) * (__u32)((__u32)(word >> 32) + constants.hash_key[2 * term + 1]);
}

inlined __u64 hash(const struct flow *flow)
{
	__u64 sum = nh(flow->addr[0][0], 0) + nh(flow->addr[0][1], 1) + nh(flow->addr[1][0], 2) + nh(flow->addr[1][1], 3) +
		    nh(flow->key, 4);

	sum ^= sum >> 32;
	sum *= 0x9e3779b97f4a7c15ull;
	return sum ^ (sum >> 29);
}

inlined struct bucket *bucket_at(__u32 index)
{
	return map_lookup(WEIR_MAP(flows), &index);
}

inlined struct bucket *first_bucket(__u64 hash)
{
	return bucket_at(hash & constants.bucket_mask);
}

inlined struct bucket *second_bucket(__u64 hash)
{
	return bucket_at((hash >> 32) & constants.bucket_mask);
}

inlined int same_addresses(const struct weir_slot *slot, const struct flow *flow)
{
	return slot->addr[0][1] == flow->addr[0][1] && slot->addr[1][1] == flow->addr[1][1] &&
	       slot->addr[0][0] == flow->addr[0][0] && slot->addr[1][0] == flow->addr[1][0];
}

/* Ways are tried from one that the hash chooses: were it always the first, a table with few flows would use one cache set of
 * eight. (And the verifier sees one slot of four, not four slots to walk the rest of the program with.) */
inlined struct weir_slot *way_of(struct bucket *bucket, __u64 hash, __u32 way)
{
	return &bucket->slot[((hash >> 61) + way) & (WEIR_WAYS - 1)];
}

inlined struct weir_slot *find_in(struct bucket *bucket, __u64 hash, const struct flow *flow)
{
	__u64 want = flow->key | (__u64)WEIR_LIVE << STATE_SHIFT, mask = (1ull << IFACE_SHIFT) - 1;

#pragma unroll
	for (__u32 way = 0; way < WEIR_WAYS; way++) {
		struct weir_slot *slot = way_of(bucket, hash, way);

		if ((once(*word_of(slot)) & mask) == want && same_addresses(slot, flow))
			return slot;
	}
	return 0;
}

/* Fetch the lines that measuring needs beside the first, of the way that nearly every flow is in: what is in no cache is then
 * awaited once, and not line by line, as atomic operations would (each lets no later load begin). */
inlined void fetch(struct bucket *bucket, __u64 hash)
{
	struct weir_slot *slot = way_of(bucket, hash, 0);

	(void)once(slot->observations);
	(void)once(slot->high[0]);
}

inlined struct weir_slot *find(__u64 hash, const struct flow *flow)
{
	struct bucket *bucket = first_bucket(hash);
	struct weir_slot *slot;

	if (!bucket)
		return 0;
	fetch(bucket, hash);
	slot = find_in(bucket, hash, flow);
	if (slot)
		return slot;
	bucket = second_bucket(hash);
	return bucket ? find_in(bucket, hash, flow) : 0;
}

/* 1 where value (< 2^63) is 0, without a branch: the verifier would walk both ways for each of eight slots. */
inlined __u64 is_zero(__u64 value)
{
	value -= 1;
	opaque(value);
	return value >> 63;
}

/* The empty ways of a bucket as four bits, in the order they are tried; `*busy` is set where another CPU may be inserting this very flow. */
inlined __u64 survey(struct bucket *bucket, __u64 hash, const struct flow *flow, __u64 *busy)
{
	__u64 inserting = flow->key | (__u64)WEIR_BUSY << STATE_SHIFT, mask = (1ull << IFACE_SHIFT) - 1, empty = 0;

#pragma unroll
	for (__u32 way = 0; way < WEIR_WAYS; way++) {
		__u64 word = once(*word_of(way_of(bucket, hash, way)));

		empty |= is_zero(state_of(word)) << way;
		*busy |= is_zero((word ^ inserting) & mask);
	}
	return empty;
}

/* Claim a slot for a flow that find() did not find. On success `*result` is a slot in state BUSY, ours to fill and publish,
 * `*index` its number.
 * Returns -1, or the outcome TABLE_FULL, or WEIR_OUTCOMES: it may be in the table now, find it again. */
inlined int claim(__u64 hash, const struct flow *flow, struct weir_slot **result, __u32 *index)
{
	struct bucket *a = first_bucket(hash), *b = second_bucket(hash);
	__u64 busy = 0, empty_a, empty_b, empty, word;
	__u32 number = hash;
	struct weir_slot *slot;

	if (!a || !b)
		return WEIR_TABLE_FULL;
	empty_a = survey(a, hash, flow, &busy);
	empty_b = survey(b, hash, flow, &busy);
	if (busy)
		return WEIR_OUTCOMES;
	/* The first while it is half empty, so that most look-ups touch one bucket; then the emptier (of two choices the fullest
	 * bucket stays near log log n, of one it would be log n / log log n). */
	empty = empty_a;
	if (COUNT_OF(empty_a) < WEIR_WAYS / 2 && COUNT_OF(empty_b) > COUNT_OF(empty_a)) {
		a = b;
		empty = empty_b;
		number = hash >> 32;
	}
	if (!empty)
		return WEIR_TABLE_FULL;
	slot = way_of(a, hash, LOWEST_OF(empty));
	word = once(*word_of(slot));
	if (state_of(word) != WEIR_EMPTY ||
	    !__sync_bool_compare_and_swap(word_of(slot), word, flow->key | (__u64)WEIR_BUSY << STATE_SHIFT))
		return WEIR_OUTCOMES;
	*result = slot;
	*index = (number & constants.bucket_mask) * WEIR_WAYS + (((hash >> 61) + LOWEST_OF(empty)) & (WEIR_WAYS - 1));
	return -1;
}

/* Wait for an insertion by another CPU to end: the flow may be the same one. */
inlined void wait_for_insertion(__u64 hash, const struct flow *flow)
{
	struct bucket *a = first_bucket(hash), *b = second_bucket(hash);

	if (!a || !b)
		return;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SPINS; i++) {
		__u64 busy = 0;

		survey(a, hash, flow, &busy);
		survey(b, hash, flow, &busy);
		if (!busy)
			return;
	}
}

/* Make a filled slot visible: every field before its state (an exchange is a full barrier). */
inlined void publish(struct weir_slot *slot, const struct flow *flow, __u16 iface)
{
	__sync_lock_test_and_set(word_of(slot), flow->key | (__u64)WEIR_LIVE << STATE_SHIFT | (__u64)iface << IFACE_SHIFT);
}

/* No packet is counted here any more. A slot that changed hands meanwhile is left as it is. */
inlined void retire(struct weir_slot *slot)
{
	__u64 word = once(*word_of(slot)), to = WEIR_LIVE ^ WEIR_RETIRED;

	if (state_of(word) == WEIR_LIVE)
		__sync_bool_compare_and_swap(word_of(slot), word, word ^ to << STATE_SHIFT);
}

#endif
