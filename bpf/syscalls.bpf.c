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

#include "bpf/messages.bpf.h"
#include "bpf/unix_table.bpf.h"
#include "bpf/lifecycle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

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
 * threads that share one and send at the same time cost the first its begin: where its bytes lie is
 * then told by where the stream stands at the end alone. */
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

/* TCP says by itself when a connection ends. */
static __always_inline int weft_close_begins(struct task_struct *task, int fd, __u32 pid)
{
	struct sock *sk = weft_stream_socket_of(task, fd);
	struct weft_stats *st = weft_stats_of_cpu();
	__u16 family = 0;

	if (!sk || !st)
		return 0;
	WEFT_LOAD(family, sk, __sk_common.skc_family);
	if (family == AF_UNIX)
		weft_unix_closing(st, sk, pid);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(call_begins, struct pt_regs *regs, long nr)
{
	struct task_struct *task;
	struct weft_begun *b;
	__u64 pid_tgid;
	struct sock *sk;
	__u8 state = 0;
	__u64 index;

	index = weft_call_index(nr);
	if (index >= WEFT_CALLS || !(calls[index] & (WEFT_SENDS | WEFT_CLOSES)) ||
	    regs->cs != WEFT_USER_CS)
		return 0;
	task = weft_current_task();
	pid_tgid = weft_ids_of(task);
	if (weft_pid_ignored(pid_tgid >> 32))
		return 0;
	if (index == WEFT_SYS_CLOSE)
		return weft_close_begins(task, regs->di, pid_tgid >> 32);
	b = weft_begun_of(pid_tgid);
	if (!b)
		return 0;
	sk = weft_stream_socket_of(task, index == WEFT_SYS_SPLICE ? regs->dx : regs->di);
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

/* NULL when it is neither TCP nor Unix, or the kernel has no memory. */
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
	if (family == AF_UNIX)
		return weft_unix_of(sk);
	if (protocol != WEFT_IPPROTO_TCP || (family != AF_INET && family != AF_INET6))
		return 0;
	s = weft_socket_add(sk, WEFT_BY_CALL);
	if (!s) {
		st->seen++;
		st->map_full++;
	}
	return s;
}

/* Where in the stream the kernel put what the call sent. */
static __always_inline void weft_place_sent(struct weft_stats *st, struct weft_socket *s,
					    struct sock *sk, const struct weft_begun *b,
					    struct weft_event *e)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u32 stands = 0;

	WEFT_LOAD(stands, tp, write_seq);
	WEFT_LOAD(e->peer_seq, tp, copied_seq);
	e->seq = stands - e->length;
	if (b && b->connected && b->seq != e->seq) {
		/* Another thread sent meanwhile, before or after: take the first place that no
		 * ended call has. */
		st->contended++;
		if (s->send_to - b->seq <= e->seq - b->seq)
			e->seq = s->send_to;
	}
	if ((__s32)(e->seq + e->length - s->send_to) > 0 || !s->announced)
		s->send_to = e->seq + e->length;
}

/* Where in the stream lay what the call received. */
static __always_inline void weft_place_received(struct sock *sk, struct weft_event *e)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u32 stands = 0, received = 0;
	unsigned long sk_flags = 0;

	WEFT_LOAD(stands, tp, copied_seq);
	WEFT_LOAD(received, tp, rcv_nxt);
	WEFT_LOAD(sk_flags, sk, __sk_common.skc_flags);
	WEFT_LOAD(e->peer_seq, tp, write_seq);
	e->seq = stands - e->length;
	if (weft_took_fin(sk_flags, stands, received)) {
		e->seq--;
		e->flags = WEFT_DATA_FIN_READ;
	}
}

