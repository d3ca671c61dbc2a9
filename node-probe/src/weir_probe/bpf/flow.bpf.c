// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts the flows that the plan selects, at the tc hooks of the selected interfaces. docs/capture.md tells the whole story. */
#include "intake.h"

#define IFACES 4096
#define IFACE_PROBES 4
#define MIX 0x9e3779b1u /* 2^32 / golden ratio */
#define FRAGMENTS 65536

struct tally {
	__u64 packets, bytes;
};

/* A datagram whose first fragment never came, given back by user space to be counted without ports. */
struct orphan {
	__u8 ethernet[14]; /* BPF_PROG_TEST_RUN wants a frame */
	__u16 iface;       /* place in `ifaces`; beyond its end: the interface is gone */
	struct weir_fragment_key key;
	__u64 word, headers;
	__u32 leaves;
	__u32 pad;
};

struct work {
	struct packet packet;
	struct measurement measurement;
	struct lot lot;
	__u64 word; /* packets << 40 | bytes to count */
	__u64 payload; /* observations that want it */
	__u32 leaves; /* 1: from the workload behind the interface */
	__u32 pad;
};

#ifndef WEIR_BCC
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, IFACES);
	__type(key, __u32);
	__type(value, struct weir_iface);
} ifaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct weir_port_key);
	__type(value, __u64);
} ports SEC(".maps");

/* Asked for an insertion or a new selection only, never per packet. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct weir_peer_key);
	__type(value, __u64);
} peers SEC(".maps");

/* Datagrams whose first fragment was seen. Least recently used: one that is pushed out loses ports, not packets. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENTS);
	__type(key, struct weir_fragment_key);
	__type(value, struct weir_fragment);
} fragments SEC(".maps");

/* Datagrams whose first fragment was not seen yet: these hold counts, so none is ever pushed out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FRAGMENTS);
	__type(key, struct weir_fragment_key);
	__type(value, struct weir_fragment);
} pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_OUTCOMES);
	__type(key, __u32);
	__type(value, struct tally);
} outcomes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_clock);
} clocks SEC(".maps");

/* What a program knows of the packet at hand. In a map and not on the stack: the verifier knows nothing of what is in a map, and
 * so walks the rest of the program once, not once for each way that leads there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");
#endif

inlined void tell(__u32 outcome, __u64 word)
{
	struct tally *tally = map_lookup(WEIR_MAP(outcomes), &outcome);

	if (tally) {
		tally->packets += word >> WEIR_BYTES_BITS;
		tally->bytes += word & ((1ull << WEIR_BYTES_BITS) - 1);
	}
}

/* User space keeps the table so that the first probe hits for nearly every interface, and the fourth at the latest. */
inlined struct weir_iface *iface_find(__u32 ifindex)
{
	__u32 at = ifindex + constants.netns * MIX, stride = (ifindex * MIX >> 20) | 1;

#pragma unroll
	for (int i = 0; i < IFACE_PROBES; i++) {
		__u32 index = (at + i * stride) & (IFACES - 1);
		struct weir_iface *iface = map_lookup(WEIR_MAP(ifaces), &index);

		if (iface && iface->ifindex == ifindex && iface->netns == constants.netns)
			return iface;
	}
	return 0;
}

inlined __u64 named_by(__u16 port, __u8 proto)
{
	struct weir_port_key key = {.port = port, .proto = proto};
	__u64 *mask = map_lookup(WEIR_MAP(ports), &key);

	return mask ? *mask : 0;
}

/* The observations that name who is at this side of the flow. */
inlined __u64 named_peer(const struct flow *flow, __u64 side)
{
	struct {
		__u32 aligned, length; /* struct weir_peer_key begins at its length */
		__u64 addr[2];
	} key = {.length = 128};
	__u64 *mask;

	side = -side;
	opaque(side); /* chosen without a branch */
	key.addr[0] = flow->addr[0][0] ^ ((flow->addr[0][0] ^ flow->addr[1][0]) & side);
	key.addr[1] = flow->addr[0][1] ^ ((flow->addr[0][1] ^ flow->addr[1][1]) & side);
	mask = map_lookup(WEIR_MAP(peers), &key.length);
	return mask ? *mask : 0;
}

/* The observations that take this flow for the workload behind `iface`. `guess`: the opener is one, so the server port may
 * be either. */
inlined __u64 select(const struct weir_iface *iface, const struct flow *flow, __u8 opener, __u8 workload_side, int guess)
{
	__u64 key = flow->key;
	__u64 mask = opener == workload_side ? iface->opened_out : iface->opened_in;
	__u64 by_port = mask & iface->by_port;

	if (by_port) {
		__u16 port[2] = {key, key >> 16};
		__u8 proto = key >> 32;
		__u64 named = named_by(opener ? port[0] : port[1], proto);

		if (guess)
			named |= named_by(opener ? port[1] : port[0], proto);
		mask &= ~by_port | named;
	}
	if (mask & iface->by_peer)
		mask &= ~iface->by_peer | named_peer(flow, workload_side ^ 1);
	return mask;
}

