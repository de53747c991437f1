// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The system calls: the hook family for every kernel from 5.10 on.
 *
 * One program at the end of all calls does the work: by then what the kernel accepted is known, the
 * pages have been touched, and the arguments are still in the saved registers. One at their begin
 * only notes, for calls that may send, the time and where the stream stands: over loopback the
 * receiver can be done before the sender's call ends, and two threads that send on one socket can
 * be told apart only by what lies between begin and end.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"
#include "bpf/file_socket.bpf.h"
#include "bpf/socket_table.bpf.h"
#include "bpf/lifecycle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define WEFT_CALLS 512		/* numbers of system calls that are looked up */
#define WEFT_MAX_MESSAGES 4	/* of one sendmmsg or recvmmsg: a record each; one for the rest */
#define WEFT_MAX_LENGTHS 128	/* of one sendmmsg or recvmmsg: past it the whole call is a gap */

enum weft_call_shape {
	WEFT_SENDS = 1 << 0,
	WEFT_RECEIVES = 1 << 1,
	WEFT_FLAGS_DX = 1 << 2,		/* MSG_* in the third argument */
	WEFT_FLAGS_R10 = 1 << 3,	/* in the fourth */
	WEFT_FLAT = 1 << 4,		/* where the bytes are: second argument is their address, */
	WEFT_VECTOR = 2 << 4,		/* of an array of iovec, */
	WEFT_MESSAGE = 3 << 4,		/* of a struct user_msghdr, */
	WEFT_MESSAGES = 4 << 4,		/* of an array of struct mmsghdr */
	WEFT_BYTES = 7 << 4,		/* 0: not in user memory */
};

static const __u8 calls[WEFT_CALLS] = {
	[WEFT_SYS_READ] = WEFT_RECEIVES | WEFT_FLAT,
	[WEFT_SYS_READV] = WEFT_RECEIVES | WEFT_VECTOR,
	[WEFT_SYS_PREADV2] = WEFT_RECEIVES | WEFT_VECTOR,
	[WEFT_SYS_RECVFROM] = WEFT_RECEIVES | WEFT_FLAT | WEFT_FLAGS_R10,
	[WEFT_SYS_RECVMSG] = WEFT_RECEIVES | WEFT_MESSAGE | WEFT_FLAGS_DX,
	[WEFT_SYS_RECVMMSG] = WEFT_RECEIVES | WEFT_MESSAGES | WEFT_FLAGS_R10,
	[WEFT_SYS_WRITE] = WEFT_SENDS | WEFT_FLAT,
	[WEFT_SYS_WRITEV] = WEFT_SENDS | WEFT_VECTOR,
	[WEFT_SYS_PWRITEV2] = WEFT_SENDS | WEFT_VECTOR,
	[WEFT_SYS_SENDTO] = WEFT_SENDS | WEFT_FLAT,
	[WEFT_SYS_SENDMSG] = WEFT_SENDS | WEFT_MESSAGE,
	[WEFT_SYS_SENDMMSG] = WEFT_SENDS | WEFT_MESSAGES,
	[WEFT_SYS_SENDFILE] = WEFT_SENDS,
	[WEFT_SYS_SPLICE] = WEFT_SENDS | WEFT_RECEIVES,
};

/* A call that may send, from its begin to its end. */
struct weft_begun {
	__u64 time_ns;
	__u64 sk;	/* 0: not a stream socket */
	__u32 tid;	/* 0: free */
	__u32 seq;	/* where the stream stood */
	__u8 connected;	/* else seq says nothing: TCP fast open */
	__u8 pad[7];
};

/* By the low bits of the thread's id: a place costs next to nothing to find, and needs no end. Two
 * threads that share one and send at the same time cost the first its begin: counted. */
#define WEFT_BEGUN 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEFT_BEGUN);
	__type(key, __u32);
	__type(value, struct weft_begun);
} begun SEC(".maps");

