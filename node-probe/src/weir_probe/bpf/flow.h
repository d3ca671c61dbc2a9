/* The flow table as the kernel and user space both see it. streams/layout.py is its twin; a test compares them by BTF. */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#define WEIR_WAYS 4        /* slots in a bucket */
#define WEIR_BYTES_BITS 40 /* a traffic word is packets << 40 | bytes: one atomic add a packet, exact by difference up to 1 TiB and 16 M packets a tick */

enum weir_state {
	WEIR_EMPTY = 0,
	WEIR_BUSY = 1,    /* claimed by an insertion that is still writing it */
	WEIR_LIVE = 2,
	WEIR_RETIRED = 3, /* counts no new packet; user space exports it a tick later, then empties it */
};

/* Counters of what did not go into a slot, or went in without its datagram's ports; per CPU, packets and bytes. */
enum weir_outcome {
	WEIR_NON_IP = 0,       /* ARP, LLDP, ...: not a flow */
	WEIR_NOT_SELECTED = 1, /* no observation asks for it */
	WEIR_DUPLICATE = 2,    /* the same flow is counted on another interface */
	WEIR_MALFORMED = 3,    /* lost: the IP header is cut short or contradicts itself */
	WEIR_TABLE_FULL = 4,   /* lost: both buckets of the flow are full */
	WEIR_CONTENDED = 5,    /* lost: an insertion by another CPU did not end in time */
	WEIR_FRAGMENTS_FULL = 6, /* lost: a fragment without its first, and no room to remember it */
	WEIR_STORED = 7,       /* counted in a slot. Not kept by the kernel: user space sums the slots */
	WEIR_OUTCOMES = 8,
};

/* What is timed, by number in a sample: docs/flows.md defines each. */
enum weir_time {
	WEIR_RTT_CLIENT = 0,
	WEIR_RTT_SERVER = 1,
	WEIR_SRT = 2,
	WEIR_ART = 3,
	WEIR_CIT = 4,
	WEIR_RTT = 5,
	WEIR_TIMES = 6,
	WEIR_SEGMENT = 7, /* no time: a segment out of sequence, for user space to tell new from seen */
};

struct weir_slot { /* 256 bytes: every packet touches the first 64, those that are measured 128, TCP 192 */
	__u64 addr[2][2];  /* side 0 is the lower (address, port); IPv6 in network byte order, IPv4 v4-mapped (RFC 4291 §2.5.5.2) */
	__u16 port[2];     /* host byte order; 0 where the protocol has none */
	__u8 proto;        /* IANA protocol number */
	__u8 state;        /* enum weir_state */
	__u16 iface;       /* index in the interface table of the one interface that counts this flow; 0: none, the next to see it takes it */
	__u64 traffic[2];  /* packets << 40 | bytes, by the side that sent them; modulo 2^64 */
	__u64 last;        /* the engine's clock (kernel: jiffies) at the last packet */

	__u64 observations; /* bit n: observation n of the plan counts this flow for the workload behind `iface` */
	__u32 generation;   /* of the plan that `observations` was computed under */
	__u32 peer_generation;
	__u16 peer_iface;   /* 0: seen on one interface only */
	__u8 tcp_flags[2];  /* union of the TCP flags by sending side */
	__u8 opener;        /* the side that opened it: sender of SYN, receiver of SYN+ACK, else sender of the first packet */
	__u8 workload_side; /* the side of the workload behind `iface`; the one behind `peer_iface` is the other */
	__u8 opening;       /* how far the connection's opening is: streams/performance.py, OPENING_STATES */
	__u8 reset;         /* the close type that the first RST gave; 0: none came */
	__u64 headers[2];   /* of what each side sent: link headers and padding << 32 | IP and transport headers; by difference */
	/* From here on by way: 0 is what the opener (client) sent, 1 the other (server). */
	__u64 last_ns[2];   /* the latest packet whose time matters */
	__u32 marks;        /* what is awaited; its top bit locks what stands between it and `syn_ns`: bpf/tcp.h */
	__u32 index;        /* of this slot */

	__u32 high[2];      /* end of the highest data seen */
	__u32 low[2];       /* where the data seen without a hole begins; with holes, `high` when the last sample told of one */
	__u32 next_seq[2];  /* end of the last segment */
	__u32 initial_seq[2];
	__u32 last_seq;     /* of the client's last segment */
	__u32 awaited;      /* sequence number of the handshake's ACK. ICMP echo: identifier and number of the last request */
	__u32 retrans[2];   /* those that the flow's samples do not tell of */
	__u32 zero_win[2];
	__u64 held_ns;      /* an srt that counts once a response shows that the request was complete */

	__u64 peer_observations; /* as `observations`, for the workload behind `peer_iface`, the other interface that sees it */
	__u64 first_ns;     /* CLOCK_MONOTONIC at the first packet */
	__u64 syn_ns;       /* the client's first SYN */
	__u64 synack_ns;    /* the server's first SYN+ACK */
	__u32 retrans_opening[2][2]; /* repeated SYN, SYN+ACK by way; also in `retrans` */
	__u32 syn, synack, fin;
	__u32 merged;       /* TCP segments beyond the first of each GSO packet */
};

/* One of a flow's times; or a segment whose data is not what was due next. */
struct weir_sample {
	__u64 sequence; /* place in the stream + 1, written last */
	__u64 ns;
	__u32 slot;
	__u8 kind;      /* enum weir_time */
	__u8 way;       /* from here on of WEIR_SEGMENT */
	__u16 segments; /* of a GSO packet */
	__u32 seq;
	__u32 length;
	__u32 low, high; /* of the slot, before the segment */
	__u32 enters;    /* 1: nothing was missing before it */
	__u32 pad;
};

