/* What the kernel's TCP tells of flows in the table, as user space reads it. streams/signals.py is its twin; a test compares them
 * by BTF. */
#ifndef WEIR_SIGNALS_H
#define WEIR_SIGNALS_H

#define WEIR_COMMAND 16 /* TASK_COMM_LEN */

enum weir_signal_kind {
	WEIR_OWNER = 1,          /* whose socket it is: as soon as the flow is in the table */
	WEIR_FINAL = 2,          /* statistics of a socket that is no more */
	WEIR_RESET_SENT = 3,
	WEIR_RESET_RECEIVED = 4,
	WEIR_RETRANSMITTED = 5,
	WEIR_DROPPED = 6,
};

struct weir_signal {
	__u64 sequence; /* place in the stream + 1, written last */
	__u32 slot;
	__u8 kind;      /* enum weir_signal_kind */
	__u8 side;      /* of the flow: whose socket it is; of a packet dropped, and of a reset, who sent it */
	__u8 state;     /* of the socket: TCP_ESTABLISHED = 1 and on (include/net/tcp_states.h); 0: there is none */
	__u8 pad;
	__u32 reason;   /* enum skb_drop_reason, enum sk_rst_reason: names are in the kernel's BTF */
	__u32 count;    /* segments sent again */
	/* WEIR_OWNER, WEIR_FINAL; 0: not known */
	__u64 cgroup;   /* id in the hierarchy of cgroup v2: the inode of its folder */
	__u32 pid;
	__u32 more_pad;
	char command[WEIR_COMMAND];
	/* WEIR_FINAL, as in struct tcp_info */
	__u64 acked, received; /* bytes */
	__u32 srtt_us, min_rtt_us, retrans, lost, cwnd;
	__u32 last_pad;
};

/* Index 0 of `signal_ring`: the stream of signals. */
struct weir_signal_ring {
	__u64 head; /* signals written since the start */
	__u64 tail; /* those that user space has read */
	__u64 lost; /* found no room */
	__u64 unmatched; /* of a watched network namespace, but of no flow in the table */
};

/* Value of `netnses`, by the inode of a network namespace. */
struct weir_netns {
	__u16 iface; /* what slots of its flows hold; 0: the node's own, where packets of any flow may be dropped */
	__u16 pad;
};

#endif
