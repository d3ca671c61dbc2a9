// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a packet does to the performance of its flow: the twin of streams/performance.py, which docs/flows.md defines. Times go
 * to user space as samples, and so do segments out of sequence: which data was seen takes more room than a slot has. */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H

#include "table.h"

#define LOCK_SPINS 256
#define SAMPLE_MARGIN 256 /* places that CPUs may take at once beyond a ring that looks full */
#define STAMPS 15	  /* exact times a flow may take within a jiffy, beside those that make a sample */
#define WINDOW (1u << 30) /* no window is larger (RFC 7323 §2.3) */
#define SRT_LIMIT_NS 10000000000ull
#define ART_LIMIT_NS 30000000000ull
#define RTT_LIMIT_NS 30000000000ull

/* Marks of a slot; those on their own line stand for two bits, one for each way. */
#define SENT_SYN 0x1
#define SENT_SYNACK 0x4
#define SPOKE 0x10
#define SENT_DATA 0x20000
#define HOLES 0x80000 /* some data between `low` and `high` was not seen */
#define SYN_FIRST 0x40
#define ANSWERED 0x80
#define IDLE 0x100
#define AWAITS_ACK 0x200
#define AWAITS_DATA 0x400
#define PUSHED 0x800
#define HELD 0x1000
#define RESPONDED 0x2000
#define SHOOK 0x4000
#define REQUEST (AWAITS_ACK | AWAITS_DATA | PUSHED | HELD)
#define STAMP_SHIFT 24 /* four bits: exact times taken in the jiffy of `last` */
#define STAMP_MASK (15u << STAMP_SHIFT)
#define LOCKED 0x80000000u

enum opening { OPENING_NONE, OPENING_SYN, OPENING_SYNACK, OPENING_CHALLENGED, OPENING_ESTABLISHED, OPENING_QUEUE_LACK };

/* Of streams/measures.py, CLOSE_TYPES. */
#define CLOSE_FINISH 1
#define CLOSE_SERVER_RESET 4
#define CLOSE_CLIENT_ESTABLISH_RST 5 /* the server's is the next */
#define CLOSE_CLIENT_SOURCE_PORT_REUSE 7
#define CLOSE_SERVER_QUEUE_LACK 8
#define CLOSE_CLIENT_RST 10 /* the server's is the next */

#ifndef WEIR_BCC
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_sample);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_ring);
} ring SEC(".maps");
#endif

/* A packet at work: what it found in the slot, what it will tell. */
struct measurement {
	__u32 marks;
	__u32 told; /* bits by enum weir_time */
	__u64 ns;   /* of the first that is told: one of rtt_client, rtt_server, srt, cit */
	__u64 more_ns; /* of rtt or art */
	__u32 low, high, enters;
};

inlined struct weir_ring *the_ring(void)
{
	__u32 first = 0;

	return map_lookup(WEIR_MAP(ring), &first);
}

/* A place in the ring; 0 where there is none. `*at` is its number. */
inlined struct weir_sample *take_place(struct weir_ring *ring, __u64 *at)
{
	__u32 index;

	if (once(ring->head) - once(ring->tail) + SAMPLE_MARGIN > constants.sample_mask) {
		__sync_fetch_and_add(&ring->lost, 1);
		return 0;
	}
	*at = __sync_fetch_and_add(&ring->head, 1);
	index = *at & constants.sample_mask;
	return map_lookup(WEIR_MAP(samples), &index);
}

inlined void tell_time(struct weir_ring *ring, __u32 slot, __u8 kind, __u64 ns)
{
	__u64 at;
	struct weir_sample *sample = take_place(ring, &at);

	if (!sample)
		return;
	sample->slot = slot;
	sample->kind = kind;
	sample->ns = ns;
	__sync_lock_test_and_set(&sample->sequence, at + 1);
}

