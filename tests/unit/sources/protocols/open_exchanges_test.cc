#include "sources/ebpf/protocols/open_exchanges.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf {
namespace {

TEST(OpenExchanges, KeepsTheOrderWhenOneLeavesTheMiddle) {
  OpenBudget budget;
  OpenExchanges open(100, SIZE_MAX, budget);
  for (uint32_t i = 0; i < 10; ++i) {
    std::unique_ptr<Exchange> exchange = open.Acquire();
    exchange->tag = i;
    open.Append(std::move(exchange));
  }
  size_t place = 0;
  open.GiveBack(open.Remove(&open[3], &place));
  EXPECT_EQ(place, 3u);
  open.GiveBack(open.Remove(&open[0], &place));
  std::string order;
  for (size_t i = 0; i < open.size(); ++i) order += std::to_string(open[i].tag);
  EXPECT_EQ(order, "12456789");
}

TEST(OpenExchanges, GivesItsPartOfTheBudgetBack) {
  OpenBudget budget;
  {
    OpenExchanges open(100, SIZE_MAX, budget);
    open.Append(open.Acquire());
    EXPECT_GE(budget.used, sizeof(Exchange));
    size_t place = 0;
    open.Remove(&open.front(), &place);
    EXPECT_EQ(budget.used, 0u);
    open.Append(open.Acquire());
  }
  EXPECT_EQ(budget.used, 0u);
}

TEST(OpenExchanges, OfAllTalksUseOneAnothersObjectsAgain) {
  OpenBudget budget;
  OpenExchanges one(100, SIZE_MAX, budget), other(100, SIZE_MAX, budget);
  std::unique_ptr<Exchange> exchange = one.Acquire();
  const Exchange* const object = exchange.get();
  exchange->tag = 7;
  exchange->operation.assign(100, 'x');
  one.GiveBack(std::move(exchange));
  exchange = other.Acquire();
  EXPECT_EQ(exchange.get(), object);
  EXPECT_EQ(exchange->tag, 0u);
  EXPECT_EQ(budget.spare_bytes, 0u);
}

TEST(OpenExchanges, KeepNoMoreObjectsThanAMegabyteOfThem) {
  OpenBudget budget;
  OpenExchanges open(5000, SIZE_MAX, budget);
  std::vector<std::unique_ptr<Exchange>> taken;
  for (int i = 0; i < 5000; ++i) taken.push_back(open.Acquire());
  for (auto& exchange : taken) open.GiveBack(std::move(exchange));
  EXPECT_GT(budget.spare.size(), 1000u);
  EXPECT_LE(budget.spare_bytes, 1u << 20);
}

struct Ignore final : ExchangeSink {
  void OnClosed(const Exchange&) override {}
};

TEST(OpenExchanges, AreBoundedInBytesWhereNobodyAnswers) {
  Metrics metrics;
  ProtocolSettings settings;
  settings.open_bytes = 64 << 10;
  settings.open_bytes_total = 100 << 10;
  const ProtocolSet set(settings, metrics);
  Ignore sink;
  Conversation one(set, sink, true), other(set, sink, true);
  const std::string request = "GET /" + std::string(300, 'x') + " HTTP/1.1\r\n\r\n";
  uint64_t position = 0;
  for (int i = 0; i < 1000; ++i) {
    for (Conversation* conversation : {&one, &other}) {
      conversation->Feed(Direction::kReceived, {position, request, request.size(), {}});
      EXPECT_LT(conversation->MemoryBytes(), 100u << 10);
    }
    EXPECT_LT(set.open_budget().used, 110u << 10);
    position += request.size();
  }
  EXPECT_GT(metrics.Get("protocols.overflow").Get(), 10u);
}

}  // namespace
}  // namespace weft::ebpf
