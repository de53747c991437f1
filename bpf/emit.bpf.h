/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Writes records into the rings and counts what became of them. */
#ifndef WEFT_BPF_EMIT_H_
#define WEFT_BPF_EMIT_H_

#include "bpf/maps.bpf.h"

#define WEFT_MAX_BUFFERS 4	/* user buffers of one call that are looked into */
#define WEFT_PAGE_SIZE 4096

/* Several user buffers are gathered one after the other, which needs twice the room for the verifier
 * to see that no read leaves it. */
struct weft_record {
	struct weft_data data;
	__u8 payload[2 * WEFT_CAPTURE_MOST];
	struct weft_connection room;
	__u64 more_room;
};

/* What a record that has more than a payload is made from, and where it is put together. */
struct weft_draft {
	struct weft_event event;
	struct weft_connection connection;
	struct iovec buffer;	/* being read; the stack of all frames together is 512 bytes */
	struct weft_record record;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_draft);
} draft SEC(".maps");

static __always_inline struct weft_draft *weft_draft_of_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&draft, &zero);
}

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
					      const struct weft_payload *p, __u32 kind,
					      struct iovec *v)
{
	__u32 done = 0, n, got;
	unsigned long skip = p->iov_offset;

	if (limit > half)
		limit = half;
#pragma unroll
	for (__u32 i = 0; i < WEFT_MAX_BUFFERS; i++) {
		if (i >= p->buffers || done >= limit)
			break;
		if (kind == WEFT_PAYLOAD_USER_VECTOR) {
			if (bpf_probe_read_user(v, sizeof(*v), p->iov + i))
				break;
		} else if (bpf_probe_read_kernel(v, sizeof(*v), p->iov + i)) {
			break;
		}
		if (v->iov_len <= skip) {
			skip -= v->iov_len;
			continue;
		}
		n = limit - done;
		if (v->iov_len - skip < n)
			n = v->iov_len - skip;
		asm volatile("" : "+r"(done));
		done &= half - 1;
		got = weft_read_user(to + done, n, half, (const __u8 *)v->iov_base + skip);
		done += got;
		if (got < n)
			break;
		skip = 0;
	}
	return done > limit ? limit : done;
}

/* Room in the ring of the CPU, else in the shared one; NULL: in neither. */
static __always_inline void *weft_reserve(__u32 size, __u64 *wake_up)
{
	__u32 cpu = bpf_get_smp_processor_id();
	void *ring = bpf_map_lookup_elem(&cpu_rings, &cpu), *room;

	if (ring) {
		room = bpf_ringbuf_reserve(ring, size, 0);
		if (room)
			return room;
	}
	if (reader_sleeps) {
		reader_sleeps = 0;
		*wake_up = BPF_RB_FORCE_WAKEUP;
	}
	return bpf_ringbuf_reserve(&data_ring, size, 0);
}

