#include "sql/serve/reader_pool.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/support/shop_store.h"

namespace weft::serve {
namespace {

constexpr std::string_view kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

TEST(ReaderPool, LendsNoMoreThanItHas) {
  test::ShopStore store;
  SystemClock clock;
  ReaderPool pool({.names = {store.path()}, .readers = 1, .wait_ns = kMillisecond}, clock);
  {
    const auto one = pool.Take();
    ASSERT_TRUE(one);
    const auto two = pool.Take();
    ASSERT_FALSE(two);
    EXPECT_EQ(two.error().code, Code::kFull);
  }
  EXPECT_TRUE(pool.Take());
}

TEST(ReaderPool, EndsAQueryWhoseTimeIsOver) {
  test::ShopStore store;
  SystemClock clock;
  ReaderPool pool({.names = {store.path()}, .query_ns = 20 * kMillisecond}, clock);
  auto lease = pool.Take();
  ASSERT_TRUE(lease);
  const auto sql = lease->Sql();
  ASSERT_TRUE(sql);
  auto endless = (*sql)->Prepare(kEndless);
  ASSERT_TRUE(endless);
  const auto row = endless->Step();
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code, Code::kCancelled);
}

TEST(ReaderPool, EndsWhatRunsWhenItStops) {
  test::ShopStore store;
  SystemClock clock;
  ReaderPool pool({.names = {store.path()}, .query_ns = 3600 * kSecond}, clock);
  auto lease = pool.Take();
  ASSERT_TRUE(lease);
  auto endless = (*lease->Sql())->Prepare(kEndless);
  std::thread stop([&] { pool.Stop(); });
  EXPECT_FALSE(endless->Step());
  stop.join();
  EXPECT_FALSE(pool.Take());
}

TEST(ReaderPool, SeesAFileThatTookThePlaceOfAnother) {
  test::ShopStore store, empty(test::TraceBatch{});
  ManualClock clock;
  ReaderPool pool({.names = {store.path()}}, clock);
  const auto traces = [&] {
    const auto lease = pool.Take();
    return lease ? lease->stores()[0].QueryInt("SELECT count(*) FROM traces").value_or(-1) : -2;
  };
  EXPECT_EQ(traces(), 2);
  const auto folded = sql::Database::OpenForWriting(empty.path());
  ASSERT_TRUE(folded && folded->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  store.db.Close();
  for (const char* companion : {"-wal", "-shm"}) std::filesystem::remove(store.path() + companion);
  std::filesystem::copy_file(empty.path(), store.path() + ".new");
  std::filesystem::rename(store.path() + ".new", store.path());
  clock.Advance(10 * kSecond);
  EXPECT_EQ(traces(), 0);
}

TEST(ReaderPool, NotesEachStoreThatItCannotReadOnce) {
  test::ShopStore store;
  const std::string newer = store.CopyOfVersion(999);
  ManualClock clock;
  std::vector<std::string> notes;
  ReaderPool pool({.names = {store.path() + "*"},
                   .note = [&](const std::string& note) { notes.push_back(note); }},
                  clock);
  for (int i = 0; i < 3; ++i) {
    const auto lease = pool.Take();
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_EQ(lease->stores().size(), 1u);
    EXPECT_EQ(lease->stores().unread().size(), 1u);
    clock.Advance(10 * kSecond);
  }
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find(newer + ": written by a newer weft"), std::string::npos) << notes[0];
}

TEST(ReaderPool, SaysThatThereIsNoStore) {
  SystemClock clock;
  ReaderPool pool({.names = {"/nowhere/weft.db"}}, clock);
  const auto lease = pool.Take();
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace weft::serve
