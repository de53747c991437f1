// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* A connection's id in a TCP option, for paths that change sequence numbers. Kernel 5.10 and newer.
 *
 * The end that connects writes the option on its first data segments until one of them is
 * acknowledged; the end that accepts reads it off the first one that arrives. Each tells the agent
 * once, and then has no callback left on the socket. Only data segments carry it: no SYN is touched,
 * so SYN cookies and fast open work as they do. This is the only thing weft adds to a packet.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/sock_ops.bpf.h"
#include "bpf/wire.h"

char LICENSE[] SEC("license") = "GPL";

#define WEFT_MAX_RETRANSMITS 2	/* with the option; maybe some middlebox drops what it does not know */
#define WEFT_MAX_FAILURES 2	/* connections to a peer that had to give up, then it gets no more */
#define WEFT_REFUSAL_NS 600000000000ull	/* for so long; then one may try again */
#define WEFT_MAX_NO_ROOM 64	/* segments without room for the option */
#define WEFT_MAX_FOREIGN 64	/* segments with options that are not ours, from a peer */
#define WEFT_EEXIST 17
#define WEFT_TCP_SEQ 4		/* offset in the TCP header */

/* The loader makes it the hook family's. Records of both keep their order: an option is told before
 * anything that was received with it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} data_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_option_stats);
} option_stats SEC(".maps");

/* The connecting end, until it is done. Freed with the socket at the latest. */
struct weft_option_state {
	__u32 retransmits;	/* when the connection was established */
	__u32 first_seq;	/* of the first segment that carried the option */
	__u16 no_room;
	__u8 carried;
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weft_option_state);
} writing SEC(".maps");

/* Address -> whether the option goes there: networks, and this host's addresses, which are not
 * remote. IPv4 as ::ffff:a.b.c.d. */
struct weft_network {
	__u32 bits;
	__u32 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_network);
	__type(value, __u8);
} remotes SEC(".maps");

/* Peers behind something that drops segments with the option -> how many connections saw that. */
struct weft_address {
	__u32 word[4];
};

struct weft_refusal {
	__u64 latest_ns;
	__u32 failures;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weft_address);
	__type(value, struct weft_refusal);
} refusing SEC(".maps");

struct weft_tcp_option {
	__u8 kind;
	__u8 length;
	__u8 magic[2];
	__u64 id;
} __attribute__((packed));

const volatile bool all_peers = false;	/* also of this host, and outside the networks */
const volatile __u64 boot_salt = 0;

static __always_inline struct weft_option_stats *weft_stats_of_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&option_stats, &zero);
}

/* A softirq may come between the load and the store. */
static __always_inline void weft_count(__u64 *number)
{
	__sync_fetch_and_add(number, 1);
}

/* Follows from the boot and the socket, so that two agents on one host say the same; one writes,
 * and the other finds the option there already. */
static __always_inline __u64 weft_id_of(struct bpf_sock_ops *ctx)
{
	__u64 x = boot_salt + bpf_get_socket_cookie(ctx) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x ? x : 1;
}

static __always_inline struct weft_address weft_remote_of(struct bpf_sock_ops *ctx)
{
	struct weft_address a = { .word = { 0, 0, bpf_htonl(0xffff), ctx->remote_ip4 } };

	/* The verifier refuses one load from either of two places in the context. */
	asm volatile("" ::: "memory");
	if (ctx->family == AF_INET6) {
		a.word[0] = ctx->remote_ip6[0];
		a.word[1] = ctx->remote_ip6[1];
		a.word[2] = ctx->remote_ip6[2];
		a.word[3] = ctx->remote_ip6[3];
	}
	return a;
}

/* One that tries after the time is over, and fails, makes it begin anew. */
static __always_inline bool weft_refuses(const struct weft_address *peer)
{
	struct weft_refusal *refusal = bpf_map_lookup_elem(&refusing, peer);

	return refusal && refusal->failures >= WEFT_MAX_FAILURES &&
	       bpf_ktime_get_ns() - refusal->latest_ns < WEFT_REFUSAL_NS;
}

static __always_inline bool weft_wants_option(const struct weft_address *peer,
					      struct weft_option_stats *st)
{
	struct weft_network key = { .bits = 128 };
	__u8 *remote;

	if (!all_peers) {
		__builtin_memcpy(key.address, peer->word, sizeof(key.address));
		remote = bpf_map_lookup_elem(&remotes, &key);
		if (!remote || !*remote)
			return false;
	}
	if (!weft_refuses(peer))
		return true;
	weft_count(&st->refused);
	return false;
}

/* The agent learns the id and where each direction began, whatever numbers the other end sees. */
static __always_inline void weft_tell(struct bpf_sock_ops *ctx, struct weft_option_stats *st,
				      __u64 id, bool connected)
{
	struct weft_option *r = bpf_ringbuf_reserve(&data_ring, sizeof(*r), 0);

	if (!r) {
		weft_count(&st->ring_full);
		return;
	}
	r->time_ns = bpf_ktime_get_ns();
	r->cookie = bpf_get_socket_cookie(ctx);
	r->id = id;
	/* What was acknowledged counts the SYN of the end that connected. */
	r->sent_from = ctx->snd_una - (__u32)ctx->bytes_acked + (connected ? 1 : 0);
	r->received_from = ctx->rcv_nxt - (__u32)ctx->bytes_received;
	r->type = WEFT_RECORD_OPTION;
	r->end = connected ? WEFT_END_CONNECTED : WEFT_END_ACCEPTED;
	__builtin_memset(r->pad, 0, sizeof(r->pad));
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	weft_count(&st->told);
}

static __always_inline void weft_set_flag(struct bpf_sock_ops *ctx, int flag)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flag);
}

static __always_inline void weft_clear_flag(struct bpf_sock_ops *ctx, int flag)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~flag);
}

