// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel's TCP knows of a flow and no packet shows: who owns its sockets, why packets are dropped and connections reset,
 * final statistics. Each program is loaded and attached by itself; docs/capture.md, "Kernel signals". Never compiled by BCC: it
 * reads the kernel's own structures, at the offsets that BTF says (CO-RE). */
#include "table.h"
#include "signals.h"
#include <bpf/bpf_core_read.h>

#define kernel __attribute__((preserve_access_index))
#define MARGIN 256 /* places that CPUs may take at once beyond a ring that looks full */
#define AF_INET 2
#define AF_INET6 10
#define UNSET 0xffff /* of a header's offset */

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_LISTEN = 10 };

struct ns_common { unsigned int inum; } kernel;
struct net { struct ns_common ns; } kernel;
typedef struct { struct net *net; } possible_net_t;
struct in6_addr { union { __u32 u6_addr32[4]; } in6_u; } kernel;
struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} kernel;
struct kernfs_node { __u64 id; } kernel;
struct cgroup { struct kernfs_node *kn; } kernel;
struct sock_cgroup_data { struct cgroup *cgroup; } kernel;
struct sock { struct sock_common __sk_common; struct sock_cgroup_data sk_cgrp_data; } kernel;
struct inet_sock { __be16 inet_sport; } kernel;
struct minmax_sample { __u32 v; } kernel;
struct minmax { struct minmax_sample s[3]; } kernel;
struct tcp_sock {
	__u64 bytes_acked, bytes_received;
	__u32 srtt_us, total_retrans, lost, snd_cwnd;
	struct minmax rtt_min;
} kernel;
struct request_sock { struct sock_common __req_common; } kernel;
struct net_device { possible_net_t nd_net; } kernel;
struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	__be16 protocol;
	__u16 transport_header, network_header;
	unsigned char *head;
	char cb[48];
} kernel;
struct tcp_skb_cb { __u16 tcp_gso_segs; } kernel;
struct task_struct { int tgid; char comm[WEIR_COMMAND]; struct task_struct *group_leader; } kernel;
struct socket { struct sock *sk; } kernel;
struct bpf_iter__task_file {
	__bpf_md_ptr(struct bpf_iter_meta *, meta);
	__bpf_md_ptr(struct task_struct *, task);
	__u32 fd;
	__bpf_md_ptr(struct file *, file);
};

/* The kernel's numbers are its own: CO-RE puts them in. */
enum skb_drop_reason { SKB_DROP_REASON_TCP_RESET, SKB_DROP_REASON_QUEUE_PURGE };

struct owner {
	__u32 pid;
	char command[WEIR_COMMAND];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_netns);
} netnses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_signal);
} signals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_signal_ring);
} signal_ring SEC(".maps");

/* Who made a socket; a connection that is accepted has its listener's. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/* A socket or packet of a watched network namespace, and the flow that it is of. */
struct subject {
	struct packet packet; /* addresses, ports and protocol only */
	struct flow flow;
	struct weir_slot *slot;
};

inlined struct weir_netns *netns_of(struct net *net)
{
	__u32 inum = BPF_CORE_READ(net, ns.inum);

	return map_lookup(WEIR_MAP(netnses), &inum);
}

/* Find the flow in the table, as one of the workload in `netns`. */
inlined struct weir_slot *find_flow(struct subject *s, const struct weir_netns *netns)
{
	struct weir_signal_ring *ring;
	struct weir_slot *slot;
	__u32 first = 0;

	name_flow(&s->packet, &s->flow);
	s->flow.sender &= 1;
	slot = find(hash(&s->flow), &s->flow);
	/* another network namespace may have a connection of the same name */
	if (slot && (!netns->iface || netns->iface == slot->iface || netns->iface == slot->peer_iface)) {
		s->slot = slot;
		return slot;
	}
	ring = netns->iface ? map_lookup(WEIR_MAP(signal_ring), &first) : 0;
	if (ring)
		__sync_fetch_and_add(&ring->unmatched, 1);
	return 0;
}

/* Ends of a socket, or of what stands for one (struct request_sock, struct inet_timewait_sock). The source is the socket. */
inlined void read_ends(struct packet *p, const struct sock_common *sk)
{
	p->proto = PROTO_TCP;
	p->dst_port = ntoh16(BPF_CORE_READ(sk, skc_dport));
	p->src_port = BPF_CORE_READ(sk, skc_num);
	if (BPF_CORE_READ(sk, skc_family) == AF_INET) {
		p->src[1] = mapped(BPF_CORE_READ(sk, skc_rcv_saddr));
		p->dst[1] = mapped(BPF_CORE_READ(sk, skc_daddr));
	} else if (bpf_core_field_exists(sk->skc_v6_daddr)) {
		bpf_core_read(p->src, sizeof(p->src), &sk->skc_v6_rcv_saddr);
		bpf_core_read(p->dst, sizeof(p->dst), &sk->skc_v6_daddr);
	}
}

