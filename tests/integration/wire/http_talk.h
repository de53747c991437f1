// A small HTTP server and client for traced processes: many connections, pipelining, bodies. Every
// request has a path of its own, so that what was joined can be compared with what was meant.
#pragma once

#include <cstdint>
#include <string>

namespace weft::test {

struct TalkOptions {
  std::string address;  // IPv6 where it has a colon; "::ffff:10.0.0.1" is v4-mapped
  uint16_t port = 8080;
  uint16_t from_port = 0;  // of the client's only connection; 0: any
  int connections = 1;
  bool at_once = false;   // all connections are open before the first request
  int requests = 1;       // per connection
  int pipelined = 1;      // of them at a time
  size_t body_bytes = 0;  // POST instead of GET
  bool fast_open = false;
  std::string name = "c";  // first part of the paths: /items/<name>-<connection>-<request>
};

// Listens at `options.address` and `port`; -1 and errno where it cannot.
int ListenTalk(const TalkOptions& options);
// Answers until every connection of `connections` is closed. 0: all went well.
int ServeTalk(int listener, int connections);

// One side of a conversation: opens all connections, makes all requests. `half_way` runs after the
// first half of each connection's requests.
int RequestTalk(const TalkOptions& options, void (*half_way)(void*) = nullptr,
                void* context = nullptr);

}  // namespace weft::test