static __always_inline void weft_connected(struct bpf_sock_ops *ctx, struct weft_option_stats *st)
{
	struct weft_address peer = weft_remote_of(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct weft_option_state *state;

	if (!sk || !weft_wants_option(&peer, st))
		return;
	state = bpf_sk_storage_get(&writing, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		weft_count(&st->map_full);
		return;
	}
	state->retransmits = ctx->total_retrans;
	weft_count(&st->connected);
	weft_set_flag(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

static __always_inline void weft_stop_writing(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	weft_clear_flag(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	bpf_sk_storage_delete(&writing, sk);
}

/* The segment went out so often that the option may be why nothing comes back: on without it. */
static __always_inline void weft_give_up(struct bpf_sock_ops *ctx, struct weft_option_stats *st)
{
	struct weft_address peer = weft_remote_of(ctx);
	struct weft_refusal first = { .latest_ns = bpf_ktime_get_ns(), .failures = 1 };
	struct weft_refusal *refusal = bpf_map_lookup_elem(&refusing, &peer);

	if (refusal) {
		refusal->latest_ns = first.latest_ns;
		__sync_fetch_and_add(&refusal->failures, 1);
	} else {
		bpf_map_update_elem(&refusing, &peer, &first, 0);
	}
	weft_count(&st->given_up);
}

/* A segment is about to be built, or the room in one is asked for. */
static __always_inline void weft_reserve(struct bpf_sock_ops *ctx, struct weft_option_stats *st)
{
	bool for_mss = ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS;
	struct weft_option_state *state;
	struct bpf_sock *sk = ctx->sk;
	struct weft_address peer;

	if (!sk)
		return;
	state = bpf_sk_storage_get(&writing, sk, 0, 0);
	if (!state) {
		/* The flag is another program's. Or that of the agent before this one, which the
		 * connection outlived: it takes part if it has sent nothing but its SYN so far. */
		if (ctx->bytes_acked != 1)
			return;
		weft_connected(ctx, st);
		state = bpf_sk_storage_get(&writing, sk, 0, 0);
		if (!state)
			return;
	}
	if (state->carried && (__s32)(ctx->snd_una - state->first_seq) > 0) {
		peer = weft_remote_of(ctx);
		bpf_map_delete_elem(&refusing, &peer);
		weft_count(&st->acknowledged);
		weft_stop_writing(ctx, sk);
		return;
	}
	if (ctx->total_retrans - state->retransmits >= WEFT_MAX_RETRANSMITS && !ctx->sacked_out) {
		if (state->carried)
			weft_give_up(ctx, st);
		weft_stop_writing(ctx, sk);
		return;
	}
	if (!for_mss && !ctx->skb_len)
		return;
	if (bpf_reserve_hdr_opt(ctx, sizeof(struct weft_tcp_option), 0) && !for_mss &&
	    ++state->no_room >= WEFT_MAX_NO_ROOM) {
		weft_count(&st->no_room);
		weft_stop_writing(ctx, sk);
	}
}

static __always_inline void weft_write(struct bpf_sock_ops *ctx, struct weft_option_stats *st)
{
	struct weft_tcp_option option = { WEFT_OPTION_KIND, sizeof(option),
					  { WEFT_OPTION_MAGIC_0, WEFT_OPTION_MAGIC_1 }, 0 };
	struct weft_option_state *state;
	struct bpf_sock *sk = ctx->sk;
	void *header = ctx->skb_data;
	__u32 seq;
	long error;

	if (!sk || header + WEFT_TCP_SEQ + sizeof(__u32) > ctx->skb_data_end)
		return;
	state = bpf_sk_storage_get(&writing, sk, 0, 0);
	if (!state)
		return;
	seq = bpf_ntohl(*(__u32 *)(header + WEFT_TCP_SEQ));
	option.id = weft_id_of(ctx);
	error = bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
	if (state->carried || (error && error != -WEFT_EEXIST))
		return;
	state->carried = 1;
	state->first_seq = seq;
	weft_tell(ctx, st, option.id, true);
}

static __always_inline bool weft_read(struct bpf_sock_ops *ctx, struct weft_option_stats *st)
{
	/* In: which one. Out: all of it. */
	struct weft_tcp_option option = { WEFT_OPTION_KIND, 4,
					  { WEFT_OPTION_MAGIC_0, WEFT_OPTION_MAGIC_1 }, 0 };

	if (bpf_load_hdr_opt(ctx, &option, sizeof(option), 0) != sizeof(option) || !option.id)
		return false;
	weft_count(&st->received);
	weft_tell(ctx, st, option.id, false);
	return true;
}

SEC("sockops")
int tcp_option(struct bpf_sock_ops *ctx)
{
	struct weft_option_stats *st;

	/* The kernel calls for more reasons than these on every connection. */
	if (ctx->op < BPF_SOCK_OPS_TCP_CONNECT_CB ||
	    (ctx->op > BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && ctx->op < BPF_SOCK_OPS_PARSE_HDR_OPT_CB))
		return 1;
	/* A socket has a cookie from when one is asked for. The system-call family cannot ask; it takes
	 * the one that is there when the connection is established. */
	if (ctx->op <= BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_get_socket_cookie(ctx);
	st = weft_stats_of_cpu();
	if (!st)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		weft_connected(ctx, st);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		/* With deferred accept, or after the loss of an ACK, the first data is here already. */
		if (!weft_read(ctx, st))
			weft_set_flag(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		weft_count(&st->segments);
		if (weft_read(ctx, st) || ctx->segs_in > WEFT_MAX_FOREIGN)
			weft_clear_flag(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		weft_count(&st->segments);
		weft_reserve(ctx, st);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		weft_write(ctx, st);
		break;
	}
	return 1;
}