inlined struct weir_slot *flow_of_socket(struct subject *s, const struct sock *sk, const struct weir_netns *netns)
{
	clear(&s->packet);
	read_ends(&s->packet, &sk->__sk_common);
	if (!s->packet.src_port) /* it has given its port back (inet_put_port) */
		s->packet.src_port = ntoh16(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	return find_flow(s, netns);
}

inlined int read_kernel(void *to, __u32 size, const void *from)
{
	return bpf_probe_read_kernel(to, size, from);
}

/* Past the extension headers (RFC 8200 §4) of a packet at `at`; 0: its own header does not follow. */
inlined const __u8 *skip_headers(struct packet *p, const __u8 *at)
{
	__u8 header[8];

#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 proto = p->proto;

		if (proto != PROTO_HOP_BY_HOP && proto != PROTO_ROUTING && proto != PROTO_DESTINATION && proto != PROTO_AH &&
		    proto != PROTO_FRAGMENT)
			return at;
		if (read_kernel(header, sizeof(header), at) < 0)
			return 0;
		if (proto == PROTO_FRAGMENT && (header[2] << 8 | header[3]) & 0xfff8)
			return 0; /* no first fragment: it has no ports */
		p->proto = header[0];
		at += proto == PROTO_FRAGMENT ? 8 : proto == PROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
	}
	return 0;
}

/* The flow of a packet, wherever in the kernel it is. A later fragment has none. */
inlined struct weir_slot *flow_of_packet(struct subject *s, const struct sk_buff *skb, const struct weir_netns *netns)
{
	const __u8 *at = BPF_CORE_READ(skb, head);
	__u16 network = BPF_CORE_READ(skb, network_header), protocol = ntoh16(BPF_CORE_READ(skb, protocol));
	struct packet *p = &s->packet;
	__be16 ports[2];

	clear(p);
	at += network;
	if (network == UNSET)
		return 0;
	if (protocol == ETHERTYPE_IPV4) {
		struct ipv4 ip;

		if (read_kernel(&ip, sizeof(ip), at) < 0 || ip.version_ihl >> 4 != 4 || ntoh16(ip.fragment) & 0x1fff)
			return 0;
		p->src[1] = mapped(ip.src);
		p->dst[1] = mapped(ip.dst);
		p->proto = ip.proto;
		at += (ip.version_ihl & 0x0f) * 4;
	} else if (protocol == ETHERTYPE_IPV6) {
		struct ipv6 ip;

		if (read_kernel(&ip, sizeof(ip), at) < 0 || *(__u8 *)&ip >> 4 != 6)
			return 0;
		p->src[0] = word(&ip.src[0]);
		p->src[1] = word(&ip.src[2]);
		p->dst[0] = word(&ip.dst[0]);
		p->dst[1] = word(&ip.dst[2]);
		p->proto = ip.next;
		at = skip_headers(p, at + sizeof(ip));
		if (!at)
			return 0;
	} else {
		return 0;
	}
	if (has_ports(p->proto)) {
		if (read_kernel(ports, sizeof(ports), at) < 0)
			return 0;
		p->src_port = ntoh16(ports[0]);
		p->dst_port = ntoh16(ports[1]);
	}
	return find_flow(s, netns);
}

/* A place in the ring for a signal of `slot`, all but `sequence` filled with nothing; 0: there is none, and that is counted. */
inlined struct weir_signal *take(const struct weir_slot *slot, __u8 kind, __u8 side, __u64 *at)
{
	__u32 index = 0;
	struct weir_signal_ring *ring = map_lookup(WEIR_MAP(signal_ring), &index);
	struct weir_signal *signal;

	if (!ring)
		return 0;
	if (once(ring->head) - once(ring->tail) + MARGIN > constants.sample_mask) {
		__sync_fetch_and_add(&ring->lost, 1);
		return 0;
	}
	*at = __sync_fetch_and_add(&ring->head, 1);
	index = *at & constants.sample_mask;
	signal = map_lookup(WEIR_MAP(signals), &index);
	if (!signal)
		return 0;
	__builtin_memset(&signal->slot, 0, sizeof(*signal) - sizeof(signal->sequence));
	signal->slot = slot->index;
	signal->kind = kind;
	signal->side = side;
	return signal;
}

