// socket_actor: does with sockets what a test says, and says with its own clock what that moved.
//
// The tests start it, one process per end of the connections under test; see actor_protocol.h.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/sockets/actor_calls.h"

static void serve(int lane);

static void* serve_thread(void* lane) {
  serve((int)(intptr_t)lane);
  return NULL;
}

static int64_t start_thread(int lane) {
  pthread_t thread;
  errno = pthread_create(&thread, NULL, serve_thread, (void*)(intptr_t)lane);
  return errno == 0 ? 0 : -1;
}

static int64_t start_child(int lane) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(lane);
    _exit(0);
  }
  return pid;
}

static int write_setting(const char* path, const char* value) {
  const int fd = open(path, O_WRONLY);
  const ssize_t n = write(fd, value, strlen(value));
  close(fd);
  return n > 0;
}

static int64_t new_network(const struct actor_command* c) {
  if (unshare(CLONE_NEWNET) != 0) return -1;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq lo = {.ifr_flags = IFF_UP};
  memcpy(lo.ifr_name, "lo", 3);
  const int up = ioctl(fd, SIOCSIFFLAGS, &lo);
  close(fd);
  // Fast open at both ends, and without a cookie from an earlier connection.
  const int opens = write_setting("/proc/sys/net/ipv4/tcp_fastopen", "519");
  const int limited = c->text_bytes == 0 || write_setting("/proc/sys/net/core/optmem_max", c->text);
  return up == 0 && opens && limited ? 0 : -1;
}

static int64_t listen_on(const struct actor_command* c, struct actor_reply* reply) {
  unsigned size = 0;
  struct sockaddr_storage address = actor_address(c, &size);
  const int fd = socket((int)c->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1, zero = 0, queue = 16;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (c->length != 0)  // a small window, inherited by what is accepted
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &c->length, sizeof c->length);
  if (c->family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (c->v4_mapped) memset(&((struct sockaddr_in6*)&address)->sin6_addr, 0, 16);
  if (c->flags != 0) setsockopt(fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &queue, sizeof queue);
  socklen_t got = sizeof address;
  if (bind(fd, (struct sockaddr*)&address, size) != 0 || listen(fd, 16) != 0 ||
      getsockname(fd, (struct sockaddr*)&address, &got) != 0)
    return -1;
  if (c->family == AF_UNIX) {
    reply->name_bytes = got - (socklen_t)offsetof(struct sockaddr_un, sun_path);
    memcpy(reply->name, ((struct sockaddr_un*)&address)->sun_path, reply->name_bytes);
  } else {  // the port lies at the same place in both
    reply->port = ntohs(((struct sockaddr_in*)&address)->sin_port);
  }
  return fd;
}

static int64_t set_option(const struct actor_command* c) {
  const struct linger linger = {1, (int)c->length};
  if (c->other == SOL_SOCKET && c->flags == SO_LINGER)
    return setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  return setsockopt(c->fd, c->other, (int)c->flags, &c->length, sizeof c->length);
}

static int64_t connect_to(const struct actor_command* c, struct actor_reply* reply) {
  if (c->other != 0) {
    const int one = 1;
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)c->other),
                                     .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(c->fd, (const struct sockaddr*)&from, sizeof from) != 0) return -1;
  }
  unsigned size = 0;
  const struct sockaddr_storage address = actor_address(c, &size);
  const int result = connect(c->fd, (const struct sockaddr*)&address, size);
  struct sockaddr_in local;
  socklen_t got = sizeof local;
  const int error = errno;
  if (c->family != AF_UNIX && getsockname(c->fd, (struct sockaddr*)&local, &got) == 0)
    reply->port = ntohs(local.sin_port);
  errno = error;
  return result;
}

static int64_t pass(int fd, int over) {
  char byte = 'f', control[CMSG_SPACE(sizeof fd)];
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return sendmsg(over, &message, 0) == 1 ? 0 : -1;
}

