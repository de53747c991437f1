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

/* The bare address of a socket that is typed: the verifier lets nobody compute with the other. */
static __always_inline struct sock *weft_bare(struct sock *typed)
{
	struct sock *bare = 0;

	bpf_probe_read_kernel(&bare, sizeof(bare), &typed);
	return bare;
}

/* A socket's first place: found without a call, which a look into the table above is not. What finds its
 * place taken goes into the table, and what is in the one is not in the other. It takes an atomic
 * operation that kernels before 5.12 do not have. */
#if WEFT_DIRECT_LOADS
#define WEFT_PLACES 16384
#define WEFT_BEING_MADE 1ull	/* beside the address */
struct weft_place {
	__u64 sk;	/* 0: free */
	struct weft_socket socket;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEFT_PLACES);
	__type(key, __u32);
	__type(value, struct weft_place);
} places SEC(".maps");

/* Requires: a bare address. */
static __always_inline struct weft_place *weft_place_of(struct sock *sk)
{
	__u32 place = (unsigned long)sk * 0x9e3779b97f4a7c15ull >> 50;

	_Static_assert(WEFT_PLACES == 1 << (64 - 50), "the hash has as many values as there are places");
	return bpf_map_lookup_elem(&places, &place);
}
#endif

static __always_inline struct weft_socket *weft_socket_find(struct sock *sk)
{
	__u64 key = (unsigned long)sk;
#if WEFT_DIRECT_LOADS
	struct weft_place *p = weft_place_of(sk);

	if (p && p->sk == key)
		return &p->socket;
#endif
	return bpf_map_lookup_elem(&sockets, &key);
}

/* Where `fresh` is from now on. NULL: the kernel has no memory, or another program makes the same. */
static __always_inline struct weft_socket *weft_socket_put(struct sock *sk,
							   const struct weft_socket *fresh)
{
	__u64 key = (unsigned long)sk;
#if WEFT_DIRECT_LOADS
	struct weft_place *p = weft_place_of(sk);
	__u64 was;

	if (!p)
		return 0;
	was = __sync_val_compare_and_swap(&p->sk, 0, key | WEFT_BEING_MADE);
	if (!was) {
		p->socket = *fresh;
		barrier();
		p->sk = key;
		return &p->socket;
	}
	if (was == (key | WEFT_BEING_MADE))
		return 0;
	if (was == key)
		return &p->socket;
#endif
	bpf_map_update_elem(&sockets, &key, fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sockets, &key);
}

/* The one that is there, described anew, or a new one. NULL: the kernel has no memory. */
static __always_inline struct weft_socket *weft_socket_add(struct sock *sk, enum weft_maker maker)
{
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
	return weft_socket_put(sk, fresh);
}

/* Both parts: two programs that met the socket at the same time may have made an entry in each. */
static __always_inline void weft_socket_drop(struct sock *sk)
{
	__u64 key = (unsigned long)sk;
#if WEFT_DIRECT_LOADS
	struct weft_place *p = weft_place_of(sk);

	if (p && p->sk == key)
		p->sk = 0;
#endif
	bpf_map_delete_elem(&sockets, &key);
}

#endif /* WEFT_BPF_SOCKET_TABLE_H_ */