inlined void publish_signal(struct weir_signal *signal, __u64 at)
{
	__sync_lock_test_and_set(&signal->sequence, at + 1);
}

inlined __u64 cgroup_of(const struct sock *sk)
{
	if (!bpf_core_field_exists(sk->sk_cgrp_data) || !bpf_core_field_exists(((struct sock_cgroup_data *)0)->cgroup))
		return 0;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

inlined void tell_owner(struct weir_signal *signal, struct sock *sk)
{
	struct owner *owner = bpf_sk_storage_get(&owners, sk, 0, 0);

	signal->cgroup = cgroup_of(sk);
	if (owner) {
		signal->pid = owner->pid;
		__builtin_memcpy(signal->command, owner->command, WEIR_COMMAND);
	}
}

/* The owner of a socket whose flow is in the table. */
inlined void tell_owner_of(struct sock *sk, const struct weir_netns *netns)
{
	struct subject s;
	struct weir_signal *signal;
	__u64 at;

	if (!flow_of_socket(&s, sk, netns))
		return;
	signal = take(s.slot, WEIR_OWNER, s.flow.sender, &at);
	if (!signal)
		return;
	tell_owner(signal, sk);
	publish_signal(signal, at);
}

/* The caller of connect(2) and listen(2) is at hand; when a connection is open its flow is in the table. */
SEC("tp_btf/inet_sock_set_state")
int weir_owner(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int state = ctx[2];
	struct weir_netns *netns;
	struct owner *owner;

	if (state != TCP_SYN_SENT && state != TCP_LISTEN && state != TCP_ESTABLISHED)
		return 0;
	netns = netns_of(sk->__sk_common.skc_net.net);
	if (!netns || !netns->iface)
		return 0;
	if (state == TCP_ESTABLISHED) {
		tell_owner_of(sk, netns);
		return 0;
	}
	owner = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner) {
		owner->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(owner->command, sizeof(owner->command));
	}
	return 0;
}

/* Run by user space: the sockets that were there before. Of several processes that have one the first is taken. */
SEC("iter/task_file")
int weir_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct weir_netns *netns;
	struct socket *socket;
	struct owner *owner;
	struct sock *sk;
	int family;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	netns = netns_of(sk->__sk_common.skc_net.net);
	if (!netns || !netns->iface || !bpf_skc_to_tcp_sock(sk) || bpf_sk_storage_get(&owners, sk, 0, 0))
		return 0;
	owner = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return 0;
	owner->pid = task->tgid;
	BPF_CORE_READ_INTO(&owner->command, task, group_leader, comm);
	if (sk->__sk_common.skc_state == TCP_ESTABLISHED)
		tell_owner_of(sk, netns);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int weir_final(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct weir_netns *netns = netns_of(sk->__sk_common.skc_net.net);
	struct weir_signal *signal;
	struct tcp_sock *tcp;
	struct subject s;
	__u64 at;

	if (!netns || !netns->iface || !sk->__sk_common.skc_dport) /* a listener, or one that never connected */
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || !flow_of_socket(&s, sk, netns))
		return 0;
	signal = take(s.slot, WEIR_FINAL, s.flow.sender, &at);
	if (!signal)
		return 0;
	tell_owner(signal, sk);
	signal->acked = tcp->bytes_acked;
	signal->received = tcp->bytes_received;
	signal->srtt_us = tcp->srtt_us >> 3; /* kept as eight times its value */
	signal->min_rtt_us = tcp->rtt_min.s[0].v;
	signal->retrans = tcp->total_retrans;
	signal->lost = tcp->lost;
	signal->cwnd = tcp->snd_cwnd;
	publish_signal(signal, at);
	return 0;
}

