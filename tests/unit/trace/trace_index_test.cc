#include "engine/trace/trace_index.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace weft::trace {
namespace {

TEST(TraceIndex, BehavesLikeAMapUnderRandomInsertsAndErases) {
  TraceIndex index;
  std::map<uint64_t, uint32_t> model;
  std::mt19937_64 random(7);
  for (uint32_t step = 0; step < 200'000; ++step) {
    const uint64_t key = random() % 3000;
    const api::TraceId id{key, key * 3};
    const auto it = model.find(key);
    ASSERT_EQ(index.Find(id), it == model.end() ? TraceIndex::kNone : it->second);
    if (it == model.end()) {
      index.Insert(id, step);
      model[key] = step;
    } else {
      index.Erase(id);
      model.erase(it);
    }
    ASSERT_EQ(index.size(), model.size());
  }
}

TEST(TraceIndex, IgnoresTheEraseOfAnUnknownId) {
  TraceIndex index;
  index.Insert({1, 2}, 5);
  index.Erase({3, 4});
  EXPECT_EQ(index.Find({1, 2}), 5u);
}

}  // namespace
}  // namespace weft::trace
