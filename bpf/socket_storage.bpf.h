/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* A socket's state in the socket itself: for programs that are given typed sockets. The kernel
 * frees it together with the socket. */
#ifndef WEFT_BPF_SOCKET_STORAGE_H_
#define WEFT_BPF_SOCKET_STORAGE_H_

#include "bpf/unix.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weft_socket);
} sockets SEC(".maps");

/* The storage is for typed sockets. */
static __always_inline struct sock *weft_bare(struct sock *typed)
{
	return typed;
}

static __always_inline struct weft_socket *weft_socket_find(struct sock *sk)
{
	return bpf_sk_storage_get(&sockets, sk, 0, 0);
}

/* The one that is there, described anew, or a new one. NULL: the kernel has no memory. */
static __always_inline struct weft_socket *weft_socket_add(struct sock *sk, enum weft_maker maker)
{
	struct weft_socket *s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (s) {
		s->connection.cookie = bpf_get_socket_cookie(sk);
		weft_describe(sk, s);
	}
	return s;
}

/* NULL when it is not connected, or the kernel has no memory. */
static __always_inline struct weft_socket *weft_unix_add(struct sock *sk)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);
	struct weft_socket *s;
	struct sock *peer;

	if (!u)
		return 0;
	peer = u->peer;
	if (!peer)
		return 0;
	s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return 0;
	s->connection.cookie = bpf_get_socket_cookie(sk);
	s->peer_cookie = bpf_get_socket_cookie(peer);
	weft_describe_unix(sk, peer, s);
	return s;
}

static __always_inline void weft_socket_drop(struct sock *sk)
{
}

#endif /* WEFT_BPF_SOCKET_STORAGE_H_ */