/* `skb`, where there is one, is the packet that is answered by the reset; `sk` may be no full socket. */
inlined int reset_sent(const struct sock *sk, const struct sk_buff *skb, __u32 reason)
{
	struct weir_netns *netns = 0;
	struct weir_signal *signal;
	struct subject s;
	__u64 at;

	if (sk)
		netns = netns_of(BPF_CORE_READ(sk, __sk_common.skc_net.net));
	else if (skb)
		netns = netns_of(BPF_CORE_READ(skb, dev, nd_net.net));
	if (!netns || !netns->iface)
		return 0;
	if (skb ? !flow_of_packet(&s, skb, netns) : !flow_of_socket(&s, sk, netns))
		return 0;
	signal = take(s.slot, WEIR_RESET_SENT, skb ? s.flow.sender ^ 1 : s.flow.sender, &at);
	if (!signal)
		return 0;
	signal->reason = reason;
	signal->state = sk ? BPF_CORE_READ(sk, __sk_common.skc_state) : 0;
	publish_signal(signal, at);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int weir_rst_sent(__u64 *ctx)
{
	return reset_sent((const struct sock *)ctx[0], (const struct sk_buff *)ctx[1], ctx[2]);
}

/* Before Linux 6.10 the kernel does not say why. */
SEC("tp_btf/tcp_send_reset")
int weir_rst_bare(__u64 *ctx)
{
	return reset_sent((const struct sock *)ctx[0], (const struct sk_buff *)ctx[1], 0);
}

SEC("tp_btf/tcp_receive_reset")
int weir_rst_got(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct weir_netns *netns = netns_of(sk->__sk_common.skc_net.net);
	struct weir_signal *signal;
	struct subject s;
	__u64 at;

	if (!netns || !netns->iface || !flow_of_socket(&s, sk, netns))
		return 0;
	signal = take(s.slot, WEIR_RESET_RECEIVED, s.flow.sender ^ 1, &at);
	if (!signal)
		return 0;
	signal->state = sk->__sk_common.skc_state;
	publish_signal(signal, at);
	return 0;
}

inlined void tell_retransmitted(const struct subject *s, __u8 state, __u32 segments)
{
	__u64 at;
	struct weir_signal *signal = take(s->slot, WEIR_RETRANSMITTED, s->flow.sender, &at);

	if (!signal)
		return;
	signal->state = state;
	signal->count = segments;
	publish_signal(signal, at);
}

SEC("tp_btf/tcp_retransmit_skb")
int weir_rexmit(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct sk_buff *skb = (struct sk_buff *)ctx[1];
	struct weir_netns *netns = netns_of(sk->__sk_common.skc_net.net);
	const struct tcp_skb_cb *control = (const void *)&skb->cb;
	struct subject s;

	if (netns && netns->iface && flow_of_socket(&s, sk, netns))
		tell_retransmitted(&s, sk->__sk_common.skc_state, BPF_CORE_READ(control, tcp_gso_segs));
	return 0;
}

/* A SYN+ACK is sent again for a connection that has no socket yet. */
SEC("tp_btf/tcp_retransmit_synack")
int weir_resynack(__u64 *ctx)
{
	struct sock *listener = (struct sock *)ctx[0];
	const struct request_sock *request = (const struct request_sock *)ctx[1];
	struct weir_netns *netns = netns_of(listener->__sk_common.skc_net.net);
	struct subject s;

	if (!netns || !netns->iface)
		return 0;
	clear(&s.packet);
	read_ends(&s.packet, &request->__req_common);
	if (find_flow(&s, netns))
		tell_retransmitted(&s, BPF_CORE_READ(request, __req_common.skc_state), 1);
	return 0;
}

#define IS_REASON(reason, name) \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name) && reason == bpf_core_enum_value(enum skb_drop_reason, name))

/* Packets that had arrived and done their work: a RST; a FIN, or data that nobody read, in the queue of a socket that is closed. */
inlined int had_arrived(__u32 reason)
{
	return IS_REASON(reason, SKB_DROP_REASON_TCP_RESET) || IS_REASON(reason, SKB_DROP_REASON_QUEUE_PURGE);
}

inlined int dropped(const struct sk_buff *skb, __u32 reason, const struct sock *receiver)
{
	struct sock *sk = receiver ? (struct sock *)receiver : BPF_CORE_READ(skb, sk);
	struct weir_netns *netns;
	struct weir_signal *signal;
	struct subject s;
	__u64 at;

	if (had_arrived(reason))
		return 0;
	/* a datagram that waits for its reader has no device, but something else in its place */
	netns = netns_of(sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net) : BPF_CORE_READ(skb, dev, nd_net.net));
	if (!netns || !flow_of_packet(&s, skb, netns))
		return 0;
	signal = take(s.slot, WEIR_DROPPED, s.flow.sender, &at);
	if (!signal)
		return 0;
	signal->reason = reason;
	signal->count = 1;
	publish_signal(signal, at);
	return 0;
}

SEC("tp_btf/kfree_skb")
int weir_drop(__u64 *ctx)
{
	return dropped((const struct sk_buff *)ctx[0], ctx[2], (const struct sock *)ctx[3]);
}

/* Before Linux 6.10 the kernel does not say which socket refused a packet. */
SEC("tp_btf/kfree_skb")
int weir_drop_bare(__u64 *ctx)
{
	return dropped((const struct sk_buff *)ctx[0], ctx[2], 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
