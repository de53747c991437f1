/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Programs that both hook families need: connections open and close, processes exec and exit.
 * Include after the family's socket_*.bpf.h. */
#ifndef WEFT_BPF_LIFECYCLE_H_
#define WEFT_BPF_LIFECYCLE_H_

#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"

/* The end of a TCP connection that was in `state`, with where its streams end: what moved there and
 * is in no record would be missed by nobody. */
static __always_inline void weft_emit_close(struct weft_stats *st, __u32 pid, struct sock *sk,
					    int state, __u64 cookie)
{
	struct weft_control *c = weft_control_of(st, WEFT_RECORD_CLOSE, pid, cookie);
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u32 sent = 0, read = 0, received = 0;
	unsigned long sk_flags = 0;

	if (!c)
		return;
	WEFT_LOAD(sent, tp, write_seq);
	WEFT_LOAD(read, tp, copied_seq);
	WEFT_LOAD(received, tp, rcv_nxt);
	WEFT_LOAD(sk_flags, sk, __sk_common.skc_flags);
	/* Its own FIN took a number too, once it had closed its side. */
	c->sent = state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT ? sent : sent - 1;
	c->received = weft_took_fin(sk_flags, read, received) ? read - 1 : read;
	c->ends_known = 1;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *typed, int old_state, int new_state)
{
	struct sock *sk = weft_bare(typed);
	struct weft_stats *st = weft_stats_of_cpu();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct weft_begins begins;
	struct weft_socket *s;
	struct weft_ends ends;
	__u8 one = 1;

	if (!st || typed->sk_protocol != WEFT_IPPROTO_TCP)
		return 0;
	/* Nobody has spoken on it yet: what is known of this address is another socket's, whose end was
	 * missed. In a simultaneous open the second comes after the first. */
	if (new_state == TCP_SYN_SENT || (new_state == TCP_SYN_RECV && old_state != TCP_SYN_SENT))
		weft_socket_drop(sk);
	if (new_state == TCP_SYN_SENT && pid == agent_pid) {
		/* In connect(): who calls is certain, but the local port is not chosen yet. */
		s = weft_socket_add(sk, WEFT_BY_STATE);
		if (s)
			s->own = 1;
	} else if (new_state == TCP_ESTABLISHED) {
		/* The end that connects gets here before the one that accepts. */
		s = weft_socket_add(sk, WEFT_BY_STATE);
		if (!s)
			return 0;
		if (s->own) {
			weft_ends_of(&s->connection, false, &ends);
			bpf_map_update_elem(&own_connections, &ends, &one, 0);
			s->begins = weft_begins_of(sk);
			weft_ends_by_begins(&s->begins, false, &ends);
			bpf_map_update_elem(&own_connections, &ends, &one, 0);
		} else if (old_state != TCP_SYN_SENT) {
			begins = weft_begins_of(sk);
			weft_ends_by_begins(&begins, true, &ends);
			if (bpf_map_lookup_elem(&own_connections, &ends)) {
				s->ignored = 1;
				bpf_map_delete_elem(&own_connections, &ends);
			}
		}
		s->connection.opened_ns = bpf_ktime_get_ns();
		s->connection.end = old_state == TCP_SYN_SENT ? WEFT_END_CONNECTED :
								 WEFT_END_ACCEPTED;
	} else if (new_state == TCP_CLOSE) {
		s = weft_socket_find(sk);
		if (!s)
			return 0;
		/* The agent forgets it soon; what had come before may still be read. */
		s->described_ns = 0;
		if (s->announced)
			weft_emit_close(st, pid, sk, old_state, s->connection.cookie);
		if (s->own) {
			weft_ends_of(&s->connection, false, &ends);
			bpf_map_delete_elem(&own_connections, &ends);
			weft_ends_by_begins(&s->begins, false, &ends);
			bpf_map_delete_elem(&own_connections, &ends);
		}
	}
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task)
{
	struct weft_stats *st = weft_stats_of_cpu();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (st && pid != agent_pid)
		weft_emit_control(st, WEFT_RECORD_EXEC, pid, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct weft_stats *st = weft_stats_of_cpu();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	/* The last thread has brought the count of live ones down to 0 before this point. */
	if (st && pid != agent_pid && task->signal->live.counter == 0)
		weft_emit_control(st, WEFT_RECORD_EXIT, pid, 0);
	return 0;
}

#endif /* WEFT_BPF_LIFECYCLE_H_ */
