/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The record format between the kernel programs and the agent: the only file that both sides see.
 *
 * Records lie in ring buffers whose memory is read-only in user space. Fields have fixed widths,
 * padding is explicit, values of enums never change. Both hook families write the same records.
 *
 * Data ring: weft_data, one per send or receive that moved bytes. Control ring: weft_control.
 */
#ifndef WEFT_BPF_WIRE_H_
#define WEFT_BPF_WIRE_H_

#ifndef __VMLINUX_H__
#include <stdint.h>
typedef uint8_t __weft_u8;
typedef uint16_t __weft_u16;
typedef uint32_t __weft_u32;
typedef int32_t __weft_s32;
typedef uint64_t __weft_u64;
#else
typedef __u8 __weft_u8;
typedef __u16 __weft_u16;
typedef __u32 __weft_u32;
typedef __s32 __weft_s32;
typedef __u64 __weft_u64;
#endif

/* Bounds of what the agent may ask to be captured of the bytes that a call moved. */
#define WEFT_CAPTURE_LEAST 64
#define WEFT_CAPTURE_MOST 1024

enum weft_record_type {
	WEFT_RECORD_SEND = 1,
	WEFT_RECORD_RECEIVE = 2,
	WEFT_RECORD_OPTION = 3,	/* weft_option, in the data ring */
	WEFT_RECORD_CLOSE = 16,	/* a connection that had data records is gone */
	WEFT_RECORD_EXEC = 17,
	WEFT_RECORD_EXIT = 18,	/* the last thread of a process */
};

enum weft_end {
	WEFT_END_UNSEEN = 0,	/* the connection was there before the agent */
	WEFT_END_CONNECTED = 1,
	WEFT_END_ACCEPTED = 2,
};

enum weft_data_flag {
	WEFT_DATA_UNREADABLE = 1 << 0,	/* the page was not there: length without payload */
	WEFT_DATA_NO_BUFFER = 1 << 1,	/* sendfile, io_uring, ...: length without payload */
	WEFT_DATA_FIN_READ = 1 << 2,	/* this receive also took the peer's FIN */
	WEFT_DATA_DESCRIBED = 1 << 3,	/* a weft_connection follows the payload */
};

enum weft_family {
	WEFT_FAMILY_UNIX = 1,	/* stream sockets only */
	WEFT_FAMILY_IPV4 = 2,
	WEFT_FAMILY_IPV6 = 10,
};

/* Who talks to whom; constant for the life of a socket. IPv4 addresses (also those of v4-mapped
 * sockets) occupy the first four bytes. Network byte order; ports in host order. A Unix socket has no
 * ports, and the two address fields together hold the end of the path that the server is bound to:
 * up to 32 bytes, '@' for the zero byte of an abstract one, filled up with zeroes. */
struct weft_connection {
	__weft_u64 cookie;	/* of the socket: unique until the machine boots again */
	__weft_u64 opened_ns;	/* 0: not seen */
	__weft_u8 local_address[16];
	__weft_u8 remote_address[16];
	__weft_u16 local_port;
	__weft_u16 remote_port;
	__weft_u32 netns;	/* inode number of the network namespace */
	__weft_u8 family;	/* weft_family */
	__weft_u8 end;		/* weft_end */
	__weft_u8 pad[6];
};

/* What a record costs is the memory that it touches: nothing in it stands for the whole connection.
 * Who talks is told by the first record of a connection, and again by one every WEFT_DESCRIBE_NS, so
 * that the agent may forget what is idle for longer. */
#define WEFT_DESCRIBE_NS 5000000000ull
#define WEFT_LATE_NS 64

struct weft_data {
	__weft_u64 time_ns;	/* CLOCK_MONOTONIC: entry of a send, return of a receive */
	__weft_u64 cookie;	/* of the connection */
	__weft_u32 seq;		/* TCP sequence number of the first byte; of a Unix socket: the bytes
				 * before it plus a number that both ends know */
	__weft_u32 peer_seq;	/* where the other direction of this socket stands at that moment */
	__weft_u32 length;	/* announced by a send, returned by a receive */
	__weft_u32 pid;
	__weft_u32 tid;
	__weft_s32 fd;		/* -1: unknown */
	__weft_u16 captured;	/* bytes of payload that follow */
	__weft_u8 type;		/* weft_record_type */
	__weft_u8 flags;	/* weft_data_flag */
	__weft_u32 late;	/* of the second and later records of one call: how long after time_ns
				 * it was written, in units of WEFT_LATE_NS; orders it among others */
	/* __weft_u8 payload[captured], filled up to a multiple of 8 where there is more */
	/* struct weft_connection, where the flag says so */
};

/* A CPU's own ring: one value of `cpu_rings`, which user space has mapped. The first page is written by
 * user space, the rest by the CPU alone. Positions count bytes since the beginning; a record lies at its
 * position modulo the ring's size, which is a power of two, and may reach beyond the end of the ring
 * into the slack. Before it are its length and 4 bytes of nothing; the next begins at a multiple of 8. */
