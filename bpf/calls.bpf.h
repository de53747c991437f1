/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Which system calls move bytes, and where their arguments say that the bytes are. */
#ifndef WEFT_BPF_CALLS_H_
#define WEFT_BPF_CALLS_H_

#include "bpf/compat.bpf.h"
#include "bpf/emit.bpf.h"

#define WEFT_CALLS 512		/* numbers of system calls that are looked up */

enum weft_call_shape {
	WEFT_SENDS = 1 << 0,
	WEFT_RECEIVES = 1 << 1,
	WEFT_FLAGS_DX = 1 << 2,		/* MSG_* in the third argument */
	WEFT_FLAGS_R10 = 1 << 3,	/* in the fourth */
	WEFT_FLAT = 1 << 4,		/* where the bytes are: second argument is their address, */
	WEFT_VECTOR = 2 << 4,		/* of an array of iovec, */
	WEFT_MESSAGE = 3 << 4,		/* of a struct user_msghdr, */
	WEFT_MESSAGES = 4 << 4,		/* of an array of struct mmsghdr, */
	WEFT_URING = 5 << 4,		/* in memory that the kernel shares: only counted */
	WEFT_BYTES = 7 << 4,		/* 0: not in user memory */
	WEFT_CLOSES = 1 << 7,
};

static const __u8 calls[WEFT_CALLS] = {
	[WEFT_SYS_READ] = WEFT_RECEIVES | WEFT_FLAT,
	[WEFT_SYS_READV] = WEFT_RECEIVES | WEFT_VECTOR,
	[WEFT_SYS_PREADV2] = WEFT_RECEIVES | WEFT_VECTOR,
	[WEFT_SYS_RECVFROM] = WEFT_RECEIVES | WEFT_FLAT | WEFT_FLAGS_R10,
	[WEFT_SYS_RECVMSG] = WEFT_RECEIVES | WEFT_MESSAGE | WEFT_FLAGS_DX,
	[WEFT_SYS_RECVMMSG] = WEFT_RECEIVES | WEFT_MESSAGES | WEFT_FLAGS_R10,
	[WEFT_SYS_WRITE] = WEFT_SENDS | WEFT_FLAT,
	[WEFT_SYS_WRITEV] = WEFT_SENDS | WEFT_VECTOR,
	[WEFT_SYS_PWRITEV2] = WEFT_SENDS | WEFT_VECTOR,
	[WEFT_SYS_SENDTO] = WEFT_SENDS | WEFT_FLAT,
	[WEFT_SYS_SENDMSG] = WEFT_SENDS | WEFT_MESSAGE,
	[WEFT_SYS_SENDMMSG] = WEFT_SENDS | WEFT_MESSAGES,
	[WEFT_SYS_SENDFILE] = WEFT_SENDS,
	[WEFT_SYS_SPLICE] = WEFT_SENDS | WEFT_RECEIVES,
	[WEFT_SYS_CLOSE] = WEFT_CLOSES,
	/* A ring with a thread of the kernel's needs no further call. */
	[WEFT_SYS_IO_URING_SETUP] = WEFT_URING,
	[WEFT_SYS_IO_URING_ENTER] = WEFT_URING,
};

/* As 64 bits: in halves the verifier does not see what bounds it. */
static __always_inline __u64 weft_call_index(long number)
{
	__u64 index = (__u32)number;

	asm volatile("" : "+r"(index));
	return index;
}

/* As user space has them. */
struct weft_message {
	unsigned long name, name_length, iov, buffers, control, control_length, flags;
};
struct weft_messages {
	struct weft_message message;
	__u32 length;
	__u32 pad;
};

static __always_inline void weft_message_bytes(const struct weft_message *at,
					       struct weft_payload *p)
{
	struct weft_message m;

	if (bpf_probe_read_user(&m, sizeof(m), at))
		return;
	p->kind = WEFT_PAYLOAD_USER_VECTOR;
	p->iov = (const struct iovec *)m.iov;
	p->buffers = m.buffers;
}

static __always_inline void weft_call_bytes(const struct pt_regs *regs, __u8 shape,
					    struct weft_payload *p)
{
	switch (shape & WEFT_BYTES) {
	case WEFT_FLAT:
		p->kind = WEFT_PAYLOAD_FLAT;
		p->base = (const void *)regs->si;
		return;
	case WEFT_VECTOR:
		p->kind = WEFT_PAYLOAD_USER_VECTOR;
		p->iov = (const struct iovec *)regs->si;
		p->buffers = regs->dx;
		return;
	case WEFT_MESSAGE:
		weft_message_bytes((const struct weft_message *)regs->si, p);
		return;
	}
}

#endif /* WEFT_BPF_CALLS_H_ */
