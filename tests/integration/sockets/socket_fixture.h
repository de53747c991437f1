// SocketFixture: two actors, what is captured of them, and a log per direction of each connection
// between them. Parametrised by hook family.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/sockets/actor.h"
#include "tests/integration/sockets/capture.h"
#include "tests/integration/sockets/stream_log.h"

namespace weft::test {

// A connection between two actors, and what each end moved.
struct Link {
  int client_fd = -1, server_fd = -1;
  uint16_t client_port = 0, server_port = 0;
  StreamLog to_server{1}, at_server{1};  // sent by the client, received by the server
  StreamLog to_client{2}, at_client{2};
};

class SocketFixture : public testing::TestWithParam<HookFamily> {
 protected:
  void SetUp() override;
  // Listens before the programs are loaded: only these ports are traced.
  void Trace(const SocketKind& kind = kIpv4, uint32_t window = 0, uint32_t ring_bytes = 16u << 20);
  // The same, where listening_ is there already.
  void TraceListening(uint32_t ring_bytes = 16u << 20);
  Link Connect(uint16_t local_port = 0);

  // The whole length by one plain call at each end, logged.
  void Send(Link& link, uint32_t bytes, actor_call call = CALL_WRITE, int lane = 0, int fd = -1);
  void Answer(Link& link, uint32_t bytes, actor_call call = CALL_WRITE);
  void ServerReads(Link& link, uint64_t bytes);
  void ClientReads(Link& link, uint64_t bytes);
  static void ReadAll(Actor& actor, int fd, StreamLog& log, uint64_t bytes);

  // Takes what was captured; both ends of the link must be as logged.
  void ExpectAsLogged(const Link& link);
  const std::vector<CapturedRecord>& Captured();
  uint64_t ClientCookie(const Link& link);
  uint64_t ServerCookie(const Link& link);
  size_t Closes(uint64_t cookie);
  // Ends the tracing; the kernel's sums hold to the unit.
  void ExpectLedger();

  static constexpr SocketKind kIpv4 = {"IPv4", 2 /* AF_INET */};
  SocketKind kind_ = kIpv4;
  Actor client_, server_;
  Actor::Listening listening_;
  std::unique_ptr<Capture> capture_;
  std::vector<CapturedRecord> captured_;
  std::vector<weft_control> controls_;
};

inline std::string FamilyName(const testing::TestParamInfo<HookFamily>& family) {
  return family.param.name;
}

// Empty, or why nothing can be traced here.
std::string WhyNotTraceable();

}  // namespace weft::test
