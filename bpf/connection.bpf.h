/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What a socket is, and whether it is wanted. */
#ifndef WEFT_BPF_CONNECTION_H_
#define WEFT_BPF_CONNECTION_H_

#include <bpf/bpf_endian.h>

#include "bpf/compat.bpf.h"
#include "bpf/maps.bpf.h"

/* Whose program meets a socket for the first time. */
enum weft_maker {
	WEFT_BY_CALL,
	WEFT_BY_STATE,	/* the program for changes of state, interrupts included */
};

static __always_inline bool weft_port_ignored(__u16 local, __u16 remote)
{
	bool listed;

	if (!include_ports && !exclude_ports)
		return false;
	listed = bpf_map_lookup_elem(&ports, &local) || bpf_map_lookup_elem(&ports, &remote);
	return include_ports ? !listed : listed;
}

/* ::ffff:a.b.c.d */
static __always_inline bool weft_v4_mapped(const __be32 *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == bpf_htonl(0xffff);
}

static __always_inline void weft_fill_addresses(struct sock *sk, struct weft_connection *c)
{
	__be32 local[4], remote[4];
	struct net *net = 0;
	__u16 family = 0;

	WEFT_LOAD(c->local_port, sk, __sk_common.skc_num);
	WEFT_LOAD(c->remote_port, sk, __sk_common.skc_dport);
	c->remote_port = bpf_ntohs(c->remote_port);
	WEFT_LOAD(net, sk, __sk_common.skc_net.net);
	WEFT_LOAD(c->netns, net, ns.inum);
	WEFT_LOAD(family, sk, __sk_common.skc_family);
	c->family = WEFT_FAMILY_IPV4;
	if (family == AF_INET6) {
		/* Element by element: a struct copy would not be relocated. */
		WEFT_LOAD(local[0], sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[0]);
		WEFT_LOAD(local[1], sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[1]);
		WEFT_LOAD(local[2], sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2]);
		WEFT_LOAD(local[3], sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3]);
		WEFT_LOAD(remote[0], sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[0]);
		WEFT_LOAD(remote[1], sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[1]);
		WEFT_LOAD(remote[2], sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[2]);
		WEFT_LOAD(remote[3], sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[3]);
		if (!weft_v4_mapped(remote)) {
			c->family = WEFT_FAMILY_IPV6;
			__builtin_memcpy(c->local_address, local, sizeof(local));
			__builtin_memcpy(c->remote_address, remote, sizeof(remote));
			return;
		}
		local[0] = local[3];
		remote[0] = remote[3];
	} else {
		WEFT_LOAD(local[0], sk, __sk_common.skc_rcv_saddr);
		WEFT_LOAD(remote[0], sk, __sk_common.skc_daddr);
	}
	__builtin_memcpy(c->local_address, local, sizeof(local[0]));
	__builtin_memcpy(c->remote_address, remote, sizeof(remote[0]));
}

static __always_inline void weft_ends_of(const struct weft_connection *c, bool swapped,
					 struct weft_ends *ends)
{
	__builtin_memcpy(swapped ? ends->to : ends->from, c->local_address, sizeof(ends->from));
	__builtin_memcpy(swapped ? ends->from : ends->to, c->remote_address, sizeof(ends->to));
	ends->from_port = swapped ? c->remote_port : c->local_port;
	ends->to_port = swapped ? c->local_port : c->remote_port;
}

/* Requires: a connection that is established right now. */
static __always_inline struct weft_begins weft_begins_of(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct weft_begins begins = {};

	WEFT_LOAD(begins.sent, tp, write_seq);
	WEFT_LOAD(begins.received, tp, copied_seq);
	return begins;
}

/* As weft_ends_of, by where the streams begin. */
static __always_inline void weft_ends_by_begins(const struct weft_begins *begins, bool swapped,
						struct weft_ends *ends)
{
	__builtin_memset(ends, 0, sizeof(*ends));
	__builtin_memcpy(ends->from, swapped ? &begins->received : &begins->sent, sizeof(__u32));
	__builtin_memcpy(ends->to, swapped ? &begins->sent : &begins->received, sizeof(__u32));
}

static __always_inline bool weft_peer_is_agent(const struct weft_connection *c)
{
	struct weft_ends ends;

	weft_ends_of(c, true, &ends);
	return bpf_map_lookup_elem(&own_connections, &ends);
}

static __always_inline void weft_describe(struct sock *sk, struct weft_socket *s)
{
	weft_fill_addresses(sk, &s->connection);
	s->described_ns = 0;
	s->ignored = weft_port_ignored(s->connection.local_port, s->connection.remote_port) ||
		     weft_peer_is_agent(&s->connection);
}

/* A FIN takes a sequence number: whether the read that stands at `copied` took it too. The state does
 * not tell: the end that closed first is in TCP_CLOSE by then, as after a reset. */
static __always_inline bool weft_took_fin(unsigned long sk_flags, __u32 copied, __u32 received)
{
	return copied == received && (sk_flags & (1UL << WEFT_SOCK_DONE));
}

static __always_inline bool weft_pid_ignored(__u32 pid)
{
	if (pid == agent_pid)
		return true;
	return filter_pids && bpf_map_lookup_elem(&ignored_pids, &pid);
}

#endif /* WEFT_BPF_CONNECTION_H_ */
