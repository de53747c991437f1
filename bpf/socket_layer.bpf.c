// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The socket layer's typed tracepoints: the cheap hook family, kernel 6.16 and newer.
 *
 * They hand over the socket itself, so nothing is walked from a file descriptor, calls that are not
 * socket I/O cost nothing, and sequence numbers are one load away.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/compat.bpf.h"
#include "bpf/emit.bpf.h"
#include "bpf/socket_storage.bpf.h"
#include "bpf/lifecycle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Sends whose page was not there yet. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weft_event);
} waiting SEC(".maps");

/* How many those are: so that the end of nearly every send is one comparison. */
__u32 sends_waiting = 0;

static __always_inline struct weft_socket *weft_socket_of(struct sock *sk)
{
	struct weft_socket *s = weft_socket_find(sk);

	return s ? s : weft_socket_add(sk, WEFT_BY_CALL);
}

/* What of msghdr's buffers the payload is read from; also says where they end. */
static __always_inline void weft_message_payload(const struct msghdr *msg, struct weft_payload *p)
{
	__u8 type = msg->msg_iter.iter_type;

	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		p->kind = WEFT_PAYLOAD_FLAT;
		p->base = (const __u8 *)msg->msg_iter.ubuf + msg->msg_iter.iov_offset;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		p->kind = WEFT_PAYLOAD_KERNEL_VECTOR;
		p->iov = msg->msg_iter.__iov;
		p->iov_offset = msg->msg_iter.iov_offset;
		p->buffers = msg->msg_iter.nr_segs;
	}
}

/* tcp_sendmsg_locked will wait or give up before it takes a byte: the send buffer is full and the
 * last segment has no room either. The tracepoint fires again when there is room. */
static __always_inline bool weft_send_refused(struct sock *sk, const struct sk_buff *tail,
					      int size_goal)
{
	unsigned int len = 0;

	if (sk->sk_wmem_queued < sk->sk_sndbuf)
		return false;
	/* Where the verifier takes `tail` for never NULL it drops the test; the read stands both. */
	if (!tail || bpf_core_read(&len, sizeof(len), &tail->len))
		return true;
	return (int)len >= size_goal;
}

/* A send that does not wait and may be more than there is room for. A buffer counts what it costs the
 * kernel, somewhat more than the bytes. */
static __always_inline bool weft_may_go_in_part(struct sock *sk, const struct msghdr *msg,
						__u32 length)
{
	return (msg->msg_flags & MSG_DONTWAIT) &&
	       (__s64)length * 2 > (__s64)sk->sk_sndbuf - sk->sk_wmem_queued;
}

/* Fires at the head of the kernel's copy loop: at the entry of a send, and then once per segment. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(socket_send, struct sock *sk, struct msghdr *msg, struct sk_buff *tail, int size_goal)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct weft_event e = { .type = WEFT_RECORD_SEND, .pid_tgid = weft_ids_of(task) };
	struct weft_stats *st = weft_stats_of_cpu();
	struct weft_event *w;
	struct weft_socket *s;
	struct weft_call call;
	struct tcp_sock *tp;

	if (!st)
		return 0;
	if (weft_pid_ignored(e.pid_tgid >> 32)) {
		st->seen++;
		st->filtered++;
		return 0;
	}
	tp = WEFT_TYPED((struct tcp_sock *)sk);
	s = weft_socket_of(sk);
	if (!s) {
		st->seen++;
		st->map_full++;
		return 0;
	}
	/* The same call goes on: its end says what it sent. */
	if (s->waits) {
		w = bpf_sk_storage_get(&waiting, sk, 0, 0);
		if (w && w->pid_tgid == e.pid_tgid)
			return 0;
	}
	e.seq = tp->write_seq;
	e.length = msg->msg_iter.count;
	/* The same call goes on: it announced all up to this end when it began. */
	if (e.seq + e.length == s->send_to && e.seq != s->send_from &&
	    (msg->msg_iter.iov_offset != 0 ||
	     msg->msg_iter.iter_type != bpf_core_enum_value(enum iter_type, ITER_UBUF)))
		return 0;
	if (weft_send_refused(sk, tail, size_goal)) {
		if (!s->refused_ns)
			s->refused_ns = bpf_ktime_get_ns();
		return 0;
	}
	if (s->ignored) {
		st->seen++;
		st->filtered++;
		return 0;
	}
	s->send_from = e.seq;
	s->send_to = e.seq + e.length;
	e.time_ns = s->refused_ns ? s->refused_ns : bpf_ktime_get_ns();
	s->refused_ns = 0;
	e.peer_seq = tp->copied_seq;
	call = weft_call_of(task);
	e.fd = weft_call_fd(&call);
	weft_message_payload(msg, &e.payload);
	if ((s->waits || !weft_may_go_in_part(sk, msg, e.length)) &&
	    weft_emit_data(st, s, &e, !s->waits)) {
		st->seen++;
		return 0;
	}
	/* The kernel is about to touch the page, and to take what it has room for: socket_sent finds
	 * the one there and knows the other. */
	w = bpf_sk_storage_get(&waiting, sk, &e, BPF_SK_STORAGE_GET_F_CREATE);
	if (!w) {
		st->seen++;
		st->map_full++;
		return 0;
	}
	*w = e;
	s->waits = WEFT_WAITS;
	__sync_fetch_and_add(&sends_waiting, 1);
	return 0;
}

