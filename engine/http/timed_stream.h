// TimedStream: one connection of an HTTP server, with a time by which what is under way must be
// done, however slowly the other end reads or writes.
//
// cpp-httplib's own has a limit per read, so that whoever sends a byte now and then would hold a
// thread for hours, and a server's end. Used by the thread that serves the connection; the
// StopTime is the server's and may be set by any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <httplib.h>
#include <poll.h>

namespace weft::http {

using SteadyTime = std::chrono::steady_clock::time_point;

// When everything of a server that ends must be done.
class StopTime {
 public:
  void Set(SteadyTime at) { at_ = at.time_since_epoch().count(); }
  SteadyTime Get() const { return SteadyTime(SteadyTime::duration(at_.load())); }
  bool IsSet() const { return at_ != SteadyTime::max().time_since_epoch().count(); }

 private:
  std::atomic<int64_t> at_ = SteadyTime::max().time_since_epoch().count();
};

class TimedStream final : public httplib::Stream {
 public:
  // Both outlive the stream; the descriptor stays the caller's.
  TimedStream(int fd, const StopTime& stop) : fd_(fd), stop_(stop) {}

  // What follows must be read, or written, within `time`: for each request and each reply.
  void Allow(std::chrono::nanoseconds time) { end_ = Now() + time; }
  // Whether a request begins within `time`; none does where the server is ending.
  bool AwaitRequest(std::chrono::nanoseconds time);

  bool is_readable() const override { return at_ < held_ || Wait(POLLIN); }
  bool is_writable() const override { return Wait(POLLOUT); }
  ssize_t read(char* out, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override { return fd_; }

 private:
  static SteadyTime Now() { return std::chrono::steady_clock::now(); }
  bool Wait(int16_t what) const;

  const int fd_;
  const StopTime& stop_;
  SteadyTime end_ = SteadyTime::min();
  char buffer_[16 << 10];
  size_t at_ = 0, held_ = 0;
};

// Closing on bytes that nobody read would send a reset, and lose the reply. So waits a little for
// them, and for the end that follows ours.
void CloseGently(int fd, std::chrono::milliseconds patience);

}  // namespace weft::http
