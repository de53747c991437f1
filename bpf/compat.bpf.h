/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What differs between kernels and architectures, and nothing else. */
#ifndef WEFT_BPF_COMPAT_H_
#define WEFT_BPF_COMPAT_H_

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#ifndef __TARGET_ARCH_x86
#error "only x86-64 has its registers described below"
#endif

enum weft_syscall {
	WEFT_SYS_READ = 0,
	WEFT_SYS_WRITE = 1,
	WEFT_SYS_CLOSE = 3,
	WEFT_SYS_READV = 19,
	WEFT_SYS_WRITEV = 20,
	WEFT_SYS_SENDFILE = 40,
	WEFT_SYS_SENDTO = 44,
	WEFT_SYS_RECVFROM = 45,
	WEFT_SYS_SENDMSG = 46,
	WEFT_SYS_RECVMSG = 47,
	WEFT_SYS_SPLICE = 275,
	WEFT_SYS_RECVMMSG = 299,
	WEFT_SYS_SENDMMSG = 307,
	WEFT_SYS_PREADV2 = 327,
	WEFT_SYS_PWRITEV2 = 328,
	WEFT_SYS_IO_URING_SETUP = 425,
	WEFT_SYS_IO_URING_ENTER = 426,
	WEFT_SYS_NONE = -1,
};

/* Kernel 6.2 and newer (fd264ca02094) type a bare address; reads through it are plain loads that
 * a fault makes 0; older ones call a helper for each. Objects are built for either. */
static const bool direct_loads = WEFT_DIRECT_LOADS;

extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym;

#define WEFT_TYPED(p)                                                                              \
	((typeof(p))bpf_rdonly_cast((void *)(p), bpf_core_type_id_kernel(typeof(*(p)))))

/* to = p->field, where p may be a bare address; 0 where it leads nowhere. */
#define WEFT_LOAD(to, p, field)                                                                    \
	do {                                                                                       \
		if (direct_loads)                                                                  \
			(to) = WEFT_TYPED(p)->field;                                               \
		else                                                                               \
			bpf_core_read(&(to), sizeof(to), &(p)->field);                             \
	} while (0)

#define WEFT_USER_CS 0x33	/* 64-bit user code; 32-bit programs number their calls otherwise */
#define WEFT_ENOSYS 38

/* The current task; where loads are direct, one whose own fields are read without a test. */
static __always_inline struct task_struct *weft_current_task(void)
{
	if (direct_loads)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* The task's ids as bpf_get_current_pid_tgid has them. Each call of a helper counts: where loads are
 * direct this one is saved. */
static __always_inline __u64 weft_ids_of(struct task_struct *task)
{
	__u32 pid = 0, tgid = 0;

	if (!direct_loads)
		return bpf_get_current_pid_tgid();
	tgid = task->tgid;
	pid = task->pid;
	return (__u64)tgid << 32 | pid;
}

/* *at, where it is a bare address of a pointer. */
static __always_inline void *weft_load_pointer(void *at)
{
	void *pointer = 0;

	/* Any type that begins with a pointer. */
	if (direct_loads)
		return WEFT_TYPED((struct list_head *)at)->next;
	bpf_probe_read_kernel(&pointer, sizeof(pointer), at);
	return pointer;
}

/* The same as a number, which may be computed with. */
static __always_inline __u64 weft_load_number(const void *at)
{
	__u64 number = 0;

	/* Any type that begins with 64 bits that are no pointer. */
	if (direct_loads)
		return WEFT_TYPED((struct timespec64 *)at)->tv_sec;
	bpf_probe_read_kernel(&number, sizeof(number), at);
	return number;
}

/* The system call that the current task is in. */
struct weft_call {
	long nr;	/* WEFT_SYS_NONE: not inside a 64-bit system call's own work */
	unsigned long arg0;
	unsigned long arg1;
};

/* While a system call runs, the saved ax is -ENOSYS (the entry code puts it there); task work that
 * runs on the way out, io_uring's workers and 32-bit programs have something else, and registers
 * that say nothing about this socket. */
static __always_inline struct weft_call weft_call_of(struct task_struct *task)
{
	struct weft_call call = { .nr = WEFT_SYS_NONE };
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if ((long)regs->ax != -WEFT_ENOSYS || regs->cs != WEFT_USER_CS)
		return call;
	call.nr = (long)regs->orig_ax;
	call.arg0 = regs->di;
	call.arg1 = regs->si;
	return call;
}

static __always_inline int weft_call_fd(const struct weft_call *call)
{
	switch (call->nr) {
	case WEFT_SYS_READ:
	case WEFT_SYS_WRITE:
	case WEFT_SYS_READV:
	case WEFT_SYS_WRITEV:
	case WEFT_SYS_SENDFILE:
	case WEFT_SYS_SENDTO:
	case WEFT_SYS_RECVFROM:
	case WEFT_SYS_SENDMSG:
	case WEFT_SYS_RECVMSG:
		return (int)call->arg0;
	default:
		return -1;
	}
}

#endif /* WEFT_BPF_COMPAT_H_ */
