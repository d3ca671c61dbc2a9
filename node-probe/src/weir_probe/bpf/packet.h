// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From a frame to the addresses, ports and protocol of its flow. Reads nothing beyond the frame and the IP length. */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include "platform.h"

#define MAX_TAGS 4
#define MAX_EXTENSIONS 8
#define HEADERS 128 /* bytes to have in the linear part: Ethernet, four tags, the longest IPv4 header, TCP up to its flags */

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define PROTO_HOP_BY_HOP 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AH 51
#define PROTO_ICMPV6 58
#define PROTO_DESTINATION 60
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum fragment_place { WHOLE, FIRST, LATER };

struct packet {
	__u64 src[2], dst[2];
	__u16 src_port, dst_port;
	__u8 proto;
	__u8 tcp_flags;
	__u8 answers;  /* it answers something sent before: SYN+ACK, ICMP echo reply */
	__u8 fragment; /* enum fragment_place */
	__u32 fragment_id;
	__u32 fragment_proto; /* as every fragment of the datagram says it */
};

struct ethernet {
	__u8 dst[6], src[6];
	__be16 type;
} __attribute__((packed));

struct vlan {
	__be16 tag, type;
};

struct ipv4 {
	__u8 version_ihl, tos;
	__be16 total, id, fragment;
	__u8 ttl, proto;
	__be16 checksum;
	__be32 src, dst;
};

struct ipv6 {
	__be32 version_class_label;
	__be16 payload;
	__u8 next, hops;
	__u32 src[4], dst[4]; /* not 64-bit words: the header is aligned to 4 at best */
};

inlined __u16 ntoh16(__be16 value)
{
	return __builtin_bswap16(value);
}

inlined int is_vlan(__u16 ethertype)
{
	return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100;
}

inlined __u64 mapped(__be32 address)
{
	return ((__u64)address << 32) | 0xffff0000u;
}

inlined __u64 word(const __u32 *half)
{
	return half[0] | (__u64)half[1] << 32;
}

inlined int has_ports(__u8 proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP || proto == PROTO_UDPLITE || proto == PROTO_DCCP;
}

/* Walk IPv6 extension headers (RFC 8200 §4) from `*offset`; at the end p->proto is the first number that is none, could not
 * be read, or is one too many. Returns 0 where the flow's own header does not follow. */
inlined int skip_extensions(struct __sk_buff *skb, struct packet *p, __u32 *offset, __u32 end)
{
	__u8 header[8];

#pragma unroll
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 proto = p->proto;

		if (proto != PROTO_HOP_BY_HOP && proto != PROTO_ROUTING && proto != PROTO_DESTINATION && proto != PROTO_AH &&
		    proto != PROTO_FRAGMENT)
			return 1;
		if (*offset + sizeof(header) > end || load_bytes(skb, *offset, header, sizeof(header)) < 0)
			return 0;
		p->proto = header[0];
		if (proto == PROTO_FRAGMENT) {
			__u16 place = header[2] << 8 | header[3];

			if (place & 0xfff9) {
				p->fragment = place & 0xfff8 ? LATER : FIRST;
				p->fragment_id = *(__u32 *)&header[4];
				p->fragment_proto = p->proto;
				if (p->fragment == LATER)
					return 0;
			}
			*offset += 8;
		} else {
			*offset += proto == PROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
		}
	}
	return p->proto != PROTO_HOP_BY_HOP && p->proto != PROTO_ROUTING && p->proto != PROTO_DESTINATION &&
	       p->proto != PROTO_AH && p->proto != PROTO_FRAGMENT;
}