#define WEFT_RING_PAGE 4096
#define WEFT_RING_SLACK 4096	/* more than any record */
struct weft_cpu_ring {
	__weft_u64 consumed;	/* all before it may be overwritten */
	__weft_u8 pad[WEFT_RING_PAGE - 8];
	__weft_u64 produced;	/* all before it is written */
	__weft_u32 busy;	/* how many programs write a record: one, or one and others that give up */
	__weft_u32 full;	/* a record is being written, not in the ring, */
	__weft_u32 at;		/* but so far behind its beginning */
	__weft_u8 pad2[4];
	__weft_u64 seen_consumed;	/* `consumed` as the CPU last saw it: it looks at the reader's page only
				 * where the ring would be full otherwise */
	__weft_u8 pad3[WEFT_RING_PAGE - 32];
	/* __weft_u8 records[size + WEFT_RING_SLACK] */
	/* __weft_u8 draft[WEFT_RING_SLACK]: where a record is made that finds the ring full */
};
#define WEFT_RING_VALUE(size) (sizeof(struct weft_cpu_ring) + (size) + 2 * WEFT_RING_SLACK)

struct weft_control {
	__weft_u64 time_ns;
	__weft_u64 cookie;	/* close */
	__weft_u32 pid;		/* exec, exit; of a close: whoever ran */
	__weft_u8 type;		/* weft_record_type */
	__weft_u8 ends_known;	/* close: sent and received are filled in */
	__weft_u8 pad[2];
	union {
		char comm[16];	/* exec: the new name, zero terminated */
		struct {
			__weft_u32 sent;	/* close: where the two streams end */
			__weft_u32 received;
		};
	};
};

/* The two ends of a connection of the agent's own process; key of `own_connections`, which both sides
 * write. Addresses and ports as in weft_connection. */
struct weft_ends {
	__weft_u8 from[16];
	__weft_u8 to[16];
	__weft_u16 from_port;
	__weft_u16 to_port;
};

/* Per-CPU; every event of the data programs is in exactly one of the numbers behind `seen`. */
struct weft_stats {
	__weft_u64 seen;
	__weft_u64 filtered;	/* not ours: own process, excluded process or port */
	__weft_u64 submitted;
	__weft_u64 ring_full;
	__weft_u64 map_full;	/* no memory for the connection's state */
	__weft_u64 unreadable;	/* submitted without payload: the page was not there */
	__weft_u64 control_seen;
	__weft_u64 control_ring_full;
	__weft_u64 contended;	/* sends that another thread's on the same socket overlapped */
	__weft_u64 uring_calls;	/* io_uring_setup and _enter: what they move is not seen at the system calls */
	__weft_u64 unmeasured;	/* calls of so many messages that nobody knows how long they were */
};

/* The TCP option of tcp_option.bpf.c: kind, length 12, magic, id. */
#define WEFT_OPTION_KIND 253
#define WEFT_OPTION_MAGIC_0 0x77
#define WEFT_OPTION_MAGIC_1 0x66

/* A connection carries an id: written by the end that connected, read by the one that accepted. */
struct weft_option {
	__weft_u64 time_ns;
	__weft_u64 cookie;
	__weft_u64 id;
	__weft_u32 sent_from;	/* this socket's sequence number of the first byte of the stream */
	__weft_u32 received_from;
	__weft_u8 type;		/* WEFT_RECORD_OPTION */
	__weft_u8 end;		/* weft_end: which of the two this socket is */
	__weft_u8 pad[6];
};

/* Per-CPU. connected = acknowledged + given_up + no_room + those that are not done or closed. */
struct weft_option_stats {
	__weft_u64 connected;	/* connections that the option was meant for */
	__weft_u64 acknowledged;
	__weft_u64 given_up;	/* segments with the option did not get through */
	__weft_u64 no_room;	/* other options filled every header */
	__weft_u64 received;
	__weft_u64 told;	/* weft_option records; the rest of what was written or received: */
	__weft_u64 ring_full;
	__weft_u64 map_full;	/* no memory for the connection's state */
	__weft_u64 segments;	/* times that the kernel called about one */
	__weft_u64 refused;	/* connections without it, because their peer's gave it up lately */
};

#define WEFT_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#ifdef __cplusplus
#undef WEFT_ASSERT_SIZE
#define WEFT_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#endif
WEFT_ASSERT_SIZE(struct weft_connection, 64);
WEFT_ASSERT_SIZE(struct weft_data, 48);
WEFT_ASSERT_SIZE(struct weft_cpu_ring, 2 * WEFT_RING_PAGE);
WEFT_ASSERT_SIZE(struct weft_ends, 36);
WEFT_ASSERT_SIZE(struct weft_control, 40);
WEFT_ASSERT_SIZE(struct weft_stats, 88);
WEFT_ASSERT_SIZE(struct weft_option, 40);
WEFT_ASSERT_SIZE(struct weft_option_stats, 80);

#endif /* WEFT_BPF_WIRE_H_ */