inlined void tell_segment(struct weir_ring *ring, __u32 slot, __u8 way, const struct packet *p, const struct measurement *m)
{
	__u64 at;
	struct weir_sample *sample = take_place(ring, &at);

	if (!sample)
		return;
	sample->slot = slot;
	sample->kind = WEIR_SEGMENT;
	sample->way = way;
	sample->segments = p->segments;
	sample->seq = p->seq;
	sample->length = p->payload;
	sample->low = m->low;
	sample->high = m->high;
	sample->enters = m->enters;
	__sync_lock_test_and_set(&sample->sequence, at + 1);
}

/* The marks with the number of the slot above them: BCC's compiler has no atomic operations on 32 bits. */
inlined __u64 *marks_of(struct weir_slot *slot)
{
	return (__u64 *)&slot->marks;
}

/* Both ways of a flow may be on two CPUs. Nothing is awaited within: a lock is held for some 20 ns. */
inlined int lock(struct weir_slot *slot, __u32 *marks)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < LOCK_SPINS; i++) {
		__u64 seen = once(*marks_of(slot));

		if (!(seen & LOCKED) && __sync_bool_compare_and_swap(marks_of(slot), seen, seen | LOCKED)) {
			*marks = seen;
			return 1;
		}
	}
	return 0;
}

inlined void unlock(struct weir_slot *slot, __u32 marks)
{
#ifdef __TARGET_ARCH_x86
	once(slot->marks) = marks; /* stores are seen in their order */
#else
	__sync_lock_test_and_set(marks_of(slot), marks | (__u64)slot->index << 32);
#endif
}

inlined int before(__u32 one, __u32 other)
{
	return (__s32)(one - other) < 0;
}

/* One time of a packet, whoever asks. */
inlined __u64 exact_ns(struct __sk_buff *skb, struct packet *p)
{
	if (!p->ns)
		p->ns = constants.stamped ? skb->tstamp : monotonic_ns();
	return p->ns;
}

/* The time of a packet that another may be timed from. Reading the clock costs more than all else here: a flow with many
 * packets in one jiffy takes the last exact time of that jiffy. `fresh`: the packet is the first of its jiffy. */
inlined __u64 stamp_ns(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, __u32 *marks, int fresh)
{
	if (fresh)
		*marks &= ~STAMP_MASK;
	else if (!constants.stamped && (*marks & STAMP_MASK) == STAMP_MASK)
		return slot->last_ns[0] > slot->last_ns[1] ? slot->last_ns[0] : slot->last_ns[1];
	if (!constants.stamped)
		*marks += 1u << STAMP_SHIFT;
	return exact_ns(skb, p);
}

/* A SYN or SYN+ACK; with another initial sequence number the connection starts anew. */
inlined __u32 count_opening(struct weir_slot *slot, const struct packet *p, __u32 marks, __u8 way)
{
	__u32 answer = p->tcp_flags & TCP_ACK ? 1 : 0;
	__u32 sent = (answer ? SENT_SYNACK : SENT_SYN) << way, known = marks & (SENT_SYN | SENT_SYNACK) << way;

	if (answer)
		slot->synack++;
	else
		slot->syn++;
	if (known && slot->initial_seq[way] != p->seq) {
		marks &= SPOKE | SPOKE << 1 | STAMP_MASK;
		if (!answer)
			slot->opening = OPENING_NONE;
	} else if (known & sent) {
		slot->retrans[way]++;
		slot->retrans_opening[way][answer]++;
	}
	slot->initial_seq[way] = p->seq;
	return marks;
}

