// The table: every call that moves bytes, under every condition and both hook families, against
// what the actor logged. It must be the one in tables/, which is also what users are told;
// WEFT_UPDATE_TABLES=1 writes it anew.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/integration/sockets/call_cells.h"
#include "tests/integration/sockets/socket_fixture.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

const std::vector<SocketKind> kTcp = {
    {"IPv4", AF_INET}, {"IPv6", AF_INET6}, {"IPv4 in an IPv6 socket", AF_INET6, true}};

class CallTableTest : public testing::TestWithParam<HookFamily> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
  }

  // One line per call.
  std::string Table(const SocketKind& kind);
  static std::string Head();
  void ExpectLedger(Capture& capture);
};

std::string Text(const CellResult& cell) {
  if (cell.outcome == Outcome::kNotApplicable) return "-";
  return NameOf(cell.outcome) + std::string(cell.fd_known ? "" : "*");
}

std::string Line(const std::string& first, const std::vector<std::string>& cells) {
  std::string line = fmt::format("{:18}", first);
  for (const std::string& cell : cells) line += fmt::format("{:10}", cell);
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string CallTableTest::Head() {
  constexpr const char* kLegend =
      "seen: position, length and content   prefix: the content of the first four buffers\n"
      "length: position and length, and the record says that its content could not be read\n"
      "hole: no record; the next one of the stream shows how many bytes are missing\n"
      "unseen: no record, and nothing shows it: Unix streams have no numbers of their own\n"
      "*: the descriptor's number is not known   -: the call cannot do this\n\n";
  std::vector<std::string> names;
  for (const Condition condition : kConditions) names.push_back(NameOf(condition));
  return kLegend + Line("", names);
}

// To the unit, once nothing runs any more.
void CallTableTest::ExpectLedger(Capture& capture) {
  capture.Detach();
  capture.Take();
  const auto counts = capture.Counts();
  ASSERT_TRUE(counts.has_value());
  const weft_stats& s = counts->stats;
  EXPECT_EQ(s.seen, s.filtered + s.submitted + s.ring_full + s.map_full + s.unreadable);
  EXPECT_EQ(s.submitted + s.unreadable, capture.records());
  EXPECT_EQ(s.ring_full + s.map_full + counts->missed, 0u);
}

std::string CallTableTest::Table(const SocketKind& kind) {
  Actor acting, peer;
  const Actor::Listening listening = peer.Listen(kind, CallCells::kWindow);
  ebpf::EbpfConfig config;
  GetParam().choose(config);
  // Unix sockets have no ports, so everything else on the host comes too.
  if (kind.family == AF_UNIX) {
    config.data_ring_bytes = 64u << 20;
  } else {
    config.include_ports = {listening.port};
  }
  auto capture = Capture::Start(config);
  if (!capture.has_value()) {
    ADD_FAILURE() << capture.error().message;
    return "";
  }
  CallCells cells(**capture, acting, peer, kind, listening);
  std::string table;
  for (int c = 0; c <= CALL_ZEROCOPY_RECEIVE; c++) {
    const auto call = static_cast<actor_call>(c);
    if (!CallCells::Applies(call, Condition::kPlain, kind)) continue;
    std::vector<std::string> texts;
    for (const Condition condition : kConditions) {
      SCOPED_TRACE(fmt::format("{}, {}: {}", kind.name, NameOf(call), NameOf(condition)));
      const CellResult cell = cells.Run(call, condition);
      EXPECT_EQ(cell.wrong, "");
      texts.push_back(Text(cell));
    }
    table += Line(NameOf(call), texts);
  }
  ExpectLedger(**capture);
  return table;
}

void ExpectTable(const std::string& name, const std::string& table) {
  fmt::print("{}\n", table);
  const std::string path = std::string(WEFT_SOCKET_TABLES) + "/" + name + ".txt";
  if (std::getenv("WEFT_UPDATE_TABLES") != nullptr) std::ofstream(path) << table;
  std::ifstream file(path);
  std::ostringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(expected.str(), table) << path << " says otherwise";
}

TEST_P(CallTableTest, SeesEveryCallOrCountsTheGap) {
  std::string first;
  for (const SocketKind& kind : kTcp) {
    const std::string table = Table(kind);
    if (first.empty()) first = table;
    EXPECT_EQ(first, table) << kind.name << " differs from " << kTcp[0].name;
  }
  ExpectTable(GetParam().file + "-tcp", Head() + first);
}

TEST_P(CallTableTest, SeesUnixStreamsOrCountsTheGap) {
  ExpectTable(GetParam().file + "-unix", Head() + Table({"Unix", AF_UNIX}));
}

INSTANTIATE_TEST_SUITE_P(Families, CallTableTest, testing::ValuesIn(HookFamilies()), FamilyName);

}  // namespace
}  // namespace weft::test
