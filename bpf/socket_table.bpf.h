/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Sockets' state in a table by address: for programs that find sockets from file descriptors and
 * so have bare addresses, and for kernels before 5.11, whose tracing programs have no storage in
 * sockets (8e4597c627fb). An entry ends when the kernel destroys the socket. */
#ifndef WEFT_BPF_SOCKET_TABLE_H_
#define WEFT_BPF_SOCKET_TABLE_H_

#include "bpf/connection.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct weft_socket);
} sockets SEC(".maps");

/* An entry being made: too large for the stack of kernels before 6.13. By weft_maker: a connection's
 * state may change in an interrupt, between any two instructions of the other. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct weft_socket);
} socket_draft SEC(".maps");

/* The kernel's cookie where somebody has asked for it; before 5.12 (c5dbb89fc2ac) a tracing program
 * cannot. Else a number that nobody else has: no CPU makes two in a nanosecond. */
static __always_inline __u64 weft_identity(struct sock *sk)
{
	__s64 cookie = 0;

	WEFT_LOAD(cookie, sk, __sk_common.skc_cookie.counter);
	return cookie ? cookie : bpf_ktime_get_ns() * 1024 + (bpf_get_smp_processor_id() & 1023);
}

static __always_inline struct weft_socket *weft_socket_find(struct sock *sk)
{
	__u64 key = (unsigned long)sk;

	return bpf_map_lookup_elem(&sockets, &key);
}

/* The one that is there, described anew, or a new one. NULL: the kernel has no memory. */
static __always_inline struct weft_socket *weft_socket_add(struct sock *sk, enum weft_maker maker)
{
	__u64 key = (unsigned long)sk;
	struct weft_socket *s = weft_socket_find(sk), *fresh;
	__u32 place = maker;

	if (s) {
		weft_describe(sk, s);
		return s;
	}
	fresh = bpf_map_lookup_elem(&socket_draft, &place);
	if (!fresh)
		return 0;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->connection.cookie = weft_identity(sk);
	weft_describe(sk, fresh);
	bpf_map_update_elem(&sockets, &key, fresh, BPF_NOEXIST);
	return weft_socket_find(sk);
}

static __always_inline void weft_socket_drop(struct sock *sk)
{
	__u64 key = (unsigned long)sk;

	bpf_map_delete_elem(&sockets, &key);
}

#endif /* WEFT_BPF_SOCKET_TABLE_H_ */