inlined int opener_is_guess(__u8 proto, __u8 flags)
{
	return proto != PROTO_TCP || !(flags & TCP_SYN);
}

/* RST from anyone, or FIN from both. */
inlined int is_closed(const struct weir_slot *slot)
{
	__u8 a = slot->tcp_flags[0], b = slot->tcp_flags[1];

	return ((a | b) & TCP_RST) || (a & b & TCP_FIN);
}

inlined void remember_flags(struct weir_slot *slot, __u8 sender, __u8 flags)
{
	if (flags & ~slot->tcp_flags[sender]) /* both directions share the word: the sides may be on two CPUs */
		__sync_fetch_and_or((__u64 *)&slot->peer_iface, (__u64)flags << (sender ? 24 : 16));
}

/* What the packet shows of a flow that `iface` does not count, or that was selected under another plan. Returns 1 if the packet
 * is to be counted in the slot, -1 if it was told as an outcome, 0 if the slot changed hands meanwhile. */
inlined int reselect(struct weir_slot *slot, __u64 head, const struct flow *flow, const struct weir_iface *iface, __u8 leaves,
		     int guess, __u64 word)
{
	__u16 owner = iface_of(head);
	__u8 side = flow->sender ^ leaves ^ 1; /* of the workload */
	__u64 mask;

	if (owner && owner != iface->id && slot->peer_iface &&
	    (slot->peer_iface != iface->id || slot->peer_generation == iface->generation)) {
		tell(WEIR_DUPLICATE, word);
		return -1;
	}
	mask = select(iface, flow, slot->opener, side, guess);
	if (owner && owner != iface->id) {
		once(slot->peer_observations) = mask;
		once(slot->peer_generation) = iface->generation;
		once(slot->peer_iface) = iface->id;
		tell(WEIR_DUPLICATE, word);
		return -1;
	}
	if (!owner) {
		if (!mask) {
			tell(WEIR_NOT_SELECTED, word);
			return -1;
		}
		if (!__sync_bool_compare_and_swap(word_of(slot), head, head | (__u64)iface->id << IFACE_SHIFT))
			return 0;
		slot->workload_side = side;
		once(slot->observations) = mask; /* before it is no longer the peer's, or a tick in between counts for nobody */
		if (slot->peer_iface == iface->id)
			once(slot->peer_iface) = 0;
	}
	once(slot->observations) = mask;
	once(slot->generation) = iface->generation;
	if (!mask && !(slot->peer_iface && slot->peer_observations && slot->peer_generation == iface->generation)) {
		retire(slot); /* nobody asks for it any more; a peer that does inserts it anew */
		tell(WEIR_NOT_SELECTED, word);
		return -1;
	}
	return 1;
}

/* Count `word` (packets << 40 | bytes) of a flow that is in the table. Returns 1 if it was counted there, -1 if it was told as an
 * outcome, 0 if the slot is no longer to be used. */
inlined int count(struct weir_slot *slot, const struct flow *flow, const struct weir_iface *iface, __u8 leaves,
		  __u8 tcp_flags, __u64 word)
{
	__u64 head = once(*word_of(slot));
	__u8 proto = flow->key >> 32;

	if (iface_of(head) != iface->id || slot->generation != iface->generation) {
		int guess = opener_is_guess(proto, slot->tcp_flags[0] | slot->tcp_flags[1] | tcp_flags);
		int counts = reselect(slot, head, flow, iface, leaves, guess, word);

		if (counts <= 0)
			return counts;
	}
	__sync_fetch_and_add(&slot->traffic[flow->sender], word);
	return 1;
}

