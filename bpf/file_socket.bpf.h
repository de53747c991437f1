/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* From a file descriptor of the current task to its socket. */
#ifndef WEFT_BPF_FILE_SOCKET_H_
#define WEFT_BPF_FILE_SOCKET_H_

#include "bpf/compat.bpf.h"

#define WEFT_S_IFMT 0170000
#define WEFT_S_IFSOCK 0140000

/* Address of the operations that all sockets' files share, once one was met: from then on any other
 * file is known by one comparison. */
__u64 socket_operations = 0;

/* The stream socket behind the task's `fd`, as a bare address; NULL if it is something else. */
static __always_inline struct sock *weft_stream_socket_of(struct task_struct *task, int fd)
{
	const struct file_operations *operations = 0;
	struct files_struct *files = 0;
	struct fdtable *table = 0;
	struct file **slots = 0;
	struct file *file = 0, *back = 0;
	struct inode *inode = 0;
	struct socket *socket;
	void *private = 0;
	__u32 max_fds = 0;
	__u16 mode = 0;
	__s16 type = 0;

	if (direct_loads)
		files = task->files;
	else
		WEFT_LOAD(files, task, files);
	WEFT_LOAD(table, files, fdt);
	WEFT_LOAD(max_fds, table, max_fds);
	if ((__u32)fd >= max_fds)
		return 0;
	WEFT_LOAD(slots, table, fd);
	file = weft_load_pointer(slots + (__u32)fd);
	if (!file)
		return 0;
	WEFT_LOAD(operations, file, f_op);
	if ((__u64)operations != socket_operations) {
		if (socket_operations)
			return 0;
		WEFT_LOAD(inode, file, f_inode);
		WEFT_LOAD(mode, inode, i_mode);
		/* What O_PATH opens at a Unix socket's path has such an inode, and no socket. */
		WEFT_LOAD(private, file, private_data);
		socket = private;
		WEFT_LOAD(back, socket, file);
		if ((mode & WEFT_S_IFMT) != WEFT_S_IFSOCK || back != file)
			return 0;
		socket_operations = (__u64)operations;
	}
	WEFT_LOAD(private, file, private_data);
	socket = private;
	WEFT_LOAD(type, socket, type);
	if (type != SOCK_STREAM)
		return 0;
	return (struct sock *)weft_load_number((void *)socket + bpf_core_field_offset(struct socket, sk));
}

/* How many refer to the file: a plain count, and from 6.13 on (90ee6ed776c0) one that is 0 for one. */
struct file___counted {
	atomic64_t f_count;
} __attribute__((preserve_access_index));

typedef struct {
	atomic64_t refcnt;
} file_ref_t;

struct file___referenced {
	file_ref_t f_ref;
} __attribute__((preserve_access_index));

/* Whether only one file descriptor, of one process, is left. */
static __always_inline bool weft_file_is_last(struct file *file)
{
	__s64 count = 0;

	if (bpf_core_field_exists(((struct file___referenced *)0)->f_ref)) {
		bpf_core_read(&count, sizeof(count),
			      &((struct file___referenced *)file)->f_ref.refcnt.counter);
		return count == 0;
	}
	bpf_core_read(&count, sizeof(count), &((struct file___counted *)file)->f_count.counter);
	return count == 1;
}

#endif /* WEFT_BPF_FILE_SOCKET_H_ */
