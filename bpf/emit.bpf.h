/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Writes records into the rings and counts what became of them. */
#ifndef WEFT_BPF_EMIT_H_
#define WEFT_BPF_EMIT_H_

#include "bpf/maps.bpf.h"

#define WEFT_MAX_BUFFERS 4	/* user buffers of one call that are looked into */
#define WEFT_PAGE_SIZE 4096

/* A record as it lies in a CPU's ring. Several user buffers are gathered one after the other, which
 * needs twice the room for the verifier to see that no read leaves it. */
struct weft_record {
	__u32 size;	/* of all that follows */
	__u32 pad;
	struct weft_data data;
	__u8 payload[2 * WEFT_CAPTURE_MOST];
	struct weft_connection room;
	__u64 more_room;
};
_Static_assert(sizeof(struct weft_record) <= WEFT_RING_SLACK, "a record fits into the slack");

/* What is really written of one, at most. */
#define WEFT_RECORD_MOST (sizeof(struct weft_record) - WEFT_CAPTURE_MOST)

static __always_inline void weft_fill(struct weft_data *d, __u64 cookie,
				      const struct weft_event *e)
{
	d->time_ns = e->time_ns;
	d->cookie = cookie;
	d->seq = e->seq;
	d->peer_seq = e->peer_seq;
	d->length = e->length;
	d->pid = e->pid_tgid >> 32;
	d->tid = (__u32)e->pid_tgid;
	d->fd = e->fd;
	d->captured = 0;
	d->type = e->type;
	d->flags = e->flags;
	d->late = e->late;
}

/* Newer kernels (seen on 7.2) take a bare pointer out of a structure for memory, and what is computed
 * from it too: no bound of a read may come from it. The difference of two such is a number for all. */
static __always_inline unsigned long weft_number_of(const void *address)
{
	unsigned long number = (unsigned long)address, zero = number;

	asm volatile("%[zero] &= 0\n\t"
		     "%[number] -= %[zero]"
		     : [number] "+r"(number), [zero] "+r"(zero));
	return number;
}

/* Reads `n` <= size bytes; where they reach into a page that is not there, those before it.
 * `size` is a power of two. Returns how many were read. */
static __always_inline __u32 weft_read_user(__u8 *to, __u32 n, __u32 size, const void *from)
{
	__u32 in_page;

	if (n > size)
		n = size;
	/* The compiler must not know n's range better than the verifier does. */
	asm volatile("" : "+r"(n));
	n &= 2 * size - 1;
	if (n > size)
		n = size;
	if (!bpf_probe_read_user(to, n, from))
		return n;
	in_page = WEFT_PAGE_SIZE - (weft_number_of(from) & (WEFT_PAGE_SIZE - 1));
	if (in_page >= n)
		return 0;
	asm volatile("" : "+r"(in_page));
	in_page &= 2 * size - 1;
	if (in_page > size)
		in_page = size;
	return bpf_probe_read_user(to, in_page, from) ? 0 : in_page;
}

/* Gathers up to `limit` <= half bytes of several buffers, p->kind being `kind`, into to[2 * half]. */
static __always_inline __u32 weft_read_vector(__u8 *to, __u32 limit, __u32 half,
					      const struct weft_payload *p, __u32 kind)
{
	__u32 done = 0, n, got;
	struct iovec v;
	unsigned long skip = p->iov_offset;

	if (limit > half)
		limit = half;
#pragma unroll
	for (__u32 i = 0; i < WEFT_MAX_BUFFERS; i++) {
		if (i >= p->buffers || done >= limit)
			break;
		if (kind == WEFT_PAYLOAD_USER_VECTOR) {
			if (bpf_probe_read_user(&v, sizeof(v), p->iov + i))
				break;
		} else if (bpf_probe_read_kernel(&v, sizeof(v), p->iov + i)) {
			break;
		}
		if (v.iov_len <= skip) {
			skip -= v.iov_len;
			continue;
		}
		n = limit - done;
		if (v.iov_len - skip < n)
			n = v.iov_len - skip;
		asm volatile("" : "+r"(done));
		done &= half - 1;
		got = weft_read_user(to + done, n, half, (const __u8 *)v.iov_base + skip);
		done += got;
		if (got < n)
			break;
		skip = 0;
	}
	return done > limit ? limit : done;
}

/* One that sorts before the last description, because it is a send that began before it, has one of
 * its own. */
static __always_inline bool weft_must_describe(const struct weft_socket *s, __u64 time_ns)
{
	return !s->described_ns || time_ns - s->described_ns - 1 >= WEFT_DESCRIBE_NS;
}

/* Whether less was read than can be when the call ends. */
static __always_inline bool weft_worth_a_retry(const struct weft_event *e, __u32 captured,
					       __u32 wanted)
{
	return captured < wanted && (!captured || e->payload.buffers <= WEFT_MAX_BUFFERS);
}

/* Where the next record is put together: in the ring, or, where that is full, behind its slack. The
 * choice goes through memory: the verifier would follow all that comes after it once for each. */
static __always_inline struct weft_record *weft_record_at(struct weft_cpu_ring *ring)
{
	__u64 position = ring->produced;
	__u32 at;

	if (position + WEFT_RECORD_MOST - ring->seen_consumed > cpu_ring_bytes)
		ring->seen_consumed = *(volatile __u64 *)&ring->consumed;
	ring->full = position + WEFT_RECORD_MOST - ring->seen_consumed > cpu_ring_bytes;
	ring->at = ring->full ? cpu_ring_bytes + WEFT_RING_SLACK : position & (cpu_ring_bytes - 1);
	barrier();
	at = *(volatile __u32 *)&ring->at;
	if (at > cpu_ring_bytes + WEFT_RING_SLACK)
		return 0;
	return (void *)ring + sizeof(*ring) + at;
}

