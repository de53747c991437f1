#include "engine/eval/stage_run.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/eval/known_shop.h"

namespace weft::eval {
namespace {

// A correlator that remembers everything it was shown, and names the request that began first.
struct Witness {
  uint64_t windows = 0, learned = 0, rows_to_decide = 0;
  bool saw_truth = false, saw_trace = false, saw_order = true;
  std::set<uint64_t> span_ids;

  static const weft_correlator* Table() {
    static const weft_correlator table = [] {
      weft_correlator t{};
      t.struct_size = sizeof t;
      t.correlate = [](void* self, const weft_spans* w, weft_candidates* io,
                       weft_error*) -> int32_t {
        static_cast<Witness*>(self)->See(*w);
        for (uint32_t child = 0; child < w->n; ++child)
          for (uint32_t row = 0; row < w->n; ++row)
            if (w->kind[child] == WEFT_KIND_CLIENT && w->role[child] == WEFT_ROLE_DECIDE &&
                w->kind[row] == WEFT_KIND_SERVER && w->start_ns[row] <= w->start_ns[child]) {
              if (io->n == io->capacity) io->grow(io, io->n + 64);
              io->child[io->n] = child;
              io->candidate[io->n] = row;
              io->log_odds[io->n] = 5 - 0.001F * static_cast<float>(row);
              io->evidence[io->n++] = WEFT_EVIDENCE_CUSTOM;
            }
        return WEFT_OK;
      };
      t.learn = [](void* self, const weft_spans*, const weft_links* links, weft_error*) -> int32_t {
        static_cast<Witness*>(self)->learned += links->n;
        return WEFT_OK;
      };
      return t;
    }();
    return &table;
  }

  void See(const weft_spans& w) {
    ++windows;
    saw_truth |= w.truth != nullptr || w.n_truth_strings != 0;
    for (uint32_t i = 0; i < w.n; ++i) {
      rows_to_decide += w.role[i] == WEFT_ROLE_DECIDE;
      span_ids.insert(w.span_id[i]);
      if (w.role[i] != WEFT_ROLE_DECIDE) continue;
      saw_trace |= w.trace_hi != nullptr && (w.trace_hi[i] | w.trace_lo[i]) != 0;
      saw_truth |= w.parent_id != nullptr && w.parent_id[i] != 0;
    }
  }
};

class StageRunTest : public ::testing::Test {
 protected:
  StageRun Run(const KnownTraces& known, Witness& witness) {
    auto run = RunStage(known, {{"witness", Witness::Table(), &witness}}, {}, {metrics_, *log_});
    EXPECT_TRUE(run) << run.error().message;
    return std::move(*run);
  }
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
};

KnownShop ManyRequests() {
  KnownShop shop;
  for (int i = 0; i < 500; ++i) {
    const int32_t request = shop.Request(37 * i, 37 * i + 30);
    const int32_t call = shop.Call(request, 37 * i + 5, 37 * i + 20);
    shop.Request(37 * i + 6, 37 * i + 19, call, 2);
  }
  return shop;
}

TEST_F(StageRunTest, DecidesEveryCallThroughTheEnginesStageOne) {
  KnownShop shop = ManyRequests();
  Witness witness;
  const StageRun run = Run(shop.known(), witness);
  EXPECT_EQ(witness.learned, 500u);
  const Score score = Evaluate(shop.known(), Ambiguous(shop.known()), run.parents);
  EXPECT_DOUBLE_EQ(score.trace_exact, 1);
  EXPECT_GT(run.seconds, 0);
}

TEST_F(StageRunTest, ShowsACorrelatorNothingOfTheTruth) {
  KnownShop shop = ManyRequests();
  Witness witness;
  Run(shop.known(), witness);
  EXPECT_GT(witness.rows_to_decide, 0u);
  EXPECT_FALSE(witness.saw_truth);
  EXPECT_FALSE(witness.saw_trace);
}

// The truth may say what it likes: what is decided is the same.
TEST_F(StageRunTest, DecidesTheSameWhateverTheTruthIs) {
  KnownShop shop = ManyRequests(), lies = ManyRequests();
  for (KnownSpan& span : lies.known().spans) {
    if (span.call) span.parent = 0;
    span.trace = 0;
  }
  Witness witness;
  const StageRun told = Run(shop.known(), witness), lied = Run(lies.known(), witness);
  EXPECT_EQ(told.parents, lied.parents);
  EXPECT_EQ(told.confidence, lied.confidence);
}

TEST_F(StageRunTest, GivesTheSameAnswerEveryTime) {
  KnownShop shop = ManyRequests();
  Witness one, two;
  EXPECT_EQ(Run(shop.known(), one).parents, Run(shop.known(), two).parents);
  EXPECT_EQ(one.span_ids, two.span_ids);
}

TEST_F(StageRunTest, BridgesAnHourWithoutATrace) {
  KnownShop shop;
  const int32_t early = shop.Request(0, 50), first = shop.Call(early, 10, 20);
  const int32_t late = shop.Request(3'600'000, 3'600'050),
                second = shop.Call(late, 3'600'010, 3'600'020);
  Witness witness;
  const StageRun run = Run(shop.known(), witness);
  EXPECT_EQ(run.parents[static_cast<size_t>(first)], early);
  EXPECT_EQ(run.parents[static_cast<size_t>(second)], late);
}

}  // namespace
}  // namespace weft::eval
