// RandomProgram: thousands of socket calls at both ends of several connections, chosen by a seed.
//
// Every call that all hook families can see with its position, sockets that refuse and take parts,
// peeks, vectors, cold pages, duplicated descriptors, threads, ends with data still unread. What
// each call moved is in the logs. One test thread.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/integration/sockets/actor.h"
#include "tests/integration/sockets/stream_log.h"

namespace weft::test {

class RandomProgram {
 public:
  static constexpr int kConnections = 5;

  // `listening`: by `server`. References outlive this.
  RandomProgram(uint64_t seed, Actor& client, Actor& server, SocketKind kind,
                Actor::Listening listening);

  // Does so many operations, then reads what is still on its way and closes.
  void Run(int operations);

  // A direction of a connection that is over or not: who sent, who received.
  struct Stream {
    uint16_t sender_port = 0, receiver_port = 0;
    StreamLog sent, received;
  };
  const std::vector<Stream>& streams() const { return streams_; }
  uint64_t calls() const { return calls_; }

 private:
  struct End {
    Actor* actor = nullptr;
    std::vector<int> fds;  // the same socket
    size_t sends = 0;      // index into streams_
    size_t receives = 0;
    uint64_t refused_ns = 0;
  };
  struct Connection {
    End ends[2];
  };

  uint32_t Pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  uint32_t PickLength();
  void Open(Connection& connection);
  void Close(Connection& connection);
  bool Send(End& end);
  bool Receive(End& end, uint32_t at_least = 0);
  void Duplicate(End& end);
  void ReadToTheEnd(End& end);
  void Step();

  std::mt19937_64 random_;
  Actor& client_;
  Actor& server_;
  SocketKind kind_;
  Actor::Listening listening_;
  std::vector<Connection> connections_;
  std::vector<Stream> streams_;
  uint32_t next_salt_ = 1000;
  uint64_t calls_ = 0;
};

}  // namespace weft::test
