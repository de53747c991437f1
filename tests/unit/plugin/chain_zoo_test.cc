// What the engine does with correlators that misbehave after they were loaded.
#include <gtest/gtest.h>

#include "engine/api/span_table.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/stitch/correlator_chain.h"

namespace weft::plugin {
namespace {

// A request and a call in it, decided by a chain of animals of the zoo.
class ChainZoo : public ::testing::Test {
 protected:
  ChainZoo() {
    table_.AddProcess(1, "host", "shop", "", 1);
    for (const weft_kind kind : {WEFT_KIND_SERVER, WEFT_KIND_CLIENT}) {
      const uint32_t row = table_.AddRow();
      table_.kind[row] = static_cast<uint8_t>(kind);
      table_.start_ns[row] = 1000 + row;
      table_.end_ns[row] = 9000;
    }
    view_ = table_.View();
    view_.spans_.role = roles_;
  }

  stitch::LinkDecision Decide(const std::vector<std::string>& names) {
    std::vector<stitch::ChainLink> links;
    instances_.reserve(names.size());
    PluginLoader loader(ZOO_FOLDER);
    for (const std::string& name : names) {
      auto loaded = loader.Load(Kind::kCorrelator, name);
      EXPECT_TRUE(loaded) << loaded.error().message;
      auto made = PluginInstance::Create(*loaded, "{}", {*log_, metrics_, clock_});
      EXPECT_TRUE(made) << made.error().message;
      const auto& instance = instances_.emplace_back(std::move(*made));
      links.push_back({name, &instance.correlator(), instance.handle()});
    }
    stitch::CorrelatorChain chain(std::move(links), {}, metrics_, *log_);
    const auto& decider = chain.Decide(view_.spans());
    EXPECT_EQ(decider.decisions().size(), 1u);
    return decider.decisions().at(0);
  }

  uint64_t Counted(std::string_view part) {
    uint64_t sum = 0;
    for (const auto& [name, value] : metrics_.Snapshot())
      if (name.find(part) != std::string::npos) sum += value;
    return sum;
  }

  api::SpanTable table_;
  const uint8_t roles_[2] = {WEFT_ROLE_DECIDE, WEFT_ROLE_DECIDE};
  api::SpanView view_;
  const std::unique_ptr<Logger> log_ = NullLogger();
  Metrics metrics_;
  const ManualClock clock_;
  std::vector<PluginInstance> instances_;
};

TEST_F(ChainZoo, IgnoresAndCountsRowsThatAreNotThere) {
  const auto decision = Decide({"garbage-rows"});
  EXPECT_EQ(decision.parent, 0u);
  EXPECT_GT(Counted("ignored"), 0u);
}

TEST_F(ChainZoo, PassesOverACorrelatorThatFails) {
  const auto decision = Decide({"correlate-fails", "healthy"});
  EXPECT_EQ(decision.parent, 0u);
  EXPECT_GT(Counted("fail"), 0u);
}

}  // namespace
}  // namespace weft::plugin
