// A random program's streams, as each hook family captures them at the same time, are those that
// the program logged, and so the same. WEFT_SOCKETS_SEED=n runs one seed again;
// WEFT_SOCKETS_SEEDS=n tries so many.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/integration/sockets/random_program.h"
#include "tests/integration/sockets/socket_fixture.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

constexpr int kOperations = 1500;

uint64_t Number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Connections by their ports at this end, in the order of their first records: ports are used
// again.
using ByPorts = std::map<std::pair<uint16_t, uint16_t>, std::vector<uint64_t>>;

ByPorts Cookies(const std::vector<CapturedRecord>& records) {
  ByPorts cookies;
  for (const CapturedRecord& record : records) {
    const weft_connection& c = record.connection;
    auto& known = cookies[{c.local_port, c.remote_port}];
    if (std::ranges::find(known, c.cookie) == known.end()) known.push_back(c.cookie);
  }
  return cookies;
}

void ExpectAsLogged(const std::vector<CapturedRecord>& records,
                    const std::vector<RandomProgram::Stream>& streams) {
  const ByPorts cookies = Cookies(records);
  for (const RandomProgram::Stream& stream : streams) {
    for (const bool sent : {true, false}) {
      const StreamLog& log = sent ? stream.sent : stream.received;
      if (log.bytes() == 0) continue;
      const auto ports = sent ? std::pair(stream.sender_port, stream.receiver_port)
                              : std::pair(stream.receiver_port, stream.sender_port);
      const auto found = cookies.find(ports);
      ASSERT_NE(found, cookies.end());
      ASSERT_EQ(found->second.size(), 1u) << "a port was used again: take another seed";
      const auto of_stream =
          Select(records, found->second[0], sent ? WEFT_RECORD_SEND : WEFT_RECORD_RECEIVE);
      EXPECT_EQ(log.Compare(of_stream), "") << (sent ? "sent" : "received") << " from port "
                                            << stream.sender_port << " to " << stream.receiver_port;
    }
  }
}

void RunSeed(uint64_t seed) {
  SCOPED_TRACE(fmt::format("WEFT_SOCKETS_SEED={}", seed));
  Actor client, server;
  const SocketKind kind{"IPv4", AF_INET};
  const Actor::Listening listening = server.Listen(kind, seed % 2 == 0 ? 16384 : 0);
  std::vector<std::unique_ptr<Capture>> captures;
  for (const HookFamily& family : HookFamilies()) {
    ebpf::EbpfConfig config;
    family.choose(config);
    config.include_ports = {listening.port};
    auto capture = Capture::Start(config);
    ASSERT_TRUE(capture.has_value()) << capture.error().message;
    captures.push_back(std::move(*capture));
  }
  RandomProgram program(seed, client, server, kind, listening);
  program.Run(kOperations);
  for (size_t i = 0; i < captures.size(); i++) {
    SCOPED_TRACE(HookFamilies()[i].name);
    ExpectAsLogged(captures[i]->Take(), program.streams());
  }
}

TEST(RandomSocketProgram, HasTheStreamsThatItLogged) {
  if (const std::string why = WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
  if (const uint64_t seed = Number("WEFT_SOCKETS_SEED", 0); seed != 0) return RunSeed(seed);
  const uint64_t seeds = Number("WEFT_SOCKETS_SEEDS", 4);
  for (uint64_t seed = 1; seed <= seeds && !HasFailure(); seed++) RunSeed(seed);
}

}  // namespace
}  // namespace weft::test