/* Data new, seen, or left to user space to tell. Keeps the end of what was seen, and the beginning where nothing is missing. */
inlined void count_data(struct weir_slot *slot, const struct packet *p, struct measurement *m, __u8 way)
{
	__u32 seq = p->seq, end = seq + p->payload, high = slot->high[way], low = slot->low[way];

	if (!(m->marks & SENT_DATA << way)) {
		m->marks |= SENT_DATA << way;
		slot->low[way] = seq;
		slot->high[way] = end;
		return;
	}
	if (seq != high) {
		__u32 seen = seq - low < high - low, holes = m->marks & HOLES << way;

		if (before(seq, high) && high - seq > WINDOW)
			return; /* outside any window: nothing that either end would take */
		if (!holes && before(seq, high) && seen) {
			slot->retrans[way] += p->segments;
		} else {
			m->low = low;
			m->high = high;
			m->enters = !holes;
			m->told |= 1u << WEIR_SEGMENT;
			m->marks |= HOLES << way;
			low = high;
			if (before(low, end))
				low = end;
			slot->low[way] = low;
		}
		if (!before(high, end))
			return;
	}
	slot->high[way] = end;
	/* comparison holds within half the number space: forget what is further down than a window */
	if (end - low > WINDOW) {
		slot->low[way] = end - WINDOW;
		m->marks &= ~(HOLES << way);
	}
}

/* What an RST means in the state of the opening. */
inlined __u8 reset_in(__u8 state, __u32 marks, __u8 way, int both_fins)
{
	switch (state) {
	case OPENING_SYN:
		return way ? CLOSE_SERVER_RESET : CLOSE_CLIENT_ESTABLISH_RST;
	case OPENING_SYNACK:
		return CLOSE_CLIENT_ESTABLISH_RST + way;
	case OPENING_CHALLENGED:
		return way ? CLOSE_SERVER_RESET : CLOSE_CLIENT_SOURCE_PORT_REUSE;
	case OPENING_QUEUE_LACK:
		return CLOSE_SERVER_QUEUE_LACK;
	}
	if (both_fins || (!way && marks & RESPONDED))
		return CLOSE_FINISH;
	return CLOSE_CLIENT_RST + way;
}

inlined void follow(struct weir_slot *slot, __u32 kind, __u32 marks, __u8 way, int both_fins)
{
	__u8 state = slot->opening, was = state;

	if (kind & TCP_RST) {
		if (!slot->reset)
			slot->reset = reset_in(state, marks, way, both_fins);
	} else if (kind & TCP_SYN) {
		if (!(kind & TCP_ACK)) {
			if (state == OPENING_NONE)
				state = OPENING_SYN;
		} else if (state != OPENING_ESTABLISHED) {
			state = state == OPENING_QUEUE_LACK ? OPENING_QUEUE_LACK : OPENING_SYNACK;
		} else if (way) {
			state = OPENING_QUEUE_LACK;
		}
	} else if (way) {
		if (state == OPENING_SYN)
			state = OPENING_CHALLENGED;
		else if (state != OPENING_CHALLENGED)
			state = OPENING_ESTABLISHED;
	} else if (state != OPENING_QUEUE_LACK) {
		state = OPENING_ESTABLISHED;
	}
	if (state != was)
		slot->opening = state;
}

inlined void time_of(struct measurement *m, __u32 what, __u64 since_ns, __u64 ts_ns)
{
	if (ts_ns >= since_ns) { /* two CPUs may read the clock in another order than they write */
		m->told |= 1u << what;
		m->ns = ts_ns - since_ns;
	}
}

inlined void time_opening(struct weir_slot *slot, const struct packet *p, struct measurement *m, __u32 kind, __u8 way, __u64 ts_ns)
{
	__u32 marks = way ? m->marks : m->marks & ~REQUEST; /* whatever the client sends ends the request before it */

	if (kind == TCP_SYN) {
		if (!way && !(marks & SENT_SYN))
			slot->syn_ns = ts_ns;
		marks |= SENT_SYN << way;
	} else if (kind == (TCP_SYN | TCP_ACK) && !p->payload) {
		if (way) {
			if (marks & SENT_SYN && p->ack == slot->last_seq + 1)
				time_of(m, WEIR_RTT_SERVER, slot->syn_ns, ts_ns);
			if (!(marks & SENT_SYNACK << 1)) {
				slot->synack_ns = ts_ns;
				if (marks & SENT_SYN)
					marks |= SYN_FIRST;
			}
			if (!(marks & SHOOK)) {
				marks |= ANSWERED;
				slot->awaited = p->ack;
			}
		}
		marks |= SENT_SYNACK << way;
	} else {
		marks &= ~(REQUEST | ANSWERED);
	}
	m->marks = marks;
}

