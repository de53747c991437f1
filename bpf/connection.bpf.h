/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* A socket's state: made at its first event, freed with the socket. */
#ifndef WEFT_BPF_CONNECTION_H_
#define WEFT_BPF_CONNECTION_H_

#include <bpf/bpf_endian.h>

#include "bpf/maps.bpf.h"

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

	c->local_port = sk->__sk_common.skc_num;
	c->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	c->netns = sk->__sk_common.skc_net.net->ns.inum;
	c->family = WEFT_FAMILY_IPV4;
	if (sk->__sk_common.skc_family == AF_INET6) {
		/* Element by element: a struct copy would not be relocated. */
		local[0] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[0];
		local[1] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[1];
		local[2] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2];
		local[3] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3];
		remote[0] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0];
		remote[1] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1];
		remote[2] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
		remote[3] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3];
		if (!weft_v4_mapped(remote)) {
			c->family = WEFT_FAMILY_IPV6;
			__builtin_memcpy(c->local_address, local, sizeof(local));
			__builtin_memcpy(c->remote_address, remote, sizeof(remote));
			return;
		}
		local[0] = local[3];
		remote[0] = remote[3];
	} else {
		local[0] = sk->__sk_common.skc_rcv_saddr;
		remote[0] = sk->__sk_common.skc_daddr;
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

static __always_inline bool weft_peer_is_agent(const struct weft_connection *c)
{
	struct weft_ends ends;

	weft_ends_of(c, true, &ends);
	return bpf_map_lookup_elem(&own_connections, &ends);
}

/* NULL when the kernel has no memory for it. */
static __always_inline struct weft_socket *weft_socket_create(struct sock *sk)
{
	struct weft_socket *s;

	s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return 0;
	s->connection.cookie = bpf_get_socket_cookie(sk);
	weft_fill_addresses(sk, &s->connection);
	s->ignored = weft_port_ignored(s->connection.local_port, s->connection.remote_port) ||
		     weft_peer_is_agent(&s->connection);
	return s;
}

static __always_inline struct weft_socket *weft_socket_of(struct sock *sk)
{
	struct weft_socket *s = bpf_sk_storage_get(&sockets, sk, 0, 0);

	return s ? s : weft_socket_create(sk);
}

static __always_inline bool weft_pid_ignored(__u32 pid)
{
	if (pid == agent_pid)
		return true;
	return filter_pids && bpf_map_lookup_elem(&ignored_pids, &pid);
}

#endif /* WEFT_BPF_CONNECTION_H_ */
