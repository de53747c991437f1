#include "engine/stitch/correlator_chain.h"

#include <gtest/gtest.h>

#include "engine/api/span_table.h"

namespace weft::stitch {
namespace {

struct Fickle {
  bool fails = false;
  int learned = 0;
};
Fickle& Of(void* instance) { return *static_cast<Fickle*>(instance); }

int32_t Correlate(void* instance, const weft_spans*, weft_candidates*, weft_error*) {
  return Of(instance).fails ? WEFT_FAILED : WEFT_OK;
}
int32_t Learn(void* instance, const weft_spans*, const weft_links*, weft_error*) {
  ++Of(instance).learned;
  return WEFT_OK;
}
const weft_correlator kFickle{
    sizeof(weft_correlator), Correlate, Learn, nullptr, nullptr, nullptr, 0};

TEST(CorrelatorChain, DoesNotTeachACorrelatorAWindowInWhichItFailed) {
  Fickle first, second;
  Metrics metrics;
  const auto log = NullLogger();
  CorrelatorChain chain({{"first", &kFickle, &first}, {"second", &kFickle, &second}}, {}, metrics,
                        *log);
  const api::SpanTable none;
  const api::SpanView view = none.View();
  first.fails = true;
  chain.Decide(view.spans());
  EXPECT_EQ(first.learned, 0);
  EXPECT_EQ(second.learned, 1);
  first.fails = false;
  chain.Decide(view.spans());
  EXPECT_EQ(first.learned, 1);
  EXPECT_EQ(second.learned, 2);
}

}  // namespace
}  // namespace weft::stitch
