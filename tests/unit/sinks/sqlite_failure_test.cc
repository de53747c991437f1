// What the sink does when the file, the disk or the process fails it.
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sinks/sqlite/ledger_writer.h"
#include "sql/schema.h"
#include "tests/unit/sinks/store_fixture.h"

namespace weft::sinks {
namespace {

using SqliteFailureTest = StoreTest;

std::string OpenError(const std::string& path, const Clock& clock, Code* code) {
  SqliteSinkOptions options;
  options.path = path;
  const auto sink = SqliteSink::Open(options, clock);
  if (sink) return "opened";
  *code = sink.error().code;
  return sink.error().message;
}

TEST_F(SqliteFailureTest, RefusesAStoreOfANewerSchemaByName) {
  Open();
  sink_.reset();
  auto db = sql::Database::OpenForWriting(path_);
  ASSERT_TRUE(db && db->Execute("PRAGMA user_version = 999"));
  Code code{};
  EXPECT_NE(OpenError(path_, clock_, &code).find("newer weft (schema 999"), std::string::npos);
  EXPECT_EQ(code, Code::kInvalid);
  EXPECT_NE(Query("SELECT 1").find("newer weft"), std::string::npos);
}

TEST_F(SqliteFailureTest, RefusesADatabaseOfSomethingElseAndLeavesItAlone) {
  auto db = sql::Database::OpenForWriting(path_);
  ASSERT_TRUE(db && db->Execute("CREATE TABLE people(name)"));
  db->Close();
  const auto size = std::filesystem::file_size(path_);
  Code code{};
  EXPECT_NE(OpenError(path_, clock_, &code).find("not a weft store"), std::string::npos);
  EXPECT_EQ(code, Code::kInvalid);
  EXPECT_EQ(std::filesystem::file_size(path_), size);
}

TEST_F(SqliteFailureTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(10'000, 'x');
  Code code{};
  EXPECT_NE(OpenError(path_, clock_, &code).find("not a database"), std::string::npos);
  EXPECT_EQ(code, Code::kCorrupt);
}

TEST_F(SqliteFailureTest, SaysWhyAFolderCannotBeWritten) {
  Code code{};
  EXPECT_NE(OpenError(folder_.File("missing/weft.db"), clock_, &code).find("No such file"),
            std::string::npos);
  EXPECT_EQ(code, Code::kIo);
}

TEST_F(SqliteFailureTest, RefusesWhatIsNoFileInsteadOfWaitingForIt) {
  const std::string pipe = folder_.File("pipe.db");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, folder_.File("")}) {
    Code code{};
    EXPECT_NE(OpenError(path, clock_, &code).find("name another file"), std::string::npos);
    EXPECT_EQ(code, Code::kInvalid);
    const auto db = sql::Database::OpenForReading(path);
    ASSERT_FALSE(db);
    EXPECT_EQ(db.error().code, Code::kInvalid);
  }
}

TEST_F(SqliteFailureTest, ALockedStoreMeansRetryAndNothingIsTaken) {
  Open();
  auto other = sql::Database::OpenForWriting(path_);
  ASSERT_TRUE(other && other->Execute("BEGIN IMMEDIATE"));
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  EXPECT_EQ(Write(batch, test::TraceBatch::Source(1)), WEFT_EXPORT_RETRY);
  EXPECT_NE(error_.message.find("locked"), std::string::npos) << error_.message;
  EXPECT_EQ(sink_->counts().retries, 1u);
  ASSERT_TRUE(other->Execute("ROLLBACK"));
  EXPECT_EQ(Write(batch, test::TraceBatch::Source(1)), WEFT_EXPORT_OK);
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "2");
}

TEST_F(SqliteFailureTest, AFullDiskMeansRetryAndTheSameBatchLandsOnceThereIsRoom) {
  Open();
  test::TraceBatch first, big;
  AddTrace(first, 1, 10);
  ASSERT_EQ(Write(first, test::TraceBatch::Source(1)), WEFT_EXPORT_OK);
  for (uint64_t i = 0; i < 5'000; ++i) AddTrace(big, 100 + i, 1'000 + 2 * i);
  // A file size limit looks like a full disk to SQLite.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 200'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const weft_outcome refused = Write(big, test::TraceBatch::Source(2));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(refused, WEFT_EXPORT_RETRY);
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "2");
  EXPECT_EQ(Write(big, test::TraceBatch::Source(2)), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "10002");
  EXPECT_EQ(Query("PRAGMA integrity_check"), "ok");
}

// Other programs fill the disk and make room again, while batches keep coming.
TEST_F(SqliteFailureTest, ADiskThatIsFullForAWhileLosesNothingAndNeedsNoRestart) {
  if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs the right to mount: run as root";
  const std::string disk = folder_.File("disk");
  std::filesystem::create_directory(disk);
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  ASSERT_EQ(::mount("weft-test", disk.c_str(), "tmpfs", 0, "size=8m"), 0) << std::strerror(errno);
  path_ = disk + "/weft.db";
  SqliteSinkOptions options;
  options.topic = "weft.spans";
  options.max_bytes = 5'000'000;  // keeps the log small too
  Open(options);
  uint64_t stored = 0, refused = 0;
  for (uint64_t round = 1; round <= 12; ++round) {
    if (round % 3 == 0) {
      std::ofstream filler(disk + "/filler", std::ios::binary);
      for (const std::string block(4096, 'x'); filler.write(block.data(), 4096).flush();) {
      }
    }
    test::TraceBatch batch;
    for (uint64_t i = 0; i < 300; ++i) AddTrace(batch, round << 16 | i, round << 16 | i << 1);
    weft_outcome outcome = Write(batch, test::TraceBatch::Source(round));
    if (outcome == WEFT_EXPORT_RETRY) {
      ++refused;
      EXPECT_EQ(Query("SELECT count(*) FROM spans"), std::to_string(stored));
      (void)sink_->Retire();
      std::filesystem::remove(disk + "/filler");
      outcome = Write(batch, test::TraceBatch::Source(round));
    }
    ASSERT_EQ(outcome, WEFT_EXPORT_OK) << error_.message;
    stored += 600;
    std::filesystem::remove(disk + "/filler");
  }
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(sink_->counts().retries, refused);
  EXPECT_EQ(sink_->counts().rows, stored);
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), std::to_string(stored));
  EXPECT_EQ(Query("PRAGMA integrity_check"), "ok");
  sink_.reset();
  ::umount2(disk.c_str(), MNT_DETACH);
}