/* Where the bytes are that the current call has moved. */
static __always_inline void weft_call_payload(const struct weft_call *call, struct weft_payload *p)
{
	/* struct user_msghdr: name, namelen (padded), iov, iovlen */
	unsigned long header[4];

	switch (call->nr) {
	case WEFT_SYS_READ:
	case WEFT_SYS_RECVFROM:
	case WEFT_SYS_WRITE:
	case WEFT_SYS_SENDTO:
		p->kind = WEFT_PAYLOAD_FLAT;
		p->base = (const void *)call->arg1;
		return;
	case WEFT_SYS_READV:
	case WEFT_SYS_WRITEV:
		p->kind = WEFT_PAYLOAD_USER_VECTOR;
		p->iov = (const struct iovec *)call->arg1;
		p->buffers = WEFT_MAX_BUFFERS;
		return;
	case WEFT_SYS_RECVMSG:
	case WEFT_SYS_SENDMSG:
		if (bpf_probe_read_user(header, sizeof(header), (const void *)call->arg1))
			return;
		p->kind = WEFT_PAYLOAD_USER_VECTOR;
		p->iov = (const struct iovec *)header[2];
		p->buffers = header[3];
		return;
	}
}

/* Whether its bytes are wanted; counted, where not. `s` is NULL where the kernel has no memory. */
static __always_inline bool weft_wanted(struct weft_stats *st, const struct weft_socket *s)
{
	if (!s)
		st->map_full++;
	else if (s->ignored)
		st->filtered++;
	return s && !s->ignored;
}

/* What the current call has moved, its place in the stream being known. */
static __always_inline void weft_emit_moved(struct weft_stats *st, struct weft_socket *s,
					    struct task_struct *task, struct weft_event *e,
					    bool has_bytes)
{
	struct weft_call call = weft_call_of(task);

	e->fd = weft_call_fd(&call);
	if (has_bytes)
		weft_call_payload(&call, &e->payload);
	weft_emit_data(st, s, e, false);
}

/* One send or receive on a Unix stream socket, after it. */
static __always_inline int weft_unix_moved(struct sock *sk, __u8 type, int ret, int flags)
{
	struct weft_event e = { .type = type, .length = ret };
	struct weft_stats *st = weft_stats_of_cpu();
	struct task_struct *task;
	struct weft_socket *s;

	if (!st || sk->sk_type != SOCK_STREAM)
		return 0;
	s = weft_socket_find(sk);
	if (!ret) {
		/* The other end was closed, and says so here only. */
		if (s && s->announced && sk->sk_shutdown == SHUTDOWN_MASK) {
			s->announced = 0;
			s->described_ns = 0;
			weft_emit_control(st, WEFT_RECORD_CLOSE, 0, s->connection.cookie);
			weft_emit_control(st, WEFT_RECORD_CLOSE, 0, s->peer_cookie);
		}
		return 0;
	}
	st->seen++;
	task = bpf_get_current_task_btf();
	e.pid_tgid = weft_ids_of(task);
	if (weft_pid_ignored(e.pid_tgid >> 32)) {
		st->filtered++;
		return 0;
	}
	if (!s)
		s = weft_unix_add(sk);
	if (!weft_wanted(st, s))
		return 0;
	e.time_ns = bpf_ktime_get_ns();
	weft_unix_place(s, &e);
	weft_emit_moved(st, s, task, &e, true);
	return 0;
}