static __always_inline struct weft_begun *weft_begun_of(__u32 tid)
{
	__u32 place = tid & (WEFT_BEGUN - 1);

	return bpf_map_lookup_elem(&begun, &place);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(call_begins, struct pt_regs *regs, long nr)
{
	struct weft_begun *b;
	__u64 pid_tgid;
	struct sock *sk;
	__u8 state = 0;
	__u32 index;

	index = nr;
	if (index >= WEFT_CALLS || !(calls[index] & WEFT_SENDS) || regs->cs != WEFT_USER_CS)
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	if (weft_pid_ignored(pid_tgid >> 32))
		return 0;
	b = weft_begun_of(pid_tgid);
	if (!b)
		return 0;
	sk = weft_stream_socket_of(index == WEFT_SYS_SPLICE ? regs->dx : regs->di);
	b->tid = pid_tgid;
	b->sk = (unsigned long)sk;
	if (!sk)
		return 0;
	WEFT_LOAD(b->seq, (struct tcp_sock *)sk, write_seq);
	WEFT_LOAD(state, sk, __sk_common.skc_state);
	b->connected = state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
	b->time_ns = bpf_ktime_get_ns();
	return 0;
}

/* NULL when it is not TCP, or the kernel has no memory. */
static __always_inline struct weft_socket *weft_socket_of(struct sock *sk, struct weft_stats *st)
{
	struct weft_socket *s = weft_socket_find(sk);
	__u16 protocol = 0, family = 0, local;
	__u32 ports = 0;

	if (s) {
		/* The end of another socket at this address may have been missed. */
		WEFT_LOAD(ports, sk, __sk_common.skc_portpair);
		local = ports >> 16;
		/* One that the peer has reset meanwhile has lost its own port. */
		if ((!local || local == s->connection.local_port) &&
		    (__u16)ports == bpf_htons(s->connection.remote_port))
			return s;
		weft_socket_drop(sk);
	}
	WEFT_LOAD(protocol, sk, sk_protocol);
	WEFT_LOAD(family, sk, __sk_common.skc_family);
	if (protocol != WEFT_IPPROTO_TCP || (family != AF_INET && family != AF_INET6))
		return 0;
	s = weft_socket_add(sk);
	if (!s) {
		st->seen++;
		st->map_full++;
	}
	return s;
}

/* Where the kernel put the first of the n bytes that the call sent. */
static __always_inline __u32 weft_first_sent(struct weft_stats *st, struct weft_socket *s,
					     const struct weft_begun *b, __u32 stands, __u32 n)
{
	__u32 seq = stands - n;

	if (b && b->connected && b->seq != seq) {
		/* Another thread sent meanwhile, before or after: take the first place that no
		 * ended call has. */
		st->contended++;
		if (s->send_to - b->seq <= seq - b->seq)
			seq = s->send_to;
	}
	if ((__s32)(seq + n - s->send_to) > 0 || !s->announced)
		s->send_to = seq + n;
	return seq;
}

/* As user space has them. */
struct weft_message {
	unsigned long name, name_length, iov, buffers, control, control_length, flags;
};
struct weft_messages {
	struct weft_message message;
	__u32 length;
	__u32 pad;
};

static __always_inline void weft_message_bytes(const struct weft_message *at,
					       struct weft_payload *p)
{
	struct weft_message m;

	if (bpf_probe_read_user(&m, sizeof(m), at))
		return;
	p->kind = WEFT_PAYLOAD_USER_VECTOR;
	p->iov = (const struct iovec *)m.iov;
	p->buffers = m.buffers;
}

static __always_inline void weft_call_bytes(const struct pt_regs *regs, __u8 shape,
					    struct weft_payload *p)
{
	switch (shape & WEFT_BYTES) {
	case WEFT_FLAT:
		p->kind = WEFT_PAYLOAD_FLAT;
		p->base = (const void *)regs->si;
		return;
	case WEFT_VECTOR:
		p->kind = WEFT_PAYLOAD_USER_VECTOR;
		p->iov = (const struct iovec *)regs->si;
		p->buffers = regs->dx;
		return;
	case WEFT_MESSAGE:
		weft_message_bytes((const struct weft_message *)regs->si, p);
		return;
	}
}

static __noinline void weft_emit(struct weft_stats *st, struct weft_socket *s, struct weft_event *e)
{
	st->seen++;
	weft_emit_data(st, s, e, false);
}

/* Of all messages that sendmmsg or recvmmsg moved; 0: not known. */
static __always_inline __u32 weft_messages_length(const struct weft_messages *at, __u32 n)
{
	__u32 length = 0, one;

	if (n > WEFT_MAX_LENGTHS)
		return 0;
	for (__u32 i = 0; i < WEFT_MAX_LENGTHS && i < n; i++) {
		if (bpf_probe_read_user(&one, sizeof(one), &at[i].length))
			return 0;
		length += one;
	}
	return length;
}

static __always_inline void weft_emit_messages(struct weft_stats *st, struct weft_socket *s,
					       struct weft_event *e,
					       const struct weft_messages *at, __u32 n,
					       bool has_bytes)
{
	__u32 left = e->length, one = 0;

	for (__u32 i = 0; i < WEFT_MAX_MESSAGES && i < n; i++) {
		if (bpf_probe_read_user(&one, sizeof(one), &at[i].length) || one > left)
			break;
		e->length = one;
		__builtin_memset(&e->payload, 0, sizeof(e->payload));
		if (has_bytes)
			weft_message_bytes(&at[i].message, &e->payload);
		if (one)
			weft_emit(st, s, e);
		e->seq += one;
		left -= one;
	}
	if (!left)
		return;
	e->length = left;
	__builtin_memset(&e->payload, 0, sizeof(e->payload));
	weft_emit(st, s, e);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_ends, struct pt_regs *regs, long ret)
{
	struct weft_event e = {};
	const struct weft_messages *messages = 0;
	struct weft_begun *b = 0;
	struct weft_stats *st;
	struct weft_socket *s;
	struct tcp_sock *tp;
	struct sock *sk;
	__u32 index, flags = 0, stands = 0, received = 0;
	unsigned long sk_flags = 0;
	__u8 shape;

	index = regs->orig_ax;
	if (index >= WEFT_CALLS)
		return 0;
	shape = calls[index];
	if (!shape || ret <= 0 || regs->cs != WEFT_USER_CS)
		return 0;
	/* These move nothing out of the stream. */
	if (shape & WEFT_FLAGS_DX)
		flags = regs->dx;
	else if (shape & WEFT_FLAGS_R10)
		flags = regs->r10;
	if (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB))
		return 0;
	st = weft_stats_of_cpu();
	if (!st)
		return 0;
	e.pid_tgid = bpf_get_current_pid_tgid();
	e.fd = index == WEFT_SYS_SPLICE ? regs->dx : regs->di;
	if (weft_pid_ignored(e.pid_tgid >> 32)) {
		if (weft_stream_socket_of(e.fd)) {
			st->seen++;
			st->filtered++;
		}
		return 0;
	}
	if (shape & WEFT_SENDS) {
		b = weft_begun_of(e.pid_tgid);
		if (b && b->tid != (__u32)e.pid_tgid)
			b = 0;
		sk = b ? (struct sock *)b->sk : weft_stream_socket_of(e.fd);
		if (b)
			b->tid = 0;
		if (sk || index != WEFT_SYS_SPLICE)
			shape &= ~WEFT_RECEIVES;
		else
			shape = WEFT_RECEIVES;
	}
	if (shape & WEFT_RECEIVES) {
		e.fd = regs->di;
		sk = weft_stream_socket_of(e.fd);
	}
	if (!sk)
		return 0;
	s = weft_socket_of(sk, st);
	if (!s)
		return 0;
	if (s->ignored) {
		st->seen++;
		st->filtered++;
		return 0;
	}
	e.length = ret;
	if ((shape & WEFT_BYTES) == WEFT_MESSAGES) {
		messages = (const struct weft_messages *)regs->si;
		e.length = weft_messages_length(messages, ret);
		if (!e.length)
			return 0;
	}
	tp = (struct tcp_sock *)sk;
	if (shape & WEFT_SENDS) {
		e.type = WEFT_RECORD_SEND;
		e.time_ns = b ? b->time_ns : bpf_ktime_get_ns();
		WEFT_LOAD(stands, tp, write_seq);
		WEFT_LOAD(e.peer_seq, tp, copied_seq);
		e.seq = weft_first_sent(st, s, b, stands, e.length);
	} else {
		e.type = WEFT_RECORD_RECEIVE;
		e.time_ns = bpf_ktime_get_ns();
		WEFT_LOAD(stands, tp, copied_seq);
		WEFT_LOAD(received, tp, rcv_nxt);
		WEFT_LOAD(sk_flags, sk, __sk_common.skc_flags);
		WEFT_LOAD(e.peer_seq, tp, write_seq);
		e.seq = stands - e.length;
		if (weft_took_fin(sk_flags, stands, received)) {
			e.seq--;
			e.flags = WEFT_DATA_FIN_READ;
		}
	}
	if (messages) {
		weft_emit_messages(st, s, &e, messages, ret, !(flags & MSG_TRUNC));
		return 0;
	}
	if (!(flags & MSG_TRUNC))
		weft_call_bytes(regs, shape, &e.payload);
	weft_emit(st, s, &e);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket_destroyed, struct sock *sk)
{
	weft_socket_drop(sk);
	return 0;
}
