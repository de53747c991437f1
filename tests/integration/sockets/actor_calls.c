#include "tests/integration/sockets/actor_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/integration/sockets/actor_memory.h"
#include "tests/integration/sockets/actor_uring.h"

enum { kPipeBytes = 1 << 20 };

uint64_t actor_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct sockaddr_storage actor_address(const struct actor_command* c, unsigned* size) {
  struct sockaddr_storage address;
  memset(&address, 0, sizeof address);
  address.ss_family = (sa_family_t)c->family;
  if (c->family == AF_INET) {
    struct sockaddr_in* in = (struct sockaddr_in*)&address;
    in->sin_port = htons((uint16_t)c->port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *size = sizeof *in;
  } else if (c->family == AF_INET6) {
    struct sockaddr_in6* in6 = (struct sockaddr_in6*)&address;
    in6->sin6_port = htons((uint16_t)c->port);
    if (c->v4_mapped) {
      inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
    } else {
      in6->sin6_addr = in6addr_loopback;
    }
    *size = sizeof *in6;
  } else {
    // Without a name the kernel makes up an abstract one at bind.
    struct sockaddr_un* un = (struct sockaddr_un*)&address;
    memcpy(un->sun_path, c->text, c->text_bytes);
    *size = (unsigned)(offsetof(struct sockaddr_un, sun_path) + c->text_bytes);
  }
  return address;
}

static int64_t messages(const struct actor_command* c, struct actor_buffers* b, int receive) {
  struct mmsghdr all[ACTOR_MAX_BUFFERS];
  memset(all, 0, sizeof all);
  for (int i = 0; i < b->count; i++) {
    all[i].msg_hdr.msg_iov = &b->parts[i];
    all[i].msg_hdr.msg_iovlen = 1;
  }
  const int n =
      receive ? recvmmsg(c->fd, all, (unsigned)b->count, (int)(c->flags | MSG_WAITFORONE), NULL)
              : sendmmsg(c->fd, all, (unsigned)b->count, (int)c->flags);
  if (n < 0) return -1;
  int64_t bytes = 0;
  for (int i = 0; i < n; i++) {
    bytes += all[i].msg_len;
    b->parts[i].iov_len = all[i].msg_len;
  }
  return bytes;
}

static int64_t timed(struct actor_reply* reply, int64_t result) {
  reply->error = errno;
  reply->end_ns = actor_now();
  return result;
}

// The pipe is filled and emptied outside the measured time.
static int64_t splice_to(const struct actor_command* c, struct actor_reply* reply) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  (void)fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  const int file = actor_file(c);
  ssize_t filled = 0, n;
  while (filled < (ssize_t)c->length &&
         (n = splice(file, NULL, ends[1], NULL, c->length - (size_t)filled, SPLICE_F_NONBLOCK)) > 0)
    filled += n;
  reply->begin_ns = actor_now();
  errno = 0;
  const int64_t result = timed(reply, splice(ends[0], NULL, c->fd, NULL, (size_t)filled, 0));
  close(file);
  close(ends[0]);
  close(ends[1]);
  return result;
}

static int64_t splice_from(const struct actor_command* c, struct actor_reply* reply) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  (void)fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  const unsigned how = (fcntl(c->fd, F_GETFL) & O_NONBLOCK) != 0 ? SPLICE_F_NONBLOCK : 0;
  reply->begin_ns = actor_now();
  errno = 0;
  const int64_t result = timed(reply, splice(c->fd, NULL, ends[1], NULL, c->length, how));
  if (result > 0) {
    uint8_t* bytes = malloc((size_t)result);
    int64_t got = 0;
    ssize_t n;
    while (got < result && (n = read(ends[0], bytes + got, (size_t)(result - got))) > 0) got += n;
    reply->wrong_at = actor_check(bytes, (size_t)got, c->salt, c->position);
    free(bytes);
  }
  close(ends[0]);
  close(ends[1]);
  return result;
}

