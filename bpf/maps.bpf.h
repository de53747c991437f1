/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Maps and settings that both hook families share. */
#ifndef WEFT_BPF_MAPS_H_
#define WEFT_BPF_MAPS_H_

#include <bpf/bpf_helpers.h>

#include "bpf/wire.h"

/* Bulk cannot drop control records: two rings. Sizes are set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} data_ring SEC(".maps");

/* A ring per CPU that comes before it, small enough to stay in the CPU's cache: a record's memory that
 * another CPU wrote or read last costs more than all else that is done for the record. It is no ring of
 * the kernel's: nobody else writes it, so a record costs no lock, no call of a helper, and no more room
 * than it has bytes. value_size is set by the loader: WEFT_RING_VALUE(cpu_ring_bytes). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, WEFT_RING_VALUE(4096));
} cpu_rings SEC(".maps");

/* Set by the agent before it sleeps, so that it is woken once when a CPU's ring is full. */
__u32 reader_sleeps = 0;

/* Set by the agent where it selects processes, which it may begin to do at any time: look into
 * ignored_pids. */
__u32 filter_pids = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} control_ring SEC(".maps");

enum weft_payload_kind {
	WEFT_PAYLOAD_NONE,
	WEFT_PAYLOAD_FLAT,		/* base */
	WEFT_PAYLOAD_KERNEL_VECTOR,	/* iov is the kernel's copy, good until the call returns */
	WEFT_PAYLOAD_USER_VECTOR,	/* iov is in user memory */
};

struct weft_payload {
	const void *base;
	const struct iovec *iov;
	unsigned long iov_offset;	/* into the first buffer */
	__u32 buffers;
	__u32 kind;
};

/* What becomes a data record. */
struct weft_event {
	__u64 time_ns;
	__u64 pid_tgid;
	__u32 seq;
	__u32 peer_seq;
	__u32 length;
	__s32 fd;
	__u8 type;
	__u8 flags;
	__u32 late;
	struct weft_payload payload;
};

enum weft_waits {
	WEFT_WAITS = 1,
	WEFT_WAITS_TO_OPEN = 2,	/* TCP fast open: its place in the stream too */
};

/* Where the two streams of a connection begin: sequence numbers. */
struct weft_begins {
	__u32 sent;
	__u32 received;
};

/* What is known of a socket. Each hook family keeps it where its kernels can. */
struct weft_socket {
	struct weft_connection connection;
	union {
		__u64 peer_cookie;	/* Unix: of the other end */
		struct weft_begins begins;	/* TCP: of the agent's own, once established */
	};
	__u64 described_ns;	/* time of the latest record that told all about it; 0: none */
	__u64 refused_ns;	/* first attempt of a send that the full buffer refused */
	__u32 send_from;	/* the latest send: first sequence number, and after its last */
	__u32 send_to;		/* Unix: bytes sent so far */
	__u8 ignored;
	__u8 own;		/* made by the agent's process */
	__u8 announced;		/* has had a data record: its close is told */
	__u8 waits;		/* weft_waits: has a send that its end must tell more about */
	__u32 received;		/* Unix: bytes read so far */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_stats);
} stats SEC(".maps");

/* pid -> 1: the agent looked at the process and does not want it. An unknown process is traced:
 * the agent decides when it sees its first record. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} ignored_pids SEC(".maps");

/* Local or remote port -> 1. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* Connections that the agent's process made, to its store or broker: were their other ends traced,
 * every batch of observations would make new ones. Each twice, because addresses may be translated on
 * the way: by the sequence numbers with which its streams begin, too, until the other end is accepted
 * here or the connection ends. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct weft_ends);
	__type(value, __u8);
} own_connections SEC(".maps");

const volatile __u32 agent_pid = 0;
const volatile __u32 capture_bytes = WEFT_CAPTURE_MOST;
const volatile __u32 cpu_ring_bytes = 4096;
const volatile bool preemptible = false;	/* one program may get between another's instructions */
const volatile bool include_ports = false;	/* only connections of `ports` */
const volatile bool exclude_ports = false;	/* none of `ports` */

static __always_inline struct weft_stats *weft_stats_of_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

#endif /* WEFT_BPF_MAPS_H_ */
