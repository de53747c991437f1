/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* State of Unix stream sockets for programs that have bare addresses. No tracepoint tells of their
 * end: the least used places are given away, and an address that came to be another socket's is
 * found out by the inode. */
#ifndef WEFT_BPF_UNIX_TABLE_H_
#define WEFT_BPF_UNIX_TABLE_H_

#include "bpf/emit.bpf.h"
#include "bpf/file_socket.bpf.h"
#include "bpf/socket_table.bpf.h"
#include "bpf/unix.bpf.h"

struct weft_unix {
	struct weft_socket socket;
	__u64 peer;		/* address of the other end */
	__u64 inode;		/* 0: nobody has accepted it yet */
	__u64 peer_inode;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct weft_unix);
} unix_sockets SEC(".maps");

/* An entry being made: too large for the stack of kernels before 6.13. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_unix);
} unix_draft SEC(".maps");

static __always_inline __u64 weft_inode_of(struct sock *sk)
{
	struct socket *socket = 0;
	struct inode *inode = 0;
	struct file *file = 0;
	__u64 number = 0;

	WEFT_LOAD(socket, sk, sk_socket);
	if (!socket)
		return 0;
	WEFT_LOAD(file, socket, file);
	if (!file)
		return 0;
	WEFT_LOAD(inode, file, f_inode);
	WEFT_LOAD(number, inode, i_ino);
	return number;
}

/* The first of the two ends that speaks makes both entries. The one at the lower address decides,
 * so that two that speak at once agree. */
static __noinline struct weft_socket *weft_unix_add(struct sock *sk, struct sock *peer, __u64 inode)
{
	__u64 me = (unsigned long)sk, other = (unsigned long)peer, low = me < other ? me : other;
	__u64 peer_inode = weft_inode_of(peer);
	struct weft_unix *u, *draft;
	__u64 cookie, peer_cookie;
	__u32 zero = 0;

	draft = bpf_map_lookup_elem(&unix_draft, &zero);
	if (!draft)
		return 0;
	__builtin_memset(draft, 0, sizeof(*draft));
	u = bpf_map_lookup_elem(&unix_sockets, &low);
	if (u && (low == me ? u->peer != other || (u->inode && u->inode != inode) :
			      u->peer != me || (u->peer_inode && u->peer_inode != inode)))
		bpf_map_delete_elem(&unix_sockets, &low);
	cookie = weft_identity(sk);
	peer_cookie = weft_identity(peer) + (1ull << 63);
	draft->socket.connection.cookie = low == me ? cookie : peer_cookie;
	draft->socket.peer_cookie = low == me ? peer_cookie : cookie;
	draft->peer = low == me ? other : me;
	draft->inode = low == me ? inode : peer_inode;
	draft->peer_inode = low == me ? peer_inode : inode;
	bpf_map_update_elem(&unix_sockets, &low, draft, BPF_NOEXIST);
	u = bpf_map_lookup_elem(&unix_sockets, &low);
	if (!u)
		return 0;
	if (low != me) {
		u->peer_inode = inode;
		/* Mine, from what the other says. */
		draft->socket.connection.cookie = u->socket.peer_cookie;
		draft->socket.peer_cookie = u->socket.connection.cookie;
		draft->peer = other;
		draft->inode = inode;
		draft->peer_inode = peer_inode;
		bpf_map_update_elem(&unix_sockets, &me, draft, 0);
		u = bpf_map_lookup_elem(&unix_sockets, &me);
		if (!u)
			return 0;
	}
	u->inode = inode;
	weft_describe_unix(sk, peer, &u->socket);
	return &u->socket;
}

/* NULL when it is not connected, or the kernel has no memory. */
static __always_inline struct weft_socket *weft_unix_of(struct sock *sk)
{
	__u64 me = (unsigned long)sk;
	__u64 inode = weft_inode_of(sk);
	struct weft_unix *u = bpf_map_lookup_elem(&unix_sockets, &me);
	struct sock *peer = 0;

	WEFT_LOAD(peer, (struct unix_sock *)sk, peer);
	if (u && u->inode == inode && (!peer || u->peer == (unsigned long)peer) &&
	    u->socket.connection.family)
		return &u->socket;
	return peer ? weft_unix_add(sk, peer, inode) : 0;
}

static __always_inline void weft_unix_closed(struct weft_stats *st, struct sock *sk, __u32 pid,
					     bool both)
{
	__u64 me = (unsigned long)sk;
	struct weft_unix *u = bpf_map_lookup_elem(&unix_sockets, &me);

	if (!u || !u->socket.announced || u->inode != weft_inode_of(sk))
		return;
	u->socket.announced = 0;
	u->socket.described_ns = 0;
	weft_emit_control(st, WEFT_RECORD_CLOSE, pid, u->socket.connection.cookie);
	if (both)
		weft_emit_control(st, WEFT_RECORD_CLOSE, pid, u->socket.peer_cookie);
}

/* A read came to the end of the stream. Where the other end was closed for good, nothing else may
 * say so: a process that ends closes without a call. */
static __always_inline void weft_unix_ended(struct weft_stats *st, struct sock *sk, __u32 pid)
{
	__u8 shutdown = 0;

	WEFT_LOAD(shutdown, sk, sk_shutdown);
	if (shutdown == SHUTDOWN_MASK)
		weft_unix_closed(st, sk, pid, true);
}

/* close() was called. */
static __always_inline void weft_unix_closing(struct weft_stats *st, struct sock *sk, __u32 pid)
{
	struct socket *socket = 0;
	struct file *file = 0;

	WEFT_LOAD(socket, sk, sk_socket);
	WEFT_LOAD(file, socket, file);
	if (weft_file_is_last(file))
		weft_unix_closed(st, sk, pid, false);
}

#endif /* WEFT_BPF_UNIX_TABLE_H_ */
