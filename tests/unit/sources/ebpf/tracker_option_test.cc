// What the tracker makes of a connection's id from a TCP option.
#include "tests/unit/sources/ebpf/tracker_fixture.h"

namespace weft::ebpf {
namespace {

constexpr uint32_t kClientIsn = 5000, kServerIsn = 7000;
constexpr uint32_t kChanged = 0xfffff000;  // what a middlebox adds to the client's numbers

class TrackerOptionTest : public ExchangeTrackerTest {
 protected:
  static weft_option Option(const MadeSocket& socket, weft_end end, uint32_t sent,
                            uint32_t received) {
    weft_option option{};
    option.time_ns = static_cast<uint64_t>(kStart);
    option.cookie = socket.wire.cookie;
    option.id = 4711;
    option.sent_from = sent;
    option.received_from = received;
    option.type = WEFT_RECORD_OPTION;
    option.end = end;
    return option;
  }
  void TellClient() {
    tracker_.OnOption(Option(caller_, WEFT_END_CONNECTED, kClientIsn, kServerIsn));
  }
  void TellServer() {
    tracker_.OnOption(Option(callee_, WEFT_END_ACCEPTED, kServerIsn, kClientIsn + kChanged));
  }
  void Talk(std::string_view requests, std::string_view responses, int64_t at) {
    Feed(caller_.Send(requests, at));
    Feed(callee_.Receive(requests, at + 1));
    Feed(callee_.Send(responses, at + 2));
    Feed(caller_.Receive(responses, at + 3));
  }
  // By side: the ids in order of start.
  std::vector<uint64_t> Ids(uint8_t kind) {
    std::vector<uint64_t> ids;
    for (const Row& row : Rows())
      if (row.kind == kind) ids.push_back(row.option_id);
    return ids;
  }

  MadeSocket caller_{21, 40000, 80, kClientIsn, kServerIsn};
  MadeSocket callee_{22, 80, 40000, kServerIsn, kClientIsn + kChanged};
};

TEST_F(TrackerOptionTest, GivesBothEndsTheSameIdsWhateverHappenedToTheSequenceNumbers) {
  TellClient();
  TellServer();
  for (int i = 0; i < 3; i++) Talk(kRequest, kResponse, kStart + 10 * i);
  const std::vector<uint64_t> ids = Ids(WEFT_KIND_CLIENT);
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids, Ids(WEFT_KIND_SERVER));
  EXPECT_NE(ids[0], 0u);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_NE(ids[1], ids[2]);
}

TEST_F(TrackerOptionTest, GivesPipelinedRequestsIdsOfTheirOwn) {
  TellClient();
  TellServer();
  const std::string requests = std::string(kRequest) + std::string(kRequest);
  Talk(requests, std::string(kResponse) + std::string(kResponse), kStart);
  const std::vector<uint64_t> ids = Ids(WEFT_KIND_CLIENT);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids, Ids(WEFT_KIND_SERVER));
  EXPECT_NE(ids[0], ids[1]);
}

// The client's first send is recorded before its segment is built.
TEST_F(TrackerOptionTest, TakesAnOptionThatIsToldAfterTheFirstSend) {
  Feed(caller_.Send(kRequest, kStart));
  TellClient();
  TellServer();
  Feed(callee_.Receive(kRequest, kStart + 1));
  Feed(callee_.Send(kResponse, kStart + 2));
  Feed(caller_.Receive(kResponse, kStart + 3));
  EXPECT_NE(Ids(WEFT_KIND_CLIENT)[0], 0u);
  EXPECT_EQ(Ids(WEFT_KIND_CLIENT), Ids(WEFT_KIND_SERVER));
}

TEST_F(TrackerOptionTest, TellsTheTwoDirectionsOfAConnectionApart) {
  TellClient();
  Feed(caller_.Send(kRequest, kStart));
  Feed(caller_.Receive(kResponse, kStart + 1));
  const ConnectionOption option(Option(caller_, WEFT_END_CONNECTED, 1, 1));
  EXPECT_NE(option.IdOf(Direction::kSent, 1), option.IdOf(Direction::kReceived, 1));
  const ConnectionOption other(Option(callee_, WEFT_END_ACCEPTED, 1, 1));
  EXPECT_EQ(option.IdOf(Direction::kSent, 1), other.IdOf(Direction::kReceived, 1));
}

TEST_F(TrackerOptionTest, GivesNoIdWithoutAnOption) {
  Talk(kRequest, kResponse, kStart);
  EXPECT_EQ(Ids(WEFT_KIND_CLIENT), std::vector<uint64_t>{0});
}

TEST(WaitingOptions, ForgetsThoseThatNoConnectionTook) {
  WaitingOptions waiting;
  for (uint64_t cookie = 1; cookie <= 100'000; cookie++) {
    weft_option option{};
    option.cookie = option.time_ns = cookie;
    option.id = 7;
    waiting.Add(option);
  }
  EXPECT_EQ(waiting.size(), 65536u);
  EXPECT_NE(waiting.Take(100'000).IdOf(Direction::kSent, 1), 0u);
  EXPECT_EQ(waiting.Take(100'000).IdOf(Direction::kSent, 1), 0u);
  waiting.ForgetBefore(INT64_MAX);
  EXPECT_EQ(waiting.size(), 0u);
}

}  // namespace
}  // namespace weft::ebpf