/* Index 0 of `ring`: the stream of samples. */
struct weir_ring {
	__u64 head; /* samples written since the start */
	__u64 tail; /* those that user space has read */
	__u64 lost; /* found no room */
	__u64 unmeasured; /* packets that another CPU kept from being measured: counted, but not in `marks` to `syn_ns` */
};

/* One watched interface; the table is an open-addressed array keyed by (netns, ifindex), see iface_find() in flow.bpf.c. */
struct weir_iface {
	__u32 ifindex; /* 0: empty */
	__u32 netns;   /* which network namespace the interface is in: 0 the host's, else a number the probe gave */
	__u16 id;      /* what slots hold: 1..65535 */
	__u8 pod_side; /* 1: the interface is inside the pod, so egress leaves the workload; 0: host side, ingress does */
	__u8 raw_ip;   /* 1: frames start at the IP header (ARPHRD_NONE, tunnels); 0: Ethernet */
	__u32 generation;
	__u64 opened_in;    /* observations that take flows opened by peers (direction Ingress, Both) */
	__u64 opened_out;   /* observations that take flows opened by the workload (direction Egress, Both) */
	__u64 by_port;      /* of these, the ones that take a flow only if `ports` names its server port (either port where
	                     * the opener is a guess: no SYN seen) */
	__u64 by_peer;      /* of these, the ones that take a flow only if `peers` names the other end's address */
	__u64 payload;      /* observations whose flows give payload, on whichever interface */
};

/* How much of a flow's payload goes to user space: intake.h. */
enum weir_mode {
	WEIR_FRESH = 0,    /* nobody has said: every segment, to a bound */
	WEIR_FIRST = 1,    /* the first bytes of each turn */
	WEIR_EVERY = 2,    /* every segment */
	WEIR_GIVEN_UP = 3, /* nothing */
};

/* One for each slot of the table. User space writes `mode`, the kernel all else. */
struct weir_intake {
	__u32 born; /* low half of the slot's `first_ns`: another one's are a former flow's */
	__u8 mode;  /* enum weir_mode */
	__u8 spoke; /* who sent the last data, by way */
	__u16 pad;
	__u32 window;    /* RATE_WINDOW in which `used` counts */
	__u32 used;      /* bytes */
	__u32 taken;     /* bytes since the flow began */
	__u32 turn_end;  /* sequence number of what is not taken of its turn any more */
};

/* A record of the ring `segments`: data of TCP or UDP, or a SYN, FIN, RST. */
struct weir_segment {
	__u64 ns; /* CLOCK_MONOTONIC */
	__u32 slot;
	__u32 born;     /* of the slot's intake */
	__u32 seq;      /* number of the first byte */
	__u32 ack;
	__u32 length;   /* bytes on the wire */
	__u32 captured; /* that follow here */
	__u8 way;       /* 0: from the opener */
	__u8 tcp_flags;
	__u8 proto;
	__u8 pad[5];
};

enum weir_payload_loss {
	WEIR_RING_FULL = 0,
	WEIR_FLOW_RATE = 1,
	WEIR_NODE_RATE = 2,
	WEIR_PAYLOAD_LOSSES = 3,
};

/* Index 0 of `payload`. */
struct weir_payload {
	__u32 flow_limit; /* bytes that one flow, and all of them, may give in a RATE_WINDOW; user space writes both */
	__u32 node_limit;
	__u64 window;
	__u64 used;
	__u64 lost[WEIR_PAYLOAD_LOSSES]; /* segments, by reason */
};

/* key of `ports`: which observations name this server port */
struct weir_port_key {
	__u16 port;
	__u8 proto;
	__u8 pad;
};

/* Key of `peers`: which observations name this range of addresses, or one that covers it. */
struct weir_peer_key {
	__u32 length;  /* of the prefix in bits, of 128 */
	__u8 addr[16]; /* as in a slot */
};

/* Fragments of one datagram (RFC 791 §2.3, RFC 8200 §4.5) before and after its first, which alone has the ports. */
struct weir_fragment_key {
	__u64 src[2], dst[2];
	__u32 id;
	__u32 proto;
};
struct weir_fragment {
	__u64 pending; /* a traffic word: what came before the first fragment */
	__u64 last;    /* clock */
	__u64 headers; /* of what is pending, as a slot has them */
	__u16 src_port; /* of a pending one: 1 if it leaves the workload behind `iface` */
	__u16 dst_port;
	__u16 iface;
	__u8 known;    /* the first fragment was seen: ports and protocol hold */
	__u8 proto;    /* of the flow: IPv6 fragments may carry extension headers before it */
};

/* Index 0 of `clock`: both clocks read together, so user space can tell jiffies in nanoseconds. */
struct weir_clock {
	__u64 jiffies;
	__u64 monotonic_ns;
};

/* What an instance of the program knows from its load on. */
struct weir_constants {
	__u64 fragment_ticks; /* how long after its first fragment a datagram's others are believed to be its own */
	__u32 netns;          /* where this instance is attached */
	__u32 stamped;        /* tests: the time of a packet is its skb->tstamp */
	__u32 sample_mask;    /* samples that the ring holds, a power of two, minus one */
	__u32 bucket_mask;    /* buckets of the table, a power of two, minus one */
	__u32 hash_key[10];   /* random, the same for all instances of one table */
};

#endif