// Loopback has no page that could be mapped; what is there is copied to the call's own buffer.
static int64_t zerocopy_receive(const struct actor_command* c, struct actor_buffers* b) {
  const size_t mapped = 65536;
  void* at = mmap(NULL, mapped, PROT_READ, MAP_SHARED, c->fd, 0);
  if (at == MAP_FAILED) return -1;
  struct tcp_zerocopy_receive z;
  memset(&z, 0, sizeof z);
  z.address = (uint64_t)(uintptr_t)at;
  z.length = (uint32_t)mapped;
  z.copybuf_address = (uint64_t)(uintptr_t)b->parts[0].iov_base;
  z.copybuf_len = (int32_t)b->parts[0].iov_len;
  socklen_t size = sizeof z;
  int64_t result = getsockopt(c->fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &size);
  // With nothing to read the kernel leaves copybuf_len as it was.
  if (result == 0 && (z.inq != 0 || z.copybuf_len != (int32_t)b->parts[0].iov_len))
    result = z.copybuf_len + (int64_t)z.length;
  const int error = errno;
  munmap(at, mapped);
  errno = error;
  if (result == 0) {
    errno = EAGAIN;
    result = -1;
  }
  return result;
}

static int64_t call(const struct actor_command* c, struct actor_buffers* b) {
  void* base = b->parts[0].iov_base;
  struct msghdr message = {.msg_iov = b->parts, .msg_iovlen = (size_t)b->count};
  char control[512];
  unsigned size = 0;
  struct sockaddr_storage to;
  const int flags = (int)c->flags;
  switch (c->call) {
    case CALL_WRITE: return write(c->fd, base, c->length);
    case CALL_WRITEV: return writev(c->fd, b->parts, b->count);
    case CALL_SENDTO: return sendto(c->fd, base, c->length, flags, NULL, 0);
    case CALL_SENDMSG: return sendmsg(c->fd, &message, flags);
    case CALL_ZEROCOPY_SEND: return sendmsg(c->fd, &message, flags | MSG_ZEROCOPY);
    case CALL_SENDMMSG: return messages(c, b, 0);
    case CALL_URING_SEND: return actor_uring_move(1, c->fd, base, c->length, c->flags);
    case CALL_FAST_OPEN:
      to = actor_address(c, &size);
      return sendto(c->fd, base, c->length, flags | MSG_FASTOPEN, (struct sockaddr*)&to, size);
    case CALL_READ: return read(c->fd, base, c->length);
    case CALL_READV: return readv(c->fd, b->parts, b->count);
    case CALL_RECVFROM: return recvfrom(c->fd, base, c->length, flags, NULL, NULL);
    case CALL_RECVMSG:
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      return recvmsg(c->fd, &message, flags);
    case CALL_RECVMMSG: return messages(c, b, 1);
    case CALL_URING_RECV: return actor_uring_move(0, c->fd, base, c->length, c->flags);
    case CALL_ZEROCOPY_RECEIVE: return zerocopy_receive(c, b);
    default: errno = ENOSYS; return -1;
  }
}

static int takes_vector(uint32_t call_number) {
  switch (call_number) {
    case CALL_WRITEV:
    case CALL_SENDMSG:
    case CALL_SENDMMSG:
    case CALL_ZEROCOPY_SEND:
    case CALL_READV:
    case CALL_RECVMSG:
    case CALL_RECVMMSG: return 1;
    default: return 0;
  }
}

void actor_move(const struct actor_command* c, struct actor_reply* reply) {
  reply->wrong_at = -1;
  if (c->call == CALL_SPLICE_TO) {
    reply->result = splice_to(c, reply);
    return;
  }
  if (c->call == CALL_SPLICE_FROM) {
    reply->result = splice_from(c, reply);
    return;
  }
  if (c->call == CALL_SENDFILE) {
    const int file = actor_file(c);
    reply->begin_ns = actor_now();
    errno = 0;
    reply->result = timed(reply, sendfile(c->fd, file, NULL, c->length));
    close(file);
    return;
  }
  const int receives = c->call >= CALL_READ;
  struct actor_command one = *c;
  if (!takes_vector(c->call)) {
    one.buffers = 1;
    c = &one;
  }
  struct actor_buffers buffers = actor_buffers_make(c, !receives);
  reply->begin_ns = actor_now();
  errno = 0;
  reply->result = timed(reply, call(c, &buffers));
  // MSG_TRUNC and MSG_ERRQUEUE bring no bytes of the stream.
  const int brings = receives && (c->flags & (MSG_TRUNC | MSG_ERRQUEUE)) == 0;
  if (brings && reply->result > 0 && c->text_bytes == 0)
    reply->wrong_at = actor_buffers_check(&buffers, c, (size_t)reply->result);
  if (c->call != CALL_ZEROCOPY_SEND) actor_buffers_free(&buffers);
}
