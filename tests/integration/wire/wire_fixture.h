// WireTest: traced conversations between network namespaces, and how much of what both ends
// published joins as it should.
//
// A test sets up namespaces, adds conversations and calls Trace; then judges. The agent is the real
// one; what it published goes through stage 1. For the tests in this folder only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/transport/memory.h"
#include "sources/ebpf/ebpf_source.h"
#include "tests/integration/ebpf/programs.h"
#include "tests/integration/wire/http_talk.h"
#include "tests/integration/wire/namespaces.h"

namespace weft::test {

// How the requests of a run were joined.
struct Joined {
  size_t requests = 0;     // seen at both ends
  size_t right = 0;        // the server span's parent is the client span of the same request
  size_t with_option = 0;  // both ends have the same option id
  size_t same_wire = 0;    // both ends have the same wire id
  size_t option_ids = 0;   // different ones
  // The same without knowing which request is which.
  size_t served = 0;  // server spans
  size_t caused = 0;  // client spans that are some server span's parent
  double Share() const {
    return requests == 0 ? 0 : static_cast<double>(right) / static_cast<double>(requests);
  }
};

class WireTest : public testing::Test {
 protected:
  void SetUp() override;

  // A server in `at`, a client in `from`; both are processes of their own.
  void AddTalk(const Namespace& from, const Namespace& at, const TalkOptions& talk) {
    AddTalk(from, at, talk, talk);
  }
  // Where an address is translated the two ends have different ones.
  void AddTalk(const Namespace& from, const Namespace& at, const TalkOptions& client,
               const TalkOptions& server);
  // A process of the test's own; its sockets belong to the test, and it is traced.
  void AddProgram(const Namespace& in, const std::vector<std::string>& command);
  // The connections are made, and the first half of the requests, before the agent starts.
  void ConnectBefore() { connect_before_ = true; }
  // Runs when the agent has started, before any further request.
  void BeforeRequests(std::function<void()> action) { before_requests_ = std::move(action); }
  // By default as the agent chooses.
  void HookInto(ebpf::Hooks hooks) { hooks_ = hooks; }
  Joined Trace(ebpf::TcpOptionPeers peers);
  // Fails where requests are missing or fewer than 99.9 % are right.
  void ExpectJoined(const Joined& joined, size_t requests) const;

  // The tests' own sockets only, of all on this machine.
  ebpf::EbpfConfig Config(ebpf::TcpOptionPeers peers) const;

  uint64_t Metric(const char* name) { return metrics_->Get(name).Get(); }

 private:
  struct Talk {
    std::unique_ptr<Gate> listening, half_way;
    std::unique_ptr<TracedProcess> server, client;
  };
  struct Ends {
    uint64_t span_id[2] = {}, wire_id[2] = {}, option_id[2] = {};  // server, client
    int seen[2] = {};
  };
  void StartServers();
  void Collect(Joined* joined);

  SystemClock clock_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<transport::MemoryTransport> transport_;
  std::unique_ptr<Logger> logger_ = StderrLogger(LogLevel::kWarn);
  TestCgroup cgroup_;
  std::vector<Talk> talks_;
  std::vector<std::unique_ptr<TracedProcess>> programs_;
  std::function<void()> before_requests_;
  bool connect_before_ = false;
  ebpf::Hooks hooks_ = ebpf::Hooks::kAuto;
};

}  // namespace weft::test
