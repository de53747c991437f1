/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Writes records into the rings and counts what became of them. */
#ifndef WEFT_BPF_EMIT_H_
#define WEFT_BPF_EMIT_H_

#include "bpf/maps.bpf.h"

#define WEFT_MAX_BUFFERS 4	/* user buffers of one call that are looked into */
#define WEFT_PAGE_SIZE 4096

#define WEFT_RECORD(name, size)                                                \
	struct name {                                                          \
		struct weft_data data;                                         \
		__u8 payload[size];                                            \
	}
WEFT_RECORD(weft_record_small, WEFT_PAYLOAD_SMALL);
WEFT_RECORD(weft_record_medium, WEFT_PAYLOAD_MEDIUM);
WEFT_RECORD(weft_record_large, WEFT_PAYLOAD_LARGE);
WEFT_RECORD(weft_record_vector, WEFT_PAYLOAD_VECTOR);

static __always_inline void weft_fill(struct weft_data *d, const struct weft_socket *s,
				      const struct weft_event *e)
{
	d->time_ns = e->time_ns;
	d->connection = s->connection;
	d->option_id = 0;
	d->seq = e->seq;
	d->peer_seq = e->peer_seq;
	d->length = e->length;
	d->pid = e->pid_tgid >> 32;
	d->tid = (__u32)e->pid_tgid;
	d->fd = e->fd;
	d->captured = 0;
	d->type = e->type;
	d->flags = e->flags;
	__builtin_memset(d->pad, 0, sizeof(d->pad));
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

/* Gathers up to `limit` <= half bytes of several buffers into to[2 * half]. */
static __always_inline __u32 weft_read_vector(__u8 *to, __u32 limit, __u32 half,
					      const struct weft_payload *p)
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
		if (p->kind == WEFT_PAYLOAD_USER_VECTOR) {
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

/* Fills in the payload and lets the record go, or takes it back when a page is not there and the
 * event can be tried again. */
#define WEFT_EMIT(record, may_retry, read)                                                         \
	do {                                                                                       \
		struct record *r = bpf_ringbuf_reserve(&data_ring, sizeof(*r), 0);                 \
		if (!r) {                                                                          \
			st->ring_full++;                                                           \
			break;                                                                     \
		}                                                                                  \
		weft_fill(&r->data, s, e);                                                         \
		if (wanted) {                                                                      \
			r->data.captured = read;                                                   \
			if (may_retry && r->data.captured < wanted &&                              \
			    (!r->data.captured || e->payload.buffers <= WEFT_MAX_BUFFERS)) {       \
				bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);                          \
				return false;                                                      \
			}                                                                          \
			if (!r->data.captured)                                                     \
				r->data.flags |= WEFT_DATA_UNREADABLE;                             \
		}                                                                                  \
		if (r->data.flags & WEFT_DATA_UNREADABLE)                                          \
			st->unreadable++;                                                          \
		else                                                                               \
			st->submitted++;                                                           \
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);                                           \
	} while (0)

#define WEFT_EMIT_FLAT(record, size)                                                               \
	WEFT_EMIT(record, may_retry, weft_read_user(r->payload, wanted, size, e->payload.base))
#define WEFT_EMIT_VECTOR(record, size)                                                             \
	WEFT_EMIT(record, may_retry, weft_read_vector(r->payload, wanted, (size) / 2, &e->payload))

/* One data record of the smallest size that holds what is to be captured, counted. False, and
 * nothing counted, when the payload cannot be read and may_retry says that it can be later. */
static __always_inline bool weft_emit_data(struct weft_stats *st, struct weft_socket *s,
					   struct weft_event *e, bool may_retry)
{
	__u32 wanted = e->length < capture_bytes ? e->length : capture_bytes;

	switch (e->payload.kind) {
	case WEFT_PAYLOAD_NONE:
		wanted = 0;
		e->flags |= WEFT_DATA_NO_BUFFER;
		WEFT_EMIT_FLAT(weft_record_small, WEFT_PAYLOAD_SMALL);
		break;
	case WEFT_PAYLOAD_FLAT:
		if (wanted <= WEFT_PAYLOAD_SMALL)
			WEFT_EMIT_FLAT(weft_record_small, WEFT_PAYLOAD_SMALL);
		else if (wanted <= WEFT_PAYLOAD_MEDIUM)
			WEFT_EMIT_FLAT(weft_record_medium, WEFT_PAYLOAD_MEDIUM);
		else
			WEFT_EMIT_FLAT(weft_record_large, WEFT_PAYLOAD_LARGE);
		break;
	default:
		/* Room is reserved whole, and new memory is what a record costs most: a web server's
		 * usual answer (header and small body) must not take the largest. */
		if (wanted <= WEFT_PAYLOAD_LARGE / 2)
			WEFT_EMIT_VECTOR(weft_record_large, WEFT_PAYLOAD_LARGE);
		else
			WEFT_EMIT_VECTOR(weft_record_vector, WEFT_PAYLOAD_VECTOR);
		break;
	}
	s->announced = 1;
	return true;
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