/* A send that connects: TCP fast open. The bytes go with the SYN, past the tracepoint above, and the
 * stream's first number is not chosen yet. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_opens, struct sock *sk, int old_state, int new_state)
{
	struct weft_event e = { .type = WEFT_RECORD_SEND };
	struct weft_stats *st;
	struct weft_socket *s;
	struct weft_event *w;
	struct weft_call call;

	if (new_state != TCP_SYN_SENT || sk->sk_protocol != WEFT_IPPROTO_TCP)
		return 0;
	call = weft_call_of(bpf_get_current_task_btf());
	weft_call_payload(&call, &e.payload);
	e.pid_tgid = bpf_get_current_pid_tgid();
	if (e.payload.kind == WEFT_PAYLOAD_NONE || weft_pid_ignored(e.pid_tgid >> 32))
		return 0;
	s = weft_socket_add(sk, WEFT_BY_CALL);
	if (s && s->waits)
		return 0;
	e.time_ns = bpf_ktime_get_ns();
	e.fd = weft_call_fd(&call);
	w = s ? bpf_sk_storage_get(&waiting, sk, &e, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	if (!w) {
		st = weft_stats_of_cpu();
		if (st) {
			st->seen++;
			st->map_full++;
		}
		return 0;
	}
	*w = e;
	s->waits = WEFT_WAITS_TO_OPEN;
	__sync_fetch_and_add(&sends_waiting, 1);
	return 0;
}

/* Fires at the end of every send of every kind of socket. For TCP it rarely has anything to do. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_sent, struct sock *sk, int ret, int flags)
{
	struct weft_stats *st;
	struct weft_socket *s;
	struct weft_event *w;
	struct tcp_sock *tp;
	bool opens;

	if (sk->__sk_common.skc_family == AF_UNIX)
		return ret > 0 ? weft_unix_moved(sk, WEFT_RECORD_SEND, ret, flags) : 0;
	if (!sends_waiting)
		return 0;
	s = weft_socket_find(sk);
	if (!s || !s->waits)
		return 0;
	w = bpf_sk_storage_get(&waiting, sk, 0, 0);
	if (!w || w->pid_tgid != bpf_get_current_pid_tgid())
		return 0;
	opens = s->waits == WEFT_WAITS_TO_OPEN;
	s->waits = 0;
	__sync_fetch_and_add(&sends_waiting, -1);
	st = weft_stats_of_cpu();
	if (!st || ret <= 0)
		return 0;
	if (opens) {
		tp = bpf_skc_to_tcp_sock(sk);
		if (!tp)
			return 0;
		w->seq = tp->write_seq - ret;
		w->peer_seq = tp->copied_seq;
		/* The ports are known by now. */
		weft_socket_add(sk, WEFT_BY_CALL);
		if (s->ignored) {
			st->seen++;
			st->filtered++;
			return 0;
		}
	}
	st->seen++;
	w->length = ret;
	s->send_from = w->seq;
	s->send_to = w->seq + ret;
	weft_emit_data(st, s, w, false);
	return 0;
}

/* Fires after every receive of every kind of socket. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_receive, struct sock *sk, int ret, int flags)
{
	struct weft_event e = { .type = WEFT_RECORD_RECEIVE };
	struct task_struct *task;
	struct weft_stats *st;
	struct weft_socket *s;
	struct tcp_sock *tp;

	/* These move nothing out of the stream. */
	if (ret < 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)))
		return 0;
	if (sk->__sk_common.skc_family == AF_UNIX)
		return weft_unix_moved(sk, WEFT_RECORD_RECEIVE, ret, flags);
	if (!ret)
		return 0;
	if (sk->sk_protocol != WEFT_IPPROTO_TCP)
		return 0;
	tp = WEFT_TYPED((struct tcp_sock *)sk);
	st = weft_stats_of_cpu();
	if (!st)
		return 0;
	st->seen++;
	task = bpf_get_current_task_btf();
	e.pid_tgid = weft_ids_of(task);
	if (weft_pid_ignored(e.pid_tgid >> 32)) {
		st->filtered++;
		return 0;
	}
	s = weft_socket_of(sk);
	if (!weft_wanted(st, s))
		return 0;
	e.time_ns = bpf_ktime_get_ns();
	e.length = ret;
	e.seq = tp->copied_seq - ret;
	if (weft_took_fin(sk->__sk_common.skc_flags, tp->copied_seq, tp->rcv_nxt)) {
		e.seq--;
		e.flags = WEFT_DATA_FIN_READ;
	}
	e.peer_seq = tp->write_seq;
	weft_emit_moved(st, s, task, &e, !(flags & MSG_TRUNC));
	return 0;
}
