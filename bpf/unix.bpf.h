/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Unix stream sockets: they have no sequence numbers, so the bytes are counted per socket, from a
 * number that both ends make of their two identities. */
#ifndef WEFT_BPF_UNIX_H_
#define WEFT_BPF_UNIX_H_

#include "bpf/connection.bpf.h"

#define WEFT_PATH_BYTES 32

_Static_assert(__builtin_offsetof(struct weft_connection, remote_address) ==
		       __builtin_offsetof(struct weft_connection, local_address) + 16,
	       "a path lies in both address fields");

/* The end of the path that `u` is bound to; false when it is not. */
static __always_inline bool weft_unix_path(struct unix_sock *u, struct weft_connection *c)
{
	struct unix_address *address = 0;
	char path[WEFT_PATH_BYTES + 1] = {};
	const char *from;
	char first = 0;
	int length = 0;

	WEFT_LOAD(address, u, addr);
	if (!address)
		return false;
	WEFT_LOAD(length, address, len);
	length -= sizeof(__u16);	/* of the family before the path */
	from = (const char *)address + bpf_core_field_offset(struct unix_address, name) +
	       bpf_core_field_offset(struct sockaddr_un, sun_path);
	bpf_probe_read_kernel(&first, 1, from);
	if (!first) {
		path[0] = '@';
		bpf_probe_read_kernel_str(path + 1, WEFT_PATH_BYTES, from + 1);
	} else {
		length--;	/* of the zero at its end */
		if (length > WEFT_PATH_BYTES)
			from += length - WEFT_PATH_BYTES;
		bpf_probe_read_kernel_str(path, sizeof(path), from);
	}
	__builtin_memcpy(c->local_address, path, WEFT_PATH_BYTES);
	return true;
}

/* Requires: the cookies of both ends. */
static __always_inline void weft_describe_unix(struct sock *sk, struct sock *peer,
					       struct weft_socket *s)
{
	struct net *net = 0;

	s->connection.family = WEFT_FAMILY_UNIX;
	WEFT_LOAD(net, sk, __sk_common.skc_net.net);
	WEFT_LOAD(s->connection.netns, net, ns.inum);
	/* What accept() makes has its listener's address. */
	if (weft_unix_path((struct unix_sock *)sk, &s->connection))
		s->connection.end = WEFT_END_ACCEPTED;
	else if (weft_unix_path((struct unix_sock *)peer, &s->connection))
		s->connection.end = WEFT_END_CONNECTED;
	else /* A socketpair: both ends must say the same. Whoever spoke first got the lower one. */
		s->connection.end = s->connection.cookie < s->peer_cookie ? WEFT_END_CONNECTED :
									     WEFT_END_ACCEPTED;
	s->ignored = include_ports;
}

/* Where the stream from one socket to the other begins. */
static __always_inline __u32 weft_unix_base(__u64 from, __u64 to)
{
	__u64 mixed = (from ^ (to << 32 | to >> 32)) * 0x9e3779b97f4a7c15ull;

	return (mixed ^ (from + 2 * to)) * 0xff51afd7ed558ccdull >> 32;
}

/* Counts what the call moved and says where that lies in the streams. */
static __always_inline void weft_unix_place(struct weft_socket *s, struct weft_event *e)
{
	__u32 out = weft_unix_base(s->connection.cookie, s->peer_cookie);
	__u32 in = weft_unix_base(s->peer_cookie, s->connection.cookie);

	if (e->type == WEFT_RECORD_SEND) {
		__sync_fetch_and_add(&s->send_to, e->length);
		e->seq = out + s->send_to - e->length;
		e->peer_seq = in + s->received;
	} else {
		__sync_fetch_and_add(&s->received, e->length);
		e->seq = in + s->received - e->length;
		e->peer_seq = out + s->send_to;
	}
}

#endif /* WEFT_BPF_UNIX_H_ */
