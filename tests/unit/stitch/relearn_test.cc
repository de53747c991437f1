// What correlators learned is not lost with the owner that learned it.
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/stitch_harness.h"

namespace weft::stitch {
namespace {

using testing::Observation;
using testing::StitchHarness;

constexpr int64_t kT = 1000 * kSecond;  // the harness's clock; a multiple of the saves' period
constexpr int64_t kEvery = 500 * kMillisecond;

// Learns which calls there were.
struct Memory {
  std::vector<uint64_t> calls;
};
Memory& Of(void* instance) { return *static_cast<Memory*>(instance); }

int32_t Correlate(void*, const weft_spans*, weft_candidates*, weft_error*) { return WEFT_OK; }
int32_t Learn(void* instance, const weft_spans* w, const weft_links* links, weft_error*) {
  for (uint32_t i = 0; i < links->n; ++i)
    Of(instance).calls.push_back(w->exchange[links->child[i]]);
  return WEFT_OK;
}
int32_t Save(void* instance, uint64_t, weft_buffer* state, weft_error*) {
  const std::vector<uint64_t>& calls = Of(instance).calls;
  const auto bytes = static_cast<uint32_t>(calls.size() * sizeof calls[0]);
  return state->append(state->ctx, {reinterpret_cast<const char*>(calls.data()), bytes});
}
int32_t Load(void* instance, uint64_t, weft_str state, weft_error*) {
  std::vector<uint64_t>& calls = Of(instance).calls;
  calls.resize(state.size / sizeof calls[0]);
  std::memcpy(calls.data(), state.data, state.size);
  return WEFT_OK;
}
const weft_correlator kMemory{sizeof(weft_correlator), Correlate, Learn, Save, Load, nullptr, 0};

class Relearning : public ::testing::Test {
 protected:
  explicit Relearning(bool taken_over = true)
      : h_(Settings(taken_over), {{"memory", &kMemory, &memory_}}) {}

  static StitchConfig Settings(bool taken_over) {
    StitchConfig config;
    config.partitions = 1;
    config.taken_over = taken_over;
    return config;
  }
  // A request with a call every half second.
  void Work(int times) {
    for (int i = 0; i < times; ++i) {
      const int64_t now = h_.clock.MonotonicNs();
      ++wire_;
      const Observation request{.wire = 100 + wire_, .start = now - 300, .end = now - 100};
      const Observation call{
          .kind = WEFT_KIND_CLIENT, .wire = 10'000 + wire_, .start = now - 250, .end = now - 150};
      h_.Publish({request, call}, now);
      h_.Advance(kEvery);
    }
  }
  uint64_t Committed() const { return h_.transport->CommittedOffset(transport::Stage::kStitch, 0); }
  void Die() {
    memory_.calls.clear();
    h_.TakeOver(0);
    h_.Run();
  }

  Memory memory_;
  StitchHarness h_;
  uint64_t wire_ = 0;
};

class NobodyTakesOver : public Relearning {
 protected:
  NobodyTakesOver() : Relearning(false) {}
};

TEST_F(Relearning, LearnsAgainWhatWasNotSavedYet) {
  for (const int times : {3, 5, 10, 3}) {  // before the first save, and between and after others
    Work(times);
    const std::vector<uint64_t> learned = memory_.calls;
    ASSERT_GT(learned.size(), 0u);
    Die();
    EXPECT_EQ(memory_.calls, learned) << "after " << wire_ << " calls";
  }
  EXPECT_EQ(h_.Count("stitch.relearned_otherwise"), 0u);
  h_.Finish();
  for (const auto& [id, span] : h_.spans()) EXPECT_EQ(span.times, 1);
  EXPECT_EQ(h_.spans().size(), 2 * wire_);
}

TEST_F(Relearning, KeepsTheInputForNoLongerThanUntilTheNextSave) {
  Work(6);
  EXPECT_LE(Committed(), 1u);  // the first window was saved with the second
  Work(30);
  EXPECT_GE(Committed(), wire_ - 14);  // 5 s, and until the windows are decided
  for (int i = 0; i < 5; ++i) h_.Beat();
  EXPECT_GE(Committed(), wire_);  // an idle process holds nothing
}

TEST_F(NobodyTakesOver, KeepsNothing) {
  Work(6);
  EXPECT_GE(Committed(), 2u);
}

}  // namespace
}  // namespace weft::stitch
