#include "tests/integration/sockets/actor_uring.h"

#include <errno.h>
#include <string.h>

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t actor_uring_move(int send, int fd, void* buffer, size_t length, uint32_t flags) {
  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  const int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) return -1;
  const size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  const size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  const size_t size = sq_size > cq_size ? sq_size : cq_size;  // IORING_FEAT_SINGLE_MMAP, 5.4
  const size_t entries_size = params.sq_entries * sizeof(struct io_uring_sqe);
  uint8_t* rings =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  struct io_uring_sqe* entries = mmap(NULL, entries_size, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (rings == MAP_FAILED || entries == MAP_FAILED) {
    close(ring);
    return -1;
  }
  memset(&entries[0], 0, sizeof entries[0]);
  entries[0].opcode = send ? IORING_OP_SEND : IORING_OP_RECV;
  entries[0].fd = fd;
  entries[0].addr = (uint64_t)(uintptr_t)buffer;
  entries[0].len = (uint32_t)length;
  entries[0].msg_flags = flags;
  ((uint32_t*)(rings + params.sq_off.array))[0] = 0;
  __atomic_store_n((uint32_t*)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);

  int64_t result = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
  int error = errno;
  if (result >= 0) {
    const struct io_uring_cqe* done = (struct io_uring_cqe*)(rings + params.cq_off.cqes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    result = done->res;
    if (result < 0) {
      error = (int)-result;
      result = -1;
    }
  }
  munmap(entries, entries_size);
  munmap(rings, size);
  close(ring);
  errno = error;
  return result;
}
