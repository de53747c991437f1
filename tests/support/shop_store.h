// ShopStore: a store with the traces of SmallShop in a folder of its own, open for reading.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tests/support/small_shop.h"
#include "tests/support/temp_folder.h"

namespace weft::test {

class ShopStore {
 public:
  ShopStore() : ShopStore(SmallShop()) {}
  explicit ShopStore(const TraceBatch& batch) {
    ManualClock clock(0, kShopNoon);
    sinks::SqliteSinkOptions options;
    options.path = path();
    auto sink = sinks::SqliteSink::Open(options, clock);
    EXPECT_TRUE(sink.has_value()) << sink.error().message;
    const api::SpanView view = batch.table.View();
    Error error;
    EXPECT_EQ((*sink)->Write(view.spans(), batch.Traces(), TraceBatch::Source(1), &error),
              WEFT_EXPORT_OK)
        << error.message;
    auto opened = sql::Database::OpenForReading(path());
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    db = std::move(*opened);
  }
  std::string path() const { return folder_.File("weft.db"); }
  // A store beside this one, which says that it has that schema.
  std::string CopyOfVersion(int version) const {
    const std::string copy = path() + "-copy";
    EXPECT_TRUE(db.Execute("VACUUM INTO '" + copy + "'"));
    const auto opened = sql::Database::OpenForWriting(copy);
    EXPECT_TRUE(opened->Execute("PRAGMA user_version = " + std::to_string(version)));
    return copy;
  }

 private:
  TempFolder folder_;

 public:
  sql::Database db;
};

}  // namespace weft::test
