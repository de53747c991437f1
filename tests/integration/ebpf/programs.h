// Small programs that the eBPF tests trace: each runs in a process of its own, because the agent
// never watches its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace weft::test {

// A forked process that waits for Go() before it does anything. Made before the agent's thread.
class TracedProcess {
 public:
  explicit TracedProcess(std::function<int()> body);
  ~TracedProcess();  // kills it, if it runs
  TracedProcess(const TracedProcess&) = delete;
  TracedProcess& operator=(const TracedProcess&) = delete;

  uint32_t pid() const { return static_cast<uint32_t>(pid_); }
  void Go();
  // Exit code; waits at most 30 s, then -1.
  int Wait();

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int go_ = -1;
};

// A listening TCP socket on a free port of the loopback interface.
struct Listener {
  Listener();
  ~Listener();
  int fd = -1;
  uint16_t port = 0;
};

// The same as a Unix stream socket, in the abstract namespace.
struct UnixListener {
  UnixListener();
  ~UnixListener();
  int fd = -1;
  std::string name;
};

// Where a traced process stops in the middle until the test lets it go on. Made before it.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void WaitReached() const;
  void Open() const;
  void Pass() const;  // the traced process

 private:
  int reached_[2] = {-1, -1}, open_[2] = {-1, -1};
};

// Bodies for TracedProcess. The server ends when it has answered `requests`.
int ServeHttp(int listener, int requests);
// `requests` GETs over one keep-alive connection, and `more` behind the gate.
int RequestHttp(uint16_t port, int requests, const Gate* gate = nullptr, int more = 0);
int RequestHttp(const std::string& unix_name, int requests);
// `requests` SET and GET over one connection, `pipelined` at a time.
int RequestRedis(uint16_t port, int requests, int pipelined);

// A redis-server on a free port; port 0 where there is none.
class RedisServer {
 public:
  RedisServer();
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  uint16_t port() const { return port_; }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }

 private:
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

}  // namespace weft::test
