#include "tests/integration/sockets/actor.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace weft::test {
namespace {

constexpr int kAnswerMs = 20'000;

// Out of the way of the numbers that the lanes get in the child.
int MovedAway(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  close(fd);
  if (moved < 0) std::abort();
  return moved;
}

actor_command Command(actor_operation operation, int fd = -1) {
  actor_command command{};
  command.operation = operation;
  command.fd = fd;
  return command;
}

actor_command To(actor_operation operation, int fd, const SocketKind& kind) {
  actor_command command = Command(operation, fd);
  command.family = kind.family;
  command.v4_mapped = kind.v4_mapped ? 1 : 0;
  return command;
}

}  // namespace

Actor::Actor() {
  int theirs[2 * ACTOR_LANES];
  for (int lane = 0; lane < ACTOR_LANES; lane++) {
    int command[2], reply[2];
    if (pipe(command) != 0 || pipe(reply) != 0) std::abort();
    theirs[2 * lane] = MovedAway(command[0]);
    commands_[lane] = MovedAway(command[1]);
    replies_[lane] = MovedAway(reply[0]);
    theirs[2 * lane + 1] = MovedAway(reply[1]);
  }
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int lane = 0; lane < ACTOR_LANES; lane++) {
      dup2(theirs[2 * lane], ACTOR_COMMAND_FD(lane));
      dup2(theirs[2 * lane + 1], ACTOR_REPLY_FD(lane));
    }
    execl(WEFT_SOCKET_ACTOR, "socket_actor", nullptr);
    std::perror(WEFT_SOCKET_ACTOR);
    _exit(127);
  }
  for (const int fd : theirs) close(fd);
}

Actor::~Actor() {
  for (int lane = 0; lane < ACTOR_LANES; lane++) {
    close(commands_[lane]);
    close(replies_[lane]);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Actor::Start(const actor_command& command, int lane) {
  const ssize_t n = write(commands_[lane], &command, sizeof command);
  if (n != static_cast<ssize_t>(sizeof command)) ADD_FAILURE() << "the actor is gone";
}

actor_reply Actor::Finish(int lane) {
  actor_reply reply{};
  reply.result = -1;
  size_t done = 0;
  while (done < sizeof reply) {
    pollfd ready{.fd = replies_[lane], .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kAnswerMs) != 1) {
      ADD_FAILURE() << "the actor does not answer";
      return reply;
    }
    const ssize_t n =
        read(replies_[lane], reinterpret_cast<char*>(&reply) + done, sizeof reply - done);
    if (n <= 0) {
      ADD_FAILURE() << "the actor is gone";
      return reply;
    }
    done += static_cast<size_t>(n);
  }
  return reply;
}

actor_reply Actor::Do(const actor_command& command, int lane) {
  Start(command, lane);
  return Finish(lane);
}

int64_t Actor::Must(const actor_command& command, int lane) {
  const actor_reply reply = Do(command, lane);
  EXPECT_GE(reply.result, 0) << "operation " << command.operation << ": " << strerror(reply.error);
  return reply.result;
}

Actor::Listening Actor::Listen(const SocketKind& kind, uint32_t window, bool fast_open) {
  actor_command command = To(ACTOR_LISTEN, -1, kind);
  command.length = window;
  command.flags = fast_open ? 1 : 0;
  const actor_reply reply = Do(command);
  EXPECT_GE(reply.result, 0) << "listen: " << strerror(reply.error);
  return {static_cast<int>(reply.result), static_cast<uint16_t>(reply.port),
          std::string(reply.name, reply.name_bytes)};
}

int Actor::Socket(const SocketKind& kind) {
  return static_cast<int>(Must(To(ACTOR_SOCKET, -1, kind)));
}

uint16_t Actor::Connect(int fd, const SocketKind& kind, const Listening& to, uint16_t local_port) {
  actor_command command = To(ACTOR_CONNECT, fd, kind);
  command.port = to.port;
  command.other = local_port;
  command.text_bytes = static_cast<uint32_t>(to.name.size());
  memcpy(command.text, to.name.data(), to.name.size());
  actor_reply reply = Do(command);
  if (reply.result < 0 && reply.error == EADDRINUSE && local_port != 0) {
    // Another program has taken the port meanwhile.
    command.other = 0;
    reply = Do(command);
  }
  EXPECT_EQ(reply.result, 0) << "connect: " << strerror(reply.error);
  return static_cast<uint16_t>(reply.port);
}

int Actor::Accept(int listener, int lane) {
  return static_cast<int>(Must(Command(ACTOR_ACCEPT, listener), lane));
}

void Actor::Close(int fd, int lane) { Must(Command(ACTOR_CLOSE, fd), lane); }

void Actor::Option(int fd, int level, int name, uint32_t value) {
  actor_command command = Command(ACTOR_OPTION, fd);
  command.other = level;
  command.flags = static_cast<uint32_t>(name);
  command.length = value;
  Must(command);
}

void Actor::Nonblocking(int fd, bool on) {
  actor_command command = Command(ACTOR_NONBLOCK, fd);
  command.flags = on ? 1 : 0;
  Must(command);
}

void Actor::WaitFor(int fd, uint32_t poll_events, int lane) {
  actor_command command = Command(ACTOR_WAIT, fd);
  command.flags = poll_events;
  Must(command, lane);
}

void Actor::StartThread(int lane) {
  actor_command command = Command(ACTOR_THREAD);
  command.other = lane;
  Must(command);
}

uint32_t Actor::Fork(int lane) {
  actor_command command = Command(ACTOR_FORK);
  command.other = lane;
  return static_cast<uint32_t>(Must(command));
}

bool Actor::Answered(int lane) const {
  pollfd ready{.fd = replies_[lane], .events = POLLIN, .revents = 0};
  return poll(&ready, 1, 0) == 1;
}

void Actor::WaitUntilBlocked(uint32_t tid, int lane) {
  const std::string path = "/proc/" + std::to_string(tid) + "/syscall";
  for (int waited = 0; waited < kAnswerMs; waited++) {
    std::ifstream file(path);
    std::string number, first;
    if (file >> number >> first && first.starts_with("0x") &&
        std::strtol(first.c_str(), nullptr, 16) != ACTOR_COMMAND_FD(lane))
      return;
    if (Answered(lane)) return;
    poll(nullptr, 0, 1);
  }
  ADD_FAILURE() << "the call neither blocks nor returns";
}

actor_command Move(actor_call call, int fd, uint32_t length, uint32_t salt, uint64_t position) {
  actor_command command = Command(ACTOR_MOVE, fd);
  command.call = call;
  command.length = length;
  command.buffers = 1;
  command.salt = salt;
  command.position = position;
  return command;
}

}  // namespace weft::test
