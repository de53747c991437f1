/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* sendmmsg and recvmmsg: several messages, each with its own buffers. */
#ifndef WEFT_BPF_MESSAGES_H_
#define WEFT_BPF_MESSAGES_H_

#include "bpf/calls.bpf.h"

#define WEFT_MAX_MESSAGES 4	/* of one sendmmsg or recvmmsg: a record each; one for the rest */
/* Of one sendmmsg or recvmmsg: past it the whole call is a gap. The kernel takes 1024 in one call; older
 * ones' verifiers do not get that far. */
#define WEFT_MAX_LENGTHS (WEFT_DIRECT_LOADS ? 1024 : 128)

static __noinline void weft_emit(struct weft_stats *st, struct weft_socket *s, struct weft_event *e)
{
	st->seen++;
	weft_emit_data(st, s, e, false);
}

/* Spelled out for the two kinds that there are: fewer ways for the verifier to follow. */
static __noinline void weft_emit_message(struct weft_stats *st, struct weft_socket *s,
					 struct weft_event *e)
{
	st->seen++;
	if (e->payload.kind == WEFT_PAYLOAD_NONE)
		weft_emit_kind(st, s, e, WEFT_PAYLOAD_NONE, false);
	else
		weft_emit_kind(st, s, e, WEFT_PAYLOAD_USER_VECTOR, false);
}

/* sendmmsg and recvmmsg: what is being worked on. In a map, of whose contents the verifier knows
 * nothing; it would follow the rest of the program anew for each way through the loops. */
struct weft_several {
	struct weft_event event;
	__u32 length;
	__u32 one;
	volatile __u32 messages;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_several);
} several SEC(".maps");

static __always_inline struct weft_several *weft_several_of_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&several, &zero);
}

/* Of the messages at that address; 0: not known. Global, so that it is verified once and not for each
 * way that leads here. */
__noinline __u32 weft_messages_length(__u64 address, __u32 n)
{
	const struct weft_messages *at = (const struct weft_messages *)address;
	struct weft_several *v = weft_several_of_cpu();

	if (!v || n > WEFT_MAX_LENGTHS)
		return 0;
	v->length = 0;
	v->messages = n;
	for (__u32 i = 0; i < WEFT_MAX_LENGTHS && i < v->messages; i++) {
		bpf_probe_read_user(&v->one, sizeof(v->one), &at[i].length);
		v->length += v->one;
	}
	return v->length;
}

static __always_inline void weft_emit_messages(struct weft_stats *st, struct weft_socket *s,
					       const struct weft_event *e,
					       const struct weft_messages *at, bool has_bytes)
{
	struct weft_several *v = weft_several_of_cpu();

	if (!v)
		return;
	v->event = *e;
	v->length = e->length;
	for (__u32 i = 0; i < WEFT_MAX_MESSAGES && i < v->messages; i++) {
		bpf_probe_read_user(&v->one, sizeof(v->one), &at[i].length);
		if (v->one > v->length)
			break;
		v->event.length = v->one;
		v->event.payload.kind = WEFT_PAYLOAD_NONE;
		v->event.flags = e->flags;
		if (has_bytes)
			weft_message_bytes(&at[i].message, &v->event.payload);
		if (v->one)
			weft_emit_message(st, s, &v->event);
		v->event.seq += v->one;
		v->length -= v->one;
		v->event.late = (bpf_ktime_get_ns() - e->time_ns) / WEFT_LATE_NS + 1;
	}
	if (!v->length)
		return;
	v->event.length = v->length;
	v->event.payload.kind = WEFT_PAYLOAD_NONE;
	weft_emit_message(st, s, &v->event);
}

#endif /* WEFT_BPF_MESSAGES_H_ */
