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

struct weir_slot { /* 128 bytes: the first 64 are what every packet touches */
	__u64 addr[2][2];  /* side 0 is the lower (address, port); IPv6 in network byte order, IPv4 v4-mapped (RFC 4291 §2.5.5.2) */
	__u16 port[2];     /* host byte order; 0 where the protocol has none */
	__u8 proto;        /* IANA protocol number */
	__u8 state;        /* enum weir_state */
	__u16 iface;       /* index in the interface table of the one interface that counts this flow; 0: none, the next to see it takes it */
	__u64 traffic[2];  /* packets << 40 | bytes, by the side that sent them; modulo 2^64 */
	__u64 last;        /* the engine's clock (kernel: jiffies) at the last packet */

	__u64 observations; /* bit n: observation n of the plan counts this flow for the workload behind `iface` */
	__u64 peer_observations; /* the same for the workload behind `peer_iface`, the other interface that sees it */
	__u64 first_ns;     /* CLOCK_MONOTONIC at the first packet */
	__u32 generation;   /* of the plan that `observations` was computed under */
	__u32 peer_generation;
	__u16 peer_iface;   /* 0: seen on one interface only */
	__u8 tcp_flags[2];  /* union of the TCP flags by sending side */
	__u8 opener;        /* the side that opened it: sender of SYN, receiver of SYN+ACK, else sender of the first packet */
	__u8 workload_side; /* the side of the workload behind `iface`; the one behind `peer_iface` is the other */
	__u8 pad[2];
	__u64 reserved[3];
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
	__u32 bucket_mask;    /* buckets of the table, a power of two, minus one */
	__u32 hash_key[10];   /* random, the same for all instances of one table */
};

#endif