/* Ports, TCP flags and ICMP type; a header cut short by the frame or the IP length leaves them 0. */
inlined void read_transport(struct packet *p, const __u8 *l4, __u32 room)
{
	if (has_ports(p->proto)) {
		if (room < 4)
			return;
		p->src_port = l4[0] << 8 | l4[1];
		p->dst_port = l4[2] << 8 | l4[3];
		if (p->proto == PROTO_TCP && room >= 14) {
			p->tcp_flags = l4[13];
			p->answers = (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
		}
	} else if (p->proto == PROTO_ICMP) {
		p->answers = room >= 1 && l4[0] == 0;
	} else if (p->proto == PROTO_ICMPV6) {
		p->answers = room >= 1 && l4[0] == 129;
	}
}

/* The transport header copied to the stack: for offsets that are not bounded enough for direct access. */
inlined void load_transport(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 end)
{
	__u8 l4[14] = {};
	__u32 room = offset < end ? end - offset : 0;

	if (room >= 14 && load_bytes(skb, offset, l4, 14) == 0)
		read_transport(p, l4, 14);
	else if (room >= 4 && load_bytes(skb, offset, l4, 4) == 0)
		read_transport(p, l4, 4);
	else if (room >= 1 && load_bytes(skb, offset, l4, 1) == 0)
		read_transport(p, l4, 1);
}

/* Fill `p`, which is zeroed, from the frame. Returns -1 on success, else the outcome: WEIR_NON_IP or WEIR_MALFORMED. */
inlined int parse(struct __sk_buff *skb, int raw_ip, struct packet *p)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 length = skb->len, offset = 0, end, l4;
	__u16 ethertype;

	if (data + HEADERS > data_end && length > (__u32)(data_end - data)) {
		pull_data(skb, length < HEADERS ? length : HEADERS);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
	}
	if (raw_ip) {
		ethertype = ntoh16(skb->protocol);
	} else {
		struct ethernet *eth = data;

		if ((void *)(eth + 1) > data_end)
			return WEIR_NON_IP;
		ethertype = ntoh16(eth->type);
		offset = sizeof(*eth);
#pragma unroll
		for (int i = 0; i < MAX_TAGS; i++) {
			struct vlan *vlan = data + offset;

			if (!is_vlan(ethertype))
				break;
			if ((void *)(vlan + 1) > data_end)
				return WEIR_NON_IP;
			ethertype = ntoh16(vlan->type);
			offset += sizeof(*vlan);
		}
	}
	if (ethertype == ETHERTYPE_IPV4) {
		struct ipv4 *ip = data + offset;
		__u32 header, total;
		__u16 place;

		if ((void *)(ip + 1) > data_end)
			return WEIR_MALFORMED;
		header = (ip->version_ihl & 0x0f) * 4;
		total = ntoh16(ip->total);
		if (!total && length - offset > 0xffff)
			total = length - offset; /* a GSO packet of more than 64 KiB says 0 (Linux 6.3, BIG TCP) */
		if ((ip->version_ihl >> 4) != 4 || header < sizeof(*ip) || total < header || offset + header > length)
			return WEIR_MALFORMED;
		p->src[1] = mapped(ip->src);
		p->dst[1] = mapped(ip->dst);
		p->proto = ip->proto;
		place = ntoh16(ip->fragment);
		if (place & 0x3fff) {
			p->fragment = place & 0x1fff ? LATER : FIRST;
			p->fragment_id = ip->id;
			p->fragment_proto = ip->proto;
			if (p->fragment == LATER)
				return -1;
		}
		l4 = offset + header;
		end = offset + total < length ? offset + total : length;
	} else if (ethertype == ETHERTYPE_IPV6) {
		struct ipv6 *ip = data + offset;

		if ((void *)(ip + 1) > data_end || (*(__u8 *)ip >> 4) != 6)
			return WEIR_MALFORMED;
		p->src[0] = word(&ip->src[0]);
		p->src[1] = word(&ip->src[2]);
		p->dst[0] = word(&ip->dst[0]);
		p->dst[1] = word(&ip->dst[2]);
		p->proto = ip->next;
		l4 = offset + sizeof(*ip);
		end = l4 + ntoh16(ip->payload);
		if (end > length || !ip->payload) /* 0: a jumbogram (RFC 2675), as BIG TCP makes them */
			end = length;
		if (p->proto != PROTO_TCP && p->proto != PROTO_UDP) {
			if (skip_extensions(skb, p, &l4, end))
				load_transport(skb, p, l4, end);
			return -1;
		}
	} else {
		return WEIR_NON_IP;
	}
	if (data + l4 + 14 <= data_end && l4 + 14 <= end)
		read_transport(p, data + l4, 14);
	else
		load_transport(skb, p, l4, end);
	return -1;
}

#endif
