// Actor: a socket_actor process, and its lanes, as a test drives them.
//
// One test thread. Do() is a call that returns; Start() and Finish() enclose one that blocks until
// another actor does its part. An actor that does not answer within 20 s fails the test.
#pragma once

#include <string>

#include <sys/types.h>

#include "tests/integration/sockets/actor_protocol.h"

namespace weft::test {

struct SocketKind {
  const char* name;
  uint32_t family;
  bool v4_mapped = false;
};

class Actor {
 public:
  Actor();
  ~Actor();  // kills it
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  uint32_t pid() const { return static_cast<uint32_t>(pid_); }

  void Start(const actor_command& command, int lane = 0);
  actor_reply Finish(int lane = 0);
  actor_reply Do(const actor_command& command, int lane = 0);

  // Commands that must succeed; each answers the descriptor or number that the actor answered.
  struct Listening {
    int fd = -1;
    uint16_t port = 0;
    std::string name;  // of a Unix socket
  };
  // `window` != 0: receive buffer of the connections.
  Listening Listen(const SocketKind& kind, uint32_t window = 0, bool fast_open = false);
  int Socket(const SocketKind& kind);
  // From `local_port`, where it is not 0 and still free. Returns the local port.
  uint16_t Connect(int fd, const SocketKind& kind, const Listening& to, uint16_t local_port = 0);
  int Accept(int listener, int lane = 0);
  void Close(int fd, int lane = 0);
  void Option(int fd, int level, int name, uint32_t value);
  void Nonblocking(int fd, bool on);
  void WaitFor(int fd, uint32_t poll_events, int lane = 0);
  int64_t Must(const actor_command& command, int lane = 0);

  void StartThread(int lane);
  uint32_t Fork(int lane);
  // Until the thread that serves the lane waits in the call that was started, or has answered.
  void WaitUntilBlocked(uint32_t tid, int lane = 0);
  bool Answered(int lane = 0) const;

 private:
  pid_t pid_ = -1;
  int commands_[ACTOR_LANES], replies_[ACTOR_LANES];
};

// A command with the fields that nearly every call needs.
actor_command Move(actor_call call, int fd, uint32_t length, uint32_t salt, uint64_t position);

}  // namespace weft::test