/* The record that its CPU's ring has no room for goes into the shared one. */
static __always_inline bool weft_share(const struct weft_record *r, __u32 size)
{
	__u64 wake_up = BPF_RB_NO_WAKEUP;

	if (reader_sleeps) {
		reader_sleeps = 0;
		wake_up = BPF_RB_FORCE_WAKEUP;
	}
	return !bpf_ringbuf_output(&data_ring, (void *)&r->data, size, wake_up);
}

/* Whether nobody else is writing into this CPU's ring. Where tracing programs are preemptible
 * (PREEMPT_RT from 7.0 on) another may get in between any two instructions: of those that each add one,
 * only the one that finds no more than its own writes. An exchange would do, but kernels before 5.12
 * have none, and where nobody gets in between even that would cost too much. */
static __always_inline bool weft_ring_enter(struct weft_cpu_ring *ring)
{
	if (!preemptible) {
		if (ring->busy)
			return false;
		ring->busy = 1;
		barrier();
		return true;
	}
	__sync_fetch_and_add(&ring->busy, 1);
	if (*(volatile __u32 *)&ring->busy == 1)
		return true;
	__sync_fetch_and_add(&ring->busy, -1);
	return false;
}

static __always_inline void weft_ring_leave(struct weft_cpu_ring *ring)
{
	barrier();
	if (preemptible)
		__sync_fetch_and_add(&ring->busy, -1);
	else
		ring->busy = 0;
}

/* One data record, counted; `kind` is the payload's. False, and nothing counted, when the payload
 * cannot be read and may_retry says that it can be later. */
static __always_inline bool weft_emit_kind(struct weft_stats *st, struct weft_socket *s,
					   struct weft_event *e, __u32 kind, bool may_retry)
{
	__u32 wanted = e->length < capture_bytes ? e->length : capture_bytes;
	__u32 cpu = bpf_get_smp_processor_id(), captured = 0, end, size;
	struct weft_cpu_ring *ring = bpf_map_lookup_elem(&cpu_rings, &cpu);
	struct weft_record *r;

	if (kind == WEFT_PAYLOAD_NONE) {
		wanted = 0;
		e->flags |= WEFT_DATA_NO_BUFFER;
	}
	s->announced = 1;
	if (!ring || !weft_ring_enter(ring)) {
		st->ring_full++;
		return true;
	}
	r = weft_record_at(ring);
	if (!r) {
		st->ring_full++;
		weft_ring_leave(ring);
		return true;
	}
	if (wanted) {
		if (kind == WEFT_PAYLOAD_FLAT)
			captured = weft_read_user(r->payload, wanted, WEFT_CAPTURE_MOST,
						  e->payload.base);
		else
			captured = weft_read_vector(r->payload, wanted, WEFT_CAPTURE_MOST,
						    &e->payload, kind);
		if (may_retry && weft_worth_a_retry(e, captured, wanted)) {
			weft_ring_leave(ring);
			return false;
		}
		if (!captured)
			e->flags |= WEFT_DATA_UNREADABLE;
	}
	weft_fill(&r->data, s->connection.cookie, e);
	r->data.captured = captured;
	/* One mask right before the use: kernels up to 6.1 lose the bound of what is computed from it. */
	end = captured + 7;
	asm volatile("" : "+r"(end));
	end &= 2 * WEFT_CAPTURE_MOST - 8;
	size = sizeof(r->data) + end;
	if (weft_must_describe(s, e->time_ns)) {
		r->data.flags |= WEFT_DATA_DESCRIBED;
		*(struct weft_connection *)(r->payload + end) = s->connection;
		size += sizeof(s->connection);
	}
	r->size = size;
	r->pad = 0;
	if (*(volatile __u32 *)&ring->full && !weft_share(r, size)) {
		st->ring_full++;
		weft_ring_leave(ring);
		return true;
	}
	if (r->data.flags & WEFT_DATA_DESCRIBED)
		s->described_ns = e->time_ns;
	if (r->data.flags & WEFT_DATA_UNREADABLE)
		st->unreadable++;
	else
		st->submitted++;
	barrier();	/* x86-64 keeps the order of stores */
	if (!*(volatile __u32 *)&ring->full)
		*(volatile __u64 *)&ring->produced += 8 + size;
	weft_ring_leave(ring);
	return true;
}

static __always_inline bool weft_emit_data(struct weft_stats *st, struct weft_socket *s,
					   struct weft_event *e, bool may_retry)
{
	return weft_emit_kind(st, s, e, e->payload.kind, may_retry);
}

/* NULL, and counted, when the ring is full. */
static __always_inline struct weft_control *weft_control_of(struct weft_stats *st, __u8 type,
							    __u32 pid, __u64 cookie)
{
	struct weft_control *c;

	st->control_seen++;
	c = bpf_ringbuf_reserve(&control_ring, sizeof(*c), 0);
	if (!c) {
		st->control_ring_full++;
		return 0;
	}
	__builtin_memset(c, 0, sizeof(*c));
	c->time_ns = bpf_ktime_get_ns();
	c->cookie = cookie;
	c->pid = pid;
	c->type = type;
	return c;
}

static __always_inline void weft_emit_control(struct weft_stats *st, __u8 type, __u32 pid,
					      __u64 cookie)
{
	struct weft_control *c = weft_control_of(st, type, pid, cookie);

	if (!c)
		return;
	/* A short-lived program is gone before its /proc can be read. */
	if (type == WEFT_RECORD_EXEC)
		bpf_get_current_comm(c->comm, sizeof(c->comm));
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
}

#endif /* WEFT_BPF_EMIT_H_ */