static __always_inline int weft_call_ended(const struct pt_regs *regs, long ret, __u32 index,
					   __u8 shape, bool several)
{
	struct weft_event e = {};
	struct task_struct *task;
	const struct weft_messages *messages = (const struct weft_messages *)regs->si;
	struct weft_begun *b = 0;
	struct weft_stats *st;
	struct weft_socket *s;
	__u16 family = 0;
	struct sock *sk = 0;
	__u32 flags = 0;

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
	task = weft_current_task();
	e.pid_tgid = weft_ids_of(task);
	e.fd = index == WEFT_SYS_SPLICE ? regs->dx : regs->di;
	if (weft_pid_ignored(e.pid_tgid >> 32)) {
		if (weft_stream_socket_of(task, e.fd)) {
			st->seen++;
			st->filtered++;
		}
		return 0;
	}
	if (shape & WEFT_SENDS) {
		b = weft_begun_of(e.pid_tgid);
		if (b && b->tid != (__u32)e.pid_tgid)
			b = 0;
		sk = b ? (struct sock *)b->sk : weft_stream_socket_of(task, e.fd);
		if (b)
			b->tid = 0;
		if (sk || index != WEFT_SYS_SPLICE)
			shape &= ~WEFT_RECEIVES;
		else
			shape = WEFT_RECEIVES;
	}
	if (shape & WEFT_RECEIVES) {
		b = 0;
		e.fd = regs->di;
		sk = weft_stream_socket_of(task, e.fd);
	}
	if (!sk)
		return 0;
	if (!ret) {
		WEFT_LOAD(family, sk, __sk_common.skc_family);
		if (family == AF_UNIX && (shape & WEFT_RECEIVES))
			weft_unix_ended(st, sk, e.pid_tgid >> 32);
		return 0;
	}
	s = weft_socket_of(sk, st);
	if (!s)
		return 0;
	if (s->ignored) {
		st->seen++;
		st->filtered++;
		return 0;
	}
	e.length = ret;
	if (several) {
		e.length = weft_messages_length(regs->si, ret);
		if (!e.length) {
			st->unmeasured += ret > WEFT_MAX_LENGTHS;
			return 0;
		}
	}
	e.type = shape & WEFT_SENDS ? WEFT_RECORD_SEND : WEFT_RECORD_RECEIVE;
	e.time_ns = b ? b->time_ns : bpf_ktime_get_ns();
	if (s->connection.family == WEFT_FAMILY_UNIX)
		weft_unix_place(s, &e);
	else if (e.type == WEFT_RECORD_SEND)
		weft_place_sent(st, s, sk, b, &e);
	else
		weft_place_received(sk, &e);
	if (several) {
		weft_emit_messages(st, s, &e, messages, !(flags & MSG_TRUNC));
		return 0;
	}
	if (!(flags & MSG_TRUNC))
		weft_call_bytes(regs, shape, &e.payload);
	weft_emit(st, s, &e);
	return 0;
}

/* On its own, because the verifier follows only so many ways through one program. */
SEC("tp_btf/sys_exit")
int BPF_PROG(several_end, struct pt_regs *regs, long ret)
{
	__u64 index = weft_call_index(regs->orig_ax);

	return index < WEFT_CALLS ? weft_call_ended(regs, ret, index, calls[index], true) : 0;
}

static __always_inline void weft_count_uring(void)
{
	struct weft_stats *st = weft_stats_of_cpu();

	if (st && !weft_pid_ignored(bpf_get_current_pid_tgid() >> 32))
		st->uring_calls++;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, int());
} rarer SEC(".maps") = {
	.values = { (void *)&several_end },
};

SEC("tp_btf/sys_exit")
int BPF_PROG(call_ends, struct pt_regs *regs, long ret)
{
	__u64 index = weft_call_index(regs->orig_ax);
	__u8 shape;

	if (index >= WEFT_CALLS)
		return 0;
	shape = calls[index];
	if (!(shape & (WEFT_SENDS | WEFT_RECEIVES))) {
		if (shape == WEFT_URING && ret > 0)
			weft_count_uring();
		return 0;
	}
	if (ret < 0 || regs->cs != WEFT_USER_CS)
		return 0;
	if ((shape & WEFT_BYTES) == WEFT_MESSAGES) {
		bpf_tail_call(ctx, &rarer, 0);
		return 0;
	}
	return weft_call_ended(regs, ret, index, shape, false);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket_destroyed, struct sock *sk)
{
	weft_socket_drop(weft_bare(sk));
	return 0;
}