inlined void time_client(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u32 kind,
			 int fresh)
{
	__u32 marks = m->marks;

	if (p->payload) {
		int pushes = kind == (TCP_PSH | TCP_ACK);

		if (p->payload > 1) {
			__u64 ts_ns = pushes ? exact_ns(skb, p) : stamp_ns(skb, slot, p, &marks, fresh);

			if (pushes && marks & (IDLE | RESPONDED)) {
				__u64 since_ns = slot->last_ns[1];

				if (marks & IDLE && slot->last_ns[0] > since_ns)
					since_ns = slot->last_ns[0];
				time_of(m, WEIR_CIT, since_ns, ts_ns);
			}
			slot->last_ns[0] = ts_ns;
		}
		marks &= ~(REQUEST | ANSWERED | IDLE | RESPONDED);
		if (p->payload > 1)
			marks |= AWAITS_ACK | AWAITS_DATA | (kind & TCP_PSH ? PUSHED : 0);
	} else {
		marks &= ~REQUEST;
		if (marks & ANSWERED && kind == TCP_ACK && p->seq == slot->awaited && p->ack == slot->initial_seq[1] + 1) {
			__u64 ts_ns = exact_ns(skb, p);

			marks = (marks & ~ANSWERED) | SHOOK | IDLE;
			time_of(m, WEIR_RTT_CLIENT, slot->synack_ns, ts_ns);
			if (marks & SYN_FIRST && ts_ns - slot->syn_ns <= RTT_LIMIT_NS) {
				m->more_ns = ts_ns - slot->syn_ns;
				m->told |= 1u << WEIR_RTT;
			}
			slot->last_ns[0] = ts_ns;
		} else if (marks & IDLE) {
			slot->last_ns[0] = stamp_ns(skb, slot, p, &marks, fresh);
		}
	}
	m->marks = marks;
}

inlined void time_server(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u32 kind,
			 int fresh)
{
	__u32 marks = m->marks, next = kind == TCP_ACK && !p->payload;
	int answers = p->payload > 1 && marks & AWAITS_DATA && marks & SPOKE << 1 && p->seq == slot->next_seq[1];
	int takes = next && marks & AWAITS_ACK && p->ack == slot->next_seq[0];
	__u64 ts_ns = 0, took;

	if (answers || takes || (p->payload > 1 && kind & TCP_PSH))
		ts_ns = exact_ns(skb, p);
	else if (p->payload > 1 || marks & (IDLE | RESPONDED))
		ts_ns = stamp_ns(skb, slot, p, &marks, fresh);
	took = ts_ns - slot->last_ns[0];
	if (p->payload > 1) {
		if (marks & HELD) {
			m->told |= 1u << WEIR_SRT;
			m->ns = slot->held_ns;
		}
		if (answers && took <= ART_LIMIT_NS) { /* less than nothing is more than that */
			m->told |= 1u << WEIR_ART;
			m->more_ns = took;
		}
		marks = (marks & ~REQUEST) | RESPONDED;
	} else if (takes) {
		marks &= ~AWAITS_ACK;
		if (took <= SRT_LIMIT_NS) {
			if (marks & PUSHED) {
				m->told |= 1u << WEIR_SRT;
				m->ns = took;
			} else { /* it may be the middle of a request: that shows when the server answers, or the client goes on */
				slot->held_ns = took;
				marks |= HELD;
			}
		}
	} else if (kind & TCP_FIN) {
		marks &= ~REQUEST;
	}
	if (ts_ns)
		slot->last_ns[1] = ts_ns;
	m->marks = marks & ~ANSWERED;
}

