// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What of a flow's payload goes to user space, through a ring that wakes nobody: the twin of streams/intake.py. Whatever is
 * asked for and does not get there is counted; its reader knows the gap by the sequence numbers. */
#ifndef WEIR_INTAKE_H
#define WEIR_INTAKE_H

#include "tcp.h"

#define TURN_BYTES 4096
#define TURN_REACH (1u << 20) /* so far before a turn's first segment may one be that was sent before it, and again */
#define FRESH_BYTES (1u << 20)
#define CHUNK_BYTES 32768
#define CHUNKS 2 /* a GSO packet of 64 KiB; of BIG TCP what is beyond is a gap */
#define RATE_WINDOW 27 /* log2 of ns: 134 ms */
#define LOTS 256 /* of a window's bytes a CPU takes so small a part at once: the counter's cache line stays where it is */
#define NO_WAKEUP 1 /* BPF_RB_NO_WAKEUP */

#ifndef WEIR_BCC
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_intake);
} intakes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_payload);
} payload SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} segments SEC(".maps");
#endif

/* Write a record with `take` bytes of the packet from `at` on, in the smallest class that holds them. Returns 0 where there is
 * no room. */
#define WRITE(SIZE)                                                                                                             \
	do {                                                                                                                    \
		struct {                                                                                                        \
			struct weir_segment head;                                                                               \
			__u8 bytes[SIZE];                                                                                       \
		} *record = ringbuf_reserve(WEIR_MAP(segments), sizeof(*record), 0);                                            \
		__u32 part = take & (SIZE - 1);                                                                                 \
                                                                                                                                \
		if (!record)                                                                                                    \
			return 0;                                                                                               \
		record->head = *head;                                                                                           \
		opaque(part);                                                                                                   \
		if (take >= SIZE) {                                                                                             \
			if (load_bytes(skb, at, record->bytes, SIZE) < 0)                                                       \
				record->head.captured = 0;                                                                      \
		} else {                                                                                                        \
			part &= SIZE - 1; /* the verifier wants to see it */                                                    \
			if (part && load_bytes(skb, at, record->bytes, part) < 0)                                               \
				record->head.captured = 0;                                                                      \
		}                                                                                                               \
		ringbuf_submit(record, NO_WAKEUP);                                                                              \
		return 1;                                                                                                       \
	} while (0)

inlined int write_segment(struct __sk_buff *skb, const struct weir_segment *head, __u32 at, __u32 take)
{
	if (!take) {
		struct weir_segment *record = ringbuf_reserve(WEIR_MAP(segments), sizeof(*record), 0);

		if (!record)
			return 0;
		*record = *head;
		ringbuf_submit(record, NO_WAKEUP);
		return 1;
	}
	if (take <= 128)
		WRITE(128);
	if (take <= 512)
		WRITE(512);
	if (take <= 1024)
		WRITE(1024);
	if (take <= 2048)
		WRITE(2048);
	if (take <= 8192)
		WRITE(8192);
	WRITE(CHUNK_BYTES);
}

/* Of what the node may give in a window, what this CPU may without asking the others. */
struct lot {
	__u64 window, left;
};

/* Whether flow and node may give so many bytes now. */
inlined int within_rate(struct weir_payload *node, struct weir_intake *intake, struct lot *lot, __u64 ns, __u32 bytes)
{
	__u64 window = ns >> RATE_WINDOW, more;

	if (intake->window != (__u32)window) {
		intake->window = window;
		intake->used = 0;
	}
	if (intake->used + bytes > node->flow_limit) {
		__sync_fetch_and_add(&node->lost[WEIR_FLOW_RATE], 1);
		return 0;
	}
	if (lot->window != window || lot->left < bytes) {
		if (once(node->window) != window) { /* two CPUs may both: then a little more is taken */
			once(node->window) = window;
			once(node->used) = 0;
		}
		more = bytes + node->node_limit / LOTS;
		if (__sync_fetch_and_add(&node->used, more) + more > node->node_limit) {
			__sync_fetch_and_add(&node->lost[WEIR_NODE_RATE], 1);
			return 0;
		}
		lot->window = window;
		lot->left = more;
	}
	lot->left -= bytes;
	intake->used += bytes;
	return 1;
}

/* How many of the packet's bytes are wanted; -1: it says nothing that is. */
inlined int wanted(struct weir_intake *intake, const struct packet *p, __u8 way)
{
	__u32 take = p->payload < CHUNKS * CHUNK_BYTES ? p->payload : CHUNKS * CHUNK_BYTES;
	__u32 left;

	if (intake->mode == WEIR_GIVEN_UP)
		return -1;
	if (p->proto == PROTO_UDP) {
		if (!take)
			return -1;
		return take < TURN_BYTES ? take : TURN_BYTES;
	}
	if (take && intake->spoke != way) {
		intake->spoke = way;
		intake->turn_end = p->seq + TURN_BYTES;
	}
	if (intake->mode == WEIR_FIRST || (intake->mode == WEIR_FRESH && intake->taken > FRESH_BYTES)) {
		left = intake->turn_end - p->seq;
		if (left > TURN_BYTES + TURN_REACH)
			take = 0;
		else if (take > left)
			take = left;
	}
	if (!take && !(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return -1;
	return take;
}

/* The payload of a packet that was counted in `slot`. */
inlined void take_in(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct lot *lot, __u8 way)
{
	__u32 first = 0, index = slot->index, at = p->payload_at, born = slot->first_ns;
	struct weir_payload *node = map_lookup(WEIR_MAP(payload), &first);
	struct weir_intake *intake = map_lookup(WEIR_MAP(intakes), &index);
	struct weir_segment head = {};
	int take, left;

	if (!node || !intake || !p->complete || p->fragment != WHOLE || (p->proto != PROTO_TCP && p->proto != PROTO_UDP))
		return;
	if (intake->born != born) {
		intake->born = born;
		intake->mode = WEIR_FRESH;
		intake->spoke = 2; /* nobody */
		intake->used = 0;
		intake->taken = 0;
	}
	left = wanted(intake, p, way);
	if (left < 0)
		return;
	head.ns = exact_ns(skb, p);
	if (!within_rate(node, intake, lot, head.ns, left + sizeof(head)))
		return;
	intake->taken += left;
	head.slot = index;
	head.born = born;
	head.seq = p->tcp_flags & TCP_SYN ? p->seq + 1 : p->seq;
	head.ack = p->ack;
	head.length = p->payload;
	head.way = way;
	head.proto = p->proto;
#pragma clang loop unroll(disable)
	for (int i = 0; i < CHUNKS; i++) {
		__u32 total = head.length;

		take = left < CHUNK_BYTES ? left : CHUNK_BYTES;
		head.captured = take;
		head.tcp_flags = p->tcp_flags;
		if (left > take) { /* another follows */
			head.length = take;
			head.tcp_flags &= ~(TCP_FIN | TCP_RST);
		}
		if (!write_segment(skb, &head, at, take)) {
			__sync_fetch_and_add(&node->lost[WEIR_RING_FULL], 1);
			return;
		}
		if (left <= take)
			return;
		left -= take;
		at += take;
		head.seq += take;
		head.length = total - take;
	}
}

#endif
