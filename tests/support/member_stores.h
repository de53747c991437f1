// MemberStores: the files of several members of a group, each written through a sink of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tests/support/small_shop.h"
#include "tests/support/temp_folder.h"

namespace weft::test {

class MemberStores {
 public:
  explicit MemberStores(size_t members) : sinks_(members) {
    for (size_t member = 0; member < members; ++member) Restart(member);
  }

  // As after a kill -9: what was committed is there.
  void Restart(size_t member) {
    sinks_[member].reset();
    sinks::SqliteSinkOptions options;
    options.path = Path(member);
    options.topic = "weft.spans";
    auto sink = sinks::SqliteSink::Open(options, clock_);
    ASSERT_TRUE(sink.has_value()) << sink.error().message;
    sinks_[member] = std::move(*sink);
  }

  void Write(size_t member, const TraceBatch& batch, uint64_t number, uint64_t generation = 1) {
    const api::SpanView view = batch.table.View();
    Error error;
    ASSERT_EQ(sinks_[member]->Write(view.spans(), batch.Traces(),
                                    TraceBatch::Source(number, generation), &error),
              WEFT_EXPORT_OK)
        << error.message;
  }

  const sinks::SqliteSinkCounts& Counts(size_t member) const { return sinks_[member]->counts(); }
  std::string Path(size_t member) const {
    return folder_.File("weft-" + std::to_string(member) + ".db");
  }
  std::string Pattern() const { return folder_.File("weft-*.db"); }

 private:
  TempFolder folder_;
  ManualClock clock_{0, kShopNoon};
  std::vector<std::unique_ptr<sinks::SqliteSink>> sinks_;
};

}  // namespace weft::test