TEST_F(SqliteFailureTest, ADamagedStoreMeansDropWithAWayOut) {
  Open();
  test::TraceBatch batch;
  for (uint64_t i = 0; i < 2'000; ++i) AddTrace(batch, 100 + i, 1'000 + 2 * i);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  ASSERT_TRUE(sink_->Close());
  sink_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 3; page < 60; ++page) {
      file.seekp(page * 4096);
      file << std::string(4096, '\xee');
    }
  }
  SqliteSinkOptions options;
  options.path = path_;
  auto sink = SqliteSink::Open(options, clock_);
  if (!sink) {
    EXPECT_EQ(sink.error().code, Code::kCorrupt) << sink.error().message;
    return;
  }
  sink_ = std::move(*sink);
  EXPECT_EQ(Write(batch), WEFT_EXPORT_DROP);
  EXPECT_NE(error_.message.find("weft recover"), std::string::npos) << error_.message;
  EXPECT_EQ(sink_->counts().dropped, 4'000u);
}

TEST_F(SqliteFailureTest, AKilledProcessLeavesWholeBatchesAndTheirOffsets) {
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      SqliteSinkOptions options;
      options.path = path_;
      options.topic = "weft.spans";
      auto sink = SqliteSink::Open(options, clock_);
      if (!sink) ::_exit(1);
      for (uint64_t b = 1;; ++b) {
        test::TraceBatch batch;
        const uint64_t base = (static_cast<uint64_t>(round) * 1'000'000 + b) * 1'000;
        for (uint64_t i = 0; i < 100; ++i) AddTrace(batch, base + i, base + 2 * i);
        const api::SpanView view = batch.table.View();
        Error error;
        const weft_source source = test::TraceBatch::Source(b, static_cast<uint64_t>(round) + 1);
        if ((*sink)->Write(view.spans(), batch.Traces(), source, &error) != WEFT_EXPORT_OK)
          ::_exit(2);
        if (b == static_cast<uint64_t>(3 + 4 * round) && ::write(ready[1], "x", 1) != 1) ::_exit(3);
      }
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ::close(ready[0]);
    ::close(ready[1]);
    EXPECT_EQ(Query("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(Query("SELECT count(*) % 200 FROM spans"), "0");
    EXPECT_EQ(Query("SELECT (SELECT count(*) FROM trace_rows WHERE trace_id >= "
                    "x'0000000000000abc' || x'00000000') = (SELECT count(*) FROM span_rows) / 2"),
              "1");
    // The last committed batch and the stored offset agree.
    EXPECT_EQ(Query("SELECT (SELECT count(*) FROM spans WHERE start_ns > 0) >= batch * 200 FROM "
                    "offsets WHERE topic = 'weft.spans'"),
              "1");
  }
}

// Closing any descriptor of the file drops the process's locks on it. Without them the next
// `sqlite3 weft.db` to end took itself for the last connection and deleted the log under a running
// weft, and what was stored from then on was lost by a kill.
TEST_F(SqliteFailureTest, ASecondConnectionOfTheProcessDoesNotDropTheLocksOfTheFirst) {
  Open();
  auto ledger = LedgerWriter::Open(path_, "0.1.0", clock_);
  ASSERT_TRUE(ledger) << ledger.error().message;
  const pid_t child = ::fork();  // a process is never told of its own locks
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    ::_exit(::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "nothing tells other processes that the store is in use";
}

// Two writers took the same row numbers, and one of them lost every batch.
TEST_F(SqliteFailureTest, ASecondWriterIsRefusedAndToldWhoWrites) {
  Open();
  Code code{};
  EXPECT_NE(OpenError(path_, clock_, &code).find(fmt::format("(process {})", ::getpid())),
            std::string::npos);
  EXPECT_EQ(code, Code::kIo);
  sink_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_ + "-lock"));
  EXPECT_EQ(OpenError(path_, clock_, &code), "opened");
}

TEST_F(SqliteFailureTest, ReadersSeeTheNewestRunsLedger) {
  Open();
  auto first = LedgerWriter::Open(path_, "0.1.0", clock_);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(first->Write({{"agent.observed", 10}, {"agent.dropped", 1}}, true));
  auto second = LedgerWriter::Open(path_, "0.1.0", clock_);
  ASSERT_TRUE(second);
  ASSERT_TRUE(second->Write({{"agent.observed", 5}}, false));
  ASSERT_TRUE(second->Write({{"agent.observed", 7}}, false));
  EXPECT_EQ(Query("SELECT group_concat(name || '=' || value) FROM ledger"), "agent.observed=7");
  EXPECT_EQ(Query("SELECT group_concat(ended) FROM runs"), "1,0");
}

}  // namespace
}  // namespace weft::sinks