inlined void observe_tcp(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u8 way,
			 int fresh, int both_fins)
{
	__u32 kind = p->tcp_flags & 0x3f; /* without the ECN bits (RFC 3168 §6.1), which an opening SYN may carry */

	if (kind == TCP_SYN || (kind == (TCP_SYN | TCP_ACK) && !p->payload))
		m->marks = count_opening(slot, p, m->marks, way);
	if (kind & TCP_FIN)
		slot->fin++;
	if (!(kind & (TCP_SYN | TCP_RST))) {
		if (!p->window)
			slot->zero_win[way]++;
		if (p->payload) {
			count_data(slot, p, m, way);
			if (p->segments > 1)
				slot->merged += p->segments - 1;
		}
	}
	follow(slot, kind, m->marks, way, both_fins);
	if (kind & (TCP_SYN | TCP_RST) || !(kind & TCP_ACK)) {
		__u64 ts_ns = exact_ns(skb, p);

		time_opening(slot, p, m, kind, way, ts_ns);
		slot->last_ns[way] = ts_ns;
	} else if (way) {
		time_server(skb, slot, p, m, kind, fresh);
	} else {
		time_client(skb, slot, p, m, kind, fresh);
	}
	m->marks |= SPOKE << way;
	if (!way)
		slot->last_seq = p->seq;
	slot->next_seq[way] = p->seq + p->payload + (kind & TCP_SYN ? 1 : 0);
}

inlined void observe_udp(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u8 way, int fresh)
{
	if (!way) {
		slot->last_ns[0] = stamp_ns(skb, slot, p, &m->marks, fresh);
		m->marks |= AWAITS_DATA;
	} else if (m->marks & AWAITS_DATA) {
		m->marks &= ~AWAITS_DATA;
		m->more_ns = exact_ns(skb, p) - slot->last_ns[0];
		m->told |= (m->more_ns >> 63 ? 0 : 1u) << WEIR_ART;
	}
}

inlined void observe_echo(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u8 way)
{
	if (!way && !p->answers) {
		slot->last_ns[0] = exact_ns(skb, p);
		slot->awaited = p->seq;
		m->marks |= AWAITS_ACK;
	} else if (way && p->answers && m->marks & AWAITS_ACK && slot->awaited == p->seq) {
		m->marks &= ~AWAITS_ACK;
		time_of(m, WEIR_SRT, slot->last_ns[0], exact_ns(skb, p));
	}
}

/* Measure a packet that was counted in `slot`. `fresh`: no packet of the flow came in this jiffy before. */
inlined void measure(struct __sk_buff *skb, struct weir_slot *slot, struct packet *p, struct measurement *m, __u8 way,
		     int fresh, int both_fins)
{
	struct weir_ring *ring;
	__u32 marks;

	if (!lock(slot, &marks)) {
		ring = the_ring();
		if (ring)
			__sync_fetch_and_add(&ring->unmeasured, 1);
		return;
	}
	m->marks = marks;
	m->told = 0;
	if (p->proto == PROTO_TCP)
		observe_tcp(skb, slot, p, m, way, fresh, both_fins);
	else if (p->proto == PROTO_UDP)
		observe_udp(skb, slot, p, m, way, fresh);
	else
		observe_echo(skb, slot, p, m, way);
	unlock(slot, m->marks & ~LOCKED);
	if (!m->told)
		return;
	ring = the_ring();
	if (!ring)
		return;
	if (m->told & 0x1f & ~(1u << WEIR_ART)) /* one of these at most */
		tell_time(ring, slot->index,
			  m->told & 1u << WEIR_RTT_CLIENT ? WEIR_RTT_CLIENT
			  : m->told & 1u << WEIR_RTT_SERVER ? WEIR_RTT_SERVER
			  : m->told & 1u << WEIR_SRT ? WEIR_SRT : WEIR_CIT, m->ns);
	if (m->told & (1u << WEIR_ART | 1u << WEIR_RTT))
		tell_time(ring, slot->index, m->told & 1u << WEIR_ART ? WEIR_ART : WEIR_RTT, m->more_ns);
	if (m->told & 1u << WEIR_SEGMENT)
		tell_segment(ring, slot->index, way, p, m);
}

#endif