/* Insert the flow with its first packet, into `*result`. Returns -1, or what claim() says, or WEIR_NOT_SELECTED. */
inlined int insert(__u64 hash, const struct flow *flow, const struct weir_iface *iface, __u8 leaves, __u8 tcp_flags,
		   __u8 answers, __u64 word, __u64 now_ns, struct weir_slot **result)
{
	__u8 side = flow->sender ^ leaves ^ 1;
	__u8 opener = flow->sender ^ answers;
	__u64 mask = select(iface, flow, opener, side, opener_is_guess(flow->key >> 32, tcp_flags));
	struct weir_slot *slot = 0;
	__u32 index = 0;
	int refused;

	if (!mask)
		return WEIR_NOT_SELECTED;
	refused = claim(hash, flow, &slot, &index);
	if (refused >= 0)
		return refused;
	if (!slot)
		return WEIR_TABLE_FULL;
	slot->addr[0][0] = flow->addr[0][0];
	slot->addr[0][1] = flow->addr[0][1];
	slot->addr[1][0] = flow->addr[1][0];
	slot->addr[1][1] = flow->addr[1][1];
	slot->traffic[0] = 0;
	slot->traffic[1] = 0;
	slot->traffic[flow->sender] = word;
	slot->last = jiffies64();
	slot->observations = mask;
	slot->peer_observations = 0;
	slot->first_ns = now_ns;
	slot->generation = iface->generation;
	slot->peer_generation = 0;
	slot->peer_iface = 0;
	slot->tcp_flags[0] = 0;
	slot->tcp_flags[1] = 0;
	slot->opener = opener;
	slot->workload_side = side;
	slot->opening = 0;
	slot->reset = 0;
	slot->headers[0] = 0;
	slot->headers[1] = 0;
	slot->last_ns[0] = 0;
	slot->last_ns[1] = 0;
	slot->marks = 0;
	slot->index = index;
	slot->retrans[0] = 0;
	slot->retrans[1] = 0;
	slot->zero_win[0] = 0;
	slot->zero_win[1] = 0;
	slot->retrans_opening[0][0] = 0;
	slot->retrans_opening[0][1] = 0;
	slot->retrans_opening[1][0] = 0;
	slot->retrans_opening[1][1] = 0;
	slot->syn = 0;
	slot->synack = 0;
	slot->fin = 0;
	slot->merged = 0;
	publish(slot, flow, iface->id);
	*result = slot;
	return -1;
}

/* Of a packet that was counted: its layers, what it shows of the flow's performance, its flags, its payload. */
inlined void describe(struct __sk_buff *skb, struct weir_slot *slot, struct work *work, __u8 sender)
{
	struct packet *p = &work->packet;
	__u64 now = jiffies64(), headers = p->headers, payload = once(work->payload);
	__u8 both = slot->tcp_flags[0] & slot->tcp_flags[1];
	int fresh = slot->last != now;

	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		headers = headers >> 32 << 32; /* they carry nothing: their packets are not headers either */
	__sync_fetch_and_add(&slot->headers[sender], headers);
	if (fresh)
		once(slot->last) = now;
	if (p->complete)
		measure(skb, slot, p, &work->measurement, (sender ^ slot->opener) & 1, fresh, both & TCP_FIN);
	if (p->proto == PROTO_TCP)
		remember_flags(slot, sender, p->tcp_flags);
	if (payload && payload & (slot->observations | slot->peer_observations)) /* the latter is on a line of its own */
		take_in(skb, slot, p, &work->lot, (sender ^ slot->opener) & 1);
}

/* Account `work->word` to the packet's flow, or to the outcome that says why not. */
inlined void account(struct __sk_buff *skb, struct work *work, const struct weir_iface *iface)
{
	struct packet *p = &work->packet;
	struct weir_slot *slot = 0;
	int outcome = WEIR_CONTENDED;
	__u8 leaves = work->leaves & 1;
	__u64 hashed, word = work->word;
	struct flow flow;

	name_flow(p, &flow);
	flow.sender &= 1;
	hashed = hash(&flow);
#pragma clang loop unroll(disable)
	for (int i = 0; i < ATTEMPTS; i++) {
		slot = find(hashed, &flow);
		if (slot && p->proto == PROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && is_closed(slot)) {
			retire(slot); /* the port is used again: another connection */
			slot = 0;
		}
		if (slot) {
			outcome = count(slot, &flow, iface, leaves, p->tcp_flags, word);
			if (outcome < 0)
				return;
			if (outcome)
				break;
			slot = 0;
			outcome = WEIR_CONTENDED;
			continue;
		}
		outcome = insert(hashed, &flow, iface, leaves, p->tcp_flags, p->answers & 1, word, exact_ns(skb, p), &slot);
		if (outcome != WEIR_OUTCOMES)
			break;
		outcome = WEIR_CONTENDED;
		wait_for_insertion(hashed, &flow);
	}
	if (slot)
		describe(skb, slot, work, flow.sender);
	else
		tell(outcome, word);
}

/* Give a fragment its datagram's ports. Returns the word to account now: with what waited for the first fragment, or 0 if this
 * one waits itself. */
