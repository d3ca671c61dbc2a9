// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From a frame to the addresses, ports and protocol of its flow. Reads nothing beyond the frame and the IP length. */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include "platform.h"

#define MAX_TAGS 4
#define MAX_EXTENSIONS 8
#define HEADERS 128 /* bytes to pull into the linear part, where it has not even the network header */

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
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum fragment_place { WHOLE, FIRST, LATER };

struct packet {
	__u64 src[2], dst[2];
	__u64 ns; /* when it passed; 0: nobody asked yet */
	__u64 headers; /* link header and padding << 32 | what of the IP packet is not payload */
	__u16 src_port, dst_port;
	__u8 proto;
	__u8 tcp_flags;
	__u8 answers;  /* it answers something sent before: SYN+ACK, ICMP echo reply */
	__u8 fragment; /* enum fragment_place */
	__u8 complete; /* there is enough of the transport header to measure the packet */
	__u8 pad;
	__u16 window;
	__u16 segments; /* of a GSO packet, else 1 */
	__u16 more_pad;
	__u32 seq, ack; /* of TCP; ICMP echo: seq is identifier and number */
	__u32 payload;  /* bytes that TCP or UDP carries */
	__u32 fragment_id;
	__u32 fragment_proto; /* as every fragment of the datagram says it */
	__u32 payload_at;
};

inlined void clear(struct packet *p)
{
	__builtin_memset(p, 0, sizeof(*p));
}

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
				if (p->fragment == LATER) {
					*offset += 8;
					return 0;
				}
			}
			*offset += 8;
		} else {
			*offset += proto == PROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
		}
	}
	return p->proto != PROTO_HOP_BY_HOP && p->proto != PROTO_ROUTING && p->proto != PROTO_DESTINATION &&
	       p->proto != PROTO_AH && p->proto != PROTO_FRAGMENT;
}

inlined __u32 ntoh32(const __u8 *at)
{
	return __builtin_bswap32(*(const __u32 *)at);
}

/* What the transport header says, of which `room` bytes are there; `size` is its length with all that follows. What is cut
 * short by the frame or the IP length stays 0. */
inlined void read_transport(struct packet *p, const __u8 *l4, __u32 room, __u32 size)
{
	if (has_ports(p->proto)) {
		if (room < 4)
			return;
		p->src_port = l4[0] << 8 | l4[1];
		p->dst_port = l4[2] << 8 | l4[3];
		if (p->proto == PROTO_UDP) {
			p->complete = 1;
			p->payload = size > 8 ? size - 8 : 0;
		} else if (p->proto == PROTO_TCP && room >= 14) {
			__u32 header = (l4[12] >> 4) * 4;

			p->tcp_flags = l4[13];
			p->answers = (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
			p->payload = size > header ? size - header : 0;
			if (room >= 16) {
				p->complete = 1;
				p->seq = ntoh32(l4 + 4);
				p->ack = ntoh32(l4 + 8);
				p->window = l4[14] << 8 | l4[15];
			}
		}
	} else if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6) {
		if (room < 1)
			return;
		p->answers = l4[0] == (p->proto == PROTO_ICMP ? 0 : 129); /* echo reply: RFC 792, RFC 4443 §4.2 */
		if (room >= 8 && (p->answers || l4[0] == (p->proto == PROTO_ICMP ? 8 : 128))) {
			p->complete = 1;
			p->seq = ntoh32(l4 + 4);
		}
	}
}

/* The transport header copied to the stack: for offsets that are not bounded enough for direct access. */
inlined void load_transport(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 end)
{
	__u8 l4[16] __attribute__((aligned(8))) = {};
	__u32 size = offset < end ? end - offset : 0;

	if (size >= 16 && load_bytes(skb, offset, l4, 16) == 0)
		read_transport(p, l4, 16, size);
	else if (size >= 14 && load_bytes(skb, offset, l4, 14) == 0)
		read_transport(p, l4, 14, size);
	else if (size >= 8 && load_bytes(skb, offset, l4, 8) == 0)
		read_transport(p, l4, 8, size);
	else if (size >= 4 && load_bytes(skb, offset, l4, 4) == 0)
		read_transport(p, l4, 4, size);
	else if (size >= 1 && load_bytes(skb, offset, l4, 1) == 0)
		read_transport(p, l4, 1, size);
}

/* A later fragment of TCP or UDP is all payload. */
inlined void all_payload(struct packet *p, __u32 size)
{
	if (p->fragment_proto == PROTO_TCP || p->fragment_proto == PROTO_UDP)
		p->payload = size;
}

/* Bytes that parse() reads directly: up to the end of the network header, with all tags where there may be some. */
inlined __u32 headers_of(const struct __sk_buff *skb, int raw_ip)
{
	__u32 link = raw_ip ? 0 : sizeof(struct ethernet);

	if (skb->protocol == ntoh16(ETHERTYPE_IPV4))
		return link + sizeof(struct ipv4);
	if (skb->protocol == ntoh16(ETHERTYPE_IPV6))
		return link + sizeof(struct ipv6);
	return link + MAX_TAGS * sizeof(struct vlan) + sizeof(struct ipv6);
}

/* Fill `p`, which is zeroed, from the frame. Returns -1 on success, else the outcome: WEIR_NON_IP or WEIR_MALFORMED. */
inlined int parse(struct __sk_buff *skb, int raw_ip, struct packet *p)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 length = skb->len, offset = 0, end, l4;
	__u32 network;
	__u16 ethertype;

	/* What a local socket sends has its headers there and no more, and pulling would copy the head of a clone. */
	if (data + headers_of(skb, raw_ip) > data_end && length > (__u32)(data_end - data)) {
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
	network = offset;
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
		l4 = offset + header;
		end = offset + total < length ? offset + total : length;
		place = ntoh16(ip->fragment);
		if (place & 0x3fff) {
			p->fragment = place & 0x1fff ? LATER : FIRST;
			p->fragment_id = ip->id;
			p->fragment_proto = ip->proto;
			if (p->fragment == LATER)
				all_payload(p, end - l4);
		}
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
			else if (p->fragment == LATER)
				all_payload(p, end - l4);
			goto sized;
		}
	} else {
		return WEIR_NON_IP;
	}
	if (p->fragment != LATER) {
		if (data + l4 + 16 <= data_end && l4 + 16 <= end)
			read_transport(p, data + l4, 16, end - l4);
		else
			load_transport(skb, p, l4, end);
	}
sized:
	p->payload_at = end - p->payload;
	p->headers = (__u64)(length - (end - network)) << 32 | (end - network - p->payload);
	return -1;
}

#endif