static int64_t take(int from) {
  int fd = -1;
  char byte, control[CMSG_SPACE(sizeof fd)];
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(from, &message, 0) != 1) return -1;
  const struct cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == NULL) return -1;
  memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

static int64_t pair(struct actor_reply* reply) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return -1;
  reply->other = fds[1];
  return fds[0];
}

// Reads and writes that are none of a socket's.
static int64_t touch_pipe(const struct actor_command* c) {
  int ends[2];
  char text[ACTOR_TEXT];
  if (pipe(ends) != 0) return -1;
  int64_t n = write(ends[1], c->text, c->text_bytes);
  if (n > 0) n = read(ends[0], text, sizeof text);
  close(ends[0]);
  close(ends[1]);
  return n;
}

static int64_t wait_for(const struct actor_command* c) {
  struct pollfd p = {.fd = c->fd, .events = (short)c->flags};
  const int n = poll(&p, 1, 10000);
  if (n == 0) errno = ETIMEDOUT;
  return n == 1 ? p.revents : -1;
}

static int64_t set_nonblocking(int fd, int on) {
  const int flags = fcntl(fd, F_GETFL);
  return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

// The same call `repeat` times more, for as long as it moves what it should.
static void move(struct actor_command* c, struct actor_reply* reply) {
  int64_t moved = 0;
  uint64_t begin = 0;
  for (uint32_t i = 0; i <= c->repeat; i++) {
    actor_move(c, reply);
    if (i == 0) begin = reply->begin_ns;
    if (reply->result < 0) break;
    moved += reply->result;
    c->position += (uint64_t)reply->result;
    if (reply->result != (int64_t)c->length || reply->wrong_at >= 0) break;
  }
  reply->begin_ns = begin;
  if (c->repeat != 0) reply->result = moved;
}

static int64_t perform(struct actor_command* c, struct actor_reply* reply) {
  switch (c->operation) {
    case ACTOR_END: return 0;
    case ACTOR_THREAD: return start_thread(c->other);
    case ACTOR_FORK: return start_child(c->other);
    case ACTOR_NETWORK: return new_network(c);
    case ACTOR_LISTEN: return listen_on(c, reply);
    case ACTOR_SOCKET: return socket((int)c->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case ACTOR_CONNECT: return connect_to(c, reply);
    case ACTOR_ACCEPT: return accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
    case ACTOR_PAIR: return pair(reply);
    case ACTOR_CLOSE: return close(c->fd);
    case ACTOR_SHUTDOWN: return shutdown(c->fd, (int)c->flags);
    case ACTOR_DUP: return dup2(c->fd, c->other);
    case ACTOR_NONBLOCK: return set_nonblocking(c->fd, c->flags != 0);
    case ACTOR_OPTION: return set_option(c);
    case ACTOR_WAIT: return wait_for(c);
    case ACTOR_PASS: return pass(c->fd, c->other);
    case ACTOR_TAKE: return take(c->fd);
    case ACTOR_TOUCH: return touch_pipe(c);
    default: errno = ENOSYS; return -1;
  }
}

static int transfer(int fd, void* bytes, size_t size, int out) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = out ? write(fd, (char*)bytes + done, size - done)
                          : read(fd, (char*)bytes + done, size - done);
    if (n <= 0) return 0;
    done += (size_t)n;
  }
  return 1;
}

static void serve(int lane) {
  struct actor_command command;
  while (transfer(ACTOR_COMMAND_FD(lane), &command, sizeof command, 0)) {
    struct actor_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.wrong_at = -1;
    if (command.operation == ACTOR_MOVE) {
      move(&command, &reply);
    } else {
      reply.begin_ns = actor_now();
      errno = 0;
      reply.result = perform(&command, &reply);
      reply.error = errno;
      reply.end_ns = actor_now();
    }
    reply.pid = (uint32_t)getpid();
    reply.tid = (uint32_t)syscall(SYS_gettid);
    if (!transfer(ACTOR_REPLY_FD(lane), &reply, sizeof reply, 1)) break;
    if (command.operation == ACTOR_END) break;
  }
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  serve(0);
  return 0;
}