inlined __u64 assemble(struct packet *p, const struct weir_iface *iface, __u8 leaves, __u64 word)
{
	struct weir_fragment_key key = {.id = p->fragment_id, .proto = p->fragment_proto};
	struct weir_fragment *known, *waiting, fresh = {};
	__u64 now = jiffies64();

	key.src[0] = p->src[0];
	key.src[1] = p->src[1];
	key.dst[0] = p->dst[0];
	key.dst[1] = p->dst[1];
	fresh.last = now;
	fresh.iface = iface->id;
	waiting = map_lookup(WEIR_MAP(pending), &key);
	if (p->fragment == FIRST) {
		fresh.known = 1;
		fresh.src_port = p->src_port;
		fresh.dst_port = p->dst_port;
		fresh.proto = p->proto;
		map_update(WEIR_MAP(fragments), &key, &fresh, 0);
		if (waiting && waiting->iface == iface->id) {
			word += __sync_lock_test_and_set(&waiting->pending, 0);
			p->headers += waiting->headers;
			map_delete(WEIR_MAP(pending), &key);
		}
		return word;
	}
	known = map_lookup(WEIR_MAP(fragments), &key);
	if (known && now - known->last <= constants.fragment_ticks) {
		p->src_port = known->src_port;
		p->dst_port = known->dst_port;
		p->proto = known->proto;
		return word;
	}
	if (waiting) {
		if (waiting->iface != iface->id) {
			tell(WEIR_DUPLICATE, word);
		} else {
			__sync_fetch_and_add(&waiting->pending, word);
			__sync_fetch_and_add(&waiting->headers, p->headers);
			once(waiting->last) = now;
		}
		return 0;
	}
	fresh.pending = word;
	fresh.headers = p->headers;
	fresh.src_port = leaves;
	if (map_update(WEIR_MAP(pending), &key, &fresh, 1 /* BPF_NOEXIST */) < 0)
		tell(WEIR_FRAGMENTS_FULL, word);
	return 0;
}

inlined void observe(struct __sk_buff *skb, __u8 egress)
{
	__u64 word = (1ull << WEIR_BYTES_BITS) | skb->len;
	struct weir_iface *iface = iface_find(skb->ifindex);
	__u32 first = 0;
	struct work *work = map_lookup(WEIR_MAP(works), &first);
	struct packet *p;
	int outcome;

	if (!iface || !work) {
		tell(WEIR_NOT_SELECTED, word);
		return;
	}
	p = &work->packet;
	clear(p);
	p->segments = skb->gso_segs > 1 ? skb->gso_segs : 1; /* Linux 5.1 */
	work->payload = iface->payload; /* for the verifier: what needs `iface` later is walked for each way that found it */
	work->leaves = egress == iface->pod_side;
	outcome = parse(skb, iface->raw_ip, p);
	if (outcome >= 0) {
		tell(outcome, word);
		return;
	}
	if (p->fragment != WHOLE) {
		word = assemble(p, iface, work->leaves, word);
		if (!word)
			return;
	}
	work->word = word;
	account(skb, work, iface);
}

WEIR_PROGRAM(ingress)
int weir_ingress(struct __sk_buff *skb)
{
	observe(skb, 0);
	return TC_ACT_UNSPEC;
}

WEIR_PROGRAM(egress)
int weir_egress(struct __sk_buff *skb)
{
	observe(skb, 1);
	return TC_ACT_UNSPEC;
}

/* Run by user space, never attached: both clocks at one moment. */
WEIR_PROGRAM(read_clocks)
int weir_clocks(struct __sk_buff *skb)
{
	__u32 first = 0;
	struct weir_clock *clock = map_lookup(WEIR_MAP(clocks), &first);

	if (clock) {
		clock->jiffies = jiffies64();
		clock->monotonic_ns = monotonic_ns();
	}
	return 0;
}

/* Run by user space, never attached: count the fragments of a datagram whose first never came, to the flow without ports. */
WEIR_PROGRAM(adopt_orphan)
int weir_orphan(struct __sk_buff *skb)
{
	struct orphan orphan;
	__u32 index = 0;
	struct work *work = map_lookup(WEIR_MAP(works), &index);
	struct weir_iface *iface;
	struct packet *p;

	if (!work || load_bytes(skb, 0, &orphan, sizeof(orphan)) < 0)
		return 0;
	p = &work->packet;
	clear(p);
	p->src[0] = orphan.key.src[0];
	p->src[1] = orphan.key.src[1];
	p->dst[0] = orphan.key.dst[0];
	p->dst[1] = orphan.key.dst[1];
	p->proto = orphan.key.proto;
	p->headers = orphan.headers;
	work->leaves = orphan.leaves;
	work->word = orphan.word;
	work->payload = 0;
	index = orphan.iface;
	iface = map_lookup(WEIR_MAP(ifaces), &index);
	if (iface)
		account(skb, work, iface);
	else
		tell(WEIR_NOT_SELECTED, orphan.word);
	return 0;
}

#ifndef WEIR_BCC
char _license[] SEC("license") = "Dual BSD/GPL";
#endif
