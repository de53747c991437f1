// The two keys by which requests find their callers, on real connections between namespaces.
#include "tests/integration/wire/wire_fixture.h"

namespace weft::test {
namespace {

using ebpf::TcpOptionPeers;

TEST_F(WireTest, PlainConnectionsJoinWithAndWithoutTheOption) {
  Namespace a("a"), b("b");
  Namespace::Connect(a, "10.77.1.1/24", b, "10.77.1.2/24");
  ASSERT_EQ(a.errors() + b.errors(), "");
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    AddTalk(a, b, {.address = "10.77.1.2", .connections = 20, .requests = 50});
    const Joined joined = Trace(peers);
    ExpectJoined(joined, 1000);
    EXPECT_EQ(joined.same_wire, 1000u);
    EXPECT_EQ(joined.with_option, peers == TcpOptionPeers::kAll ? 1000u : 0u);
    EXPECT_EQ(joined.option_ids, joined.with_option);
  }
}

}  // namespace
}  // namespace weft::test