/* The same with what was put together elsewhere; false: no room in either. */
static __always_inline bool weft_output(struct weft_record *r, __u32 size)
{
	__u32 cpu = bpf_get_smp_processor_id();
	void *ring = bpf_map_lookup_elem(&cpu_rings, &cpu);

	if (ring && !bpf_ringbuf_output(ring, r, size, BPF_RB_NO_WAKEUP))
		return true;
	return !bpf_ringbuf_output(&data_ring, r, size, BPF_RB_NO_WAKEUP);
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

/* What became of a draft. */
enum weft_outcome {
	WEFT_EMITTED,
	WEFT_RING_FULL,
	WEFT_RETRY,
};

/* Emits the CPU's draft: weft_outcome. Not static, so that the verifier follows it once, and not anew
 * for each way that leads to it; kernels before 5.12 let such a function have numbers only. */
__noinline int weft_emit_draft(__u32 wanted, __u32 may_retry)
{
	struct weft_draft *draft = weft_draft_of_cpu();
	struct weft_record *r;
	struct weft_event *e;
	__u32 captured = 0, end;

	if (!draft)
		return WEFT_RING_FULL;
	r = &draft->record;
	e = &draft->event;
	if (wanted) {
		if (e->payload.kind == WEFT_PAYLOAD_FLAT)
			captured = weft_read_user(r->payload, wanted, WEFT_CAPTURE_MOST,
						  e->payload.base);
		else
			captured = weft_read_vector(r->payload, wanted, WEFT_CAPTURE_MOST,
						    &e->payload, e->payload.kind, &draft->buffer);
		if (may_retry && weft_worth_a_retry(e, captured, wanted))
			return WEFT_RETRY;
		if (!captured)
			e->flags |= WEFT_DATA_UNREADABLE;
	}
	weft_fill(&r->data, draft->connection.cookie, e);
	r->data.captured = captured;
	r->data.flags |= WEFT_DATA_DESCRIBED;
	/* One mask right before the use: kernels up to 6.1 lose the bound of what is computed from it. */
	end = captured + 7;
	asm volatile("" : "+r"(end));
	end &= 2 * WEFT_CAPTURE_MOST - 8;
	*(struct weft_connection *)(r->payload + end) = draft->connection;
	return weft_output(r, sizeof(r->data) + end + sizeof(draft->connection)) ? WEFT_EMITTED :
										  WEFT_RING_FULL;
}

/* A record that also tells who talks: put together elsewhere, because only there can the verifier see
 * that all fits. */
static __always_inline bool weft_emit_described(struct weft_stats *st, struct weft_socket *s,
						const struct weft_event *e, __u32 wanted,
						bool may_retry)
{
	struct weft_draft *draft = weft_draft_of_cpu();
	int outcome;

	if (!draft)
		return true;
	draft->event = *e;
	draft->connection = s->connection;
	outcome = weft_emit_draft(wanted, may_retry);
	if (outcome == WEFT_RETRY)
		return false;
	if (outcome == WEFT_RING_FULL) {
		st->ring_full++;
		return true;
	}
	s->described_ns = e->time_ns;
	if (draft->event.flags & WEFT_DATA_UNREADABLE)
		st->unreadable++;
	else
		st->submitted++;
	return true;
}

/* Any other record: written where it stays. Fills in the payload and lets the record go, or takes it
 * back when a page is not there and the event can be tried again. */
#define WEFT_EMIT(room, read)                                                                      \
	do {                                                                                       \
		struct {                                                                           \
			struct weft_data data;                                                     \
			__u8 payload[room];                                                        \
		} *r = weft_reserve(sizeof(*r), &wake_up);                                         \
		if (!r) {                                                                          \
			st->ring_full++;                                                           \
			break;                                                                     \
		}                                                                                  \
		weft_fill(&r->data, s->connection.cookie, e);                                      \
		if (wanted) {                                                                      \
			__u32 captured = read;                                                     \
			if (may_retry && weft_worth_a_retry(e, captured, wanted)) {                \
				bpf_ringbuf_discard(r, wake_up);                                   \
				return false;                                                      \
			}                                                                          \
			r->data.captured = captured;                                               \
			if (!captured)                                                             \
				r->data.flags |= WEFT_DATA_UNREADABLE;                             \
		}                                                                                  \
		if (r->data.flags & WEFT_DATA_UNREADABLE)                                          \
			st->unreadable++;                                                          \
		else                                                                               \
			st->submitted++;                                                           \
		bpf_ringbuf_submit(r, wake_up);                                                    \
	} while (0)

/* Room is reserved whole, and memory that no other record has warmed is what a record costs most. */
#define WEFT_EMIT_FLAT(room)                                                                       \
	WEFT_EMIT(room, weft_read_user(r->payload, wanted, room, e->payload.base))
#define WEFT_EMIT_VECTOR(half)                                                                     \
	WEFT_EMIT(2 * half,                                                                        \
		  weft_read_vector(r->payload, wanted, half, &e->payload, kind, &draft->buffer))

/* One data record, counted; `kind` is the payload's. False, and nothing counted, when the payload
 * cannot be read and may_retry says that it can be later. */
static __always_inline bool weft_emit_kind(struct weft_stats *st, struct weft_socket *s,
					   struct weft_event *e, __u32 kind, bool may_retry)
{
	__u32 wanted = e->length < capture_bytes ? e->length : capture_bytes;
	__u64 wake_up = BPF_RB_NO_WAKEUP;
	struct weft_draft *draft;

	if (kind == WEFT_PAYLOAD_NONE) {
		wanted = 0;
		e->flags |= WEFT_DATA_NO_BUFFER;
	}
	s->announced = 1;
	if (weft_must_describe(s, e->time_ns))
		return weft_emit_described(st, s, e, wanted, may_retry);
	if (kind == WEFT_PAYLOAD_FLAT || !wanted) {
		if (wanted <= 64)
			WEFT_EMIT_FLAT(64);
		else if (wanted <= 256)
			WEFT_EMIT_FLAT(256);
		else
			WEFT_EMIT_FLAT(WEFT_CAPTURE_MOST);
		return true;
	}
	draft = weft_draft_of_cpu();
	if (!draft)
		return true;
	if (wanted <= 512)
		WEFT_EMIT_VECTOR(512);
	else
		WEFT_EMIT_VECTOR(WEFT_CAPTURE_MOST);
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
