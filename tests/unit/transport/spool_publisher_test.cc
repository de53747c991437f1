#include "engine/transport/spool_publisher.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <set>
#include <thread>

#include "tests/unit/transport/spool_fixture.h"

namespace weft::transport {
namespace {

// Brokers that can be cut off: then nothing is taken, or taken and not acknowledged.
class Brokers final : public Publisher {
 public:
  enum class State { kUp, kSilent, kFull };

  uint32_t partitions() const override { return 4; }
  int64_t LogTimeNs() const override { return clock_.MonotonicNs(); }
  Result<void> Publish(OutRecord record, int64_t) override {
    std::unique_lock lock(mutex_);
    if (state_ == State::kFull) return Fail(Code::kFull, "not now");
    waiting_.push_back(std::move(record));
    if (state_ == State::kUp) Acknowledge(lock);
    return {};
  }
  void CloseSources() override {}

  // A client ends: what it has no acknowledgement of is not delivered, as far as it knows.
  void HangUp() {
    std::vector<OutRecord> records;
    {
      const std::lock_guard lock(mutex_);
      records.swap(waiting_);
    }
    for (const OutRecord& record : records) record.Settle(false);
  }
  void Set(State state) {
    std::unique_lock lock(mutex_);
    state_ = state;
    if (state == State::kUp) Acknowledge(lock);
  }
  std::vector<uint64_t> Log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

 private:
  void Acknowledge(std::unique_lock<std::mutex>& lock) {
    std::vector<OutRecord> records;
    records.swap(waiting_);
    for (const OutRecord& record : records)
      log_.push_back(std::stoull(std::string(record.payload->bytes())));
    lock.unlock();
    for (const OutRecord& record : records) record.Settle(true);
  }

  SystemClock clock_;
  std::mutex mutex_;
  State state_ = State::kUp;
  std::vector<OutRecord> waiting_;
  std::vector<uint64_t> log_;
};

class SpoolPublisherTest : public SpoolFixture {
 protected:
  // The brokers outlive the publisher, which wants to own its inner one.
  class Connection final : public Publisher {
   public:
    explicit Connection(Brokers& brokers) : brokers_(brokers) {}
    ~Connection() override { brokers_.HangUp(); }
    uint32_t partitions() const override { return brokers_.partitions(); }
    int64_t LogTimeNs() const override { return brokers_.LogTimeNs(); }
    Result<void> Publish(OutRecord record, int64_t deadline_ns) override {
      return brokers_.Publish(std::move(record), deadline_ns);
    }
    void CloseSources() override {}

   private:
    Brokers& brokers_;
  };

  std::unique_ptr<SpoolPublisher> Start(SpoolPublisherOptions options) {
    options.spool.folder = Options().folder;
    options.spool.farewells = false;
    auto publisher = SpoolPublisher::Open(options, std::make_unique<Connection>(brokers_),
                                          system_clock_, metrics_, *log_);
    EXPECT_TRUE(publisher.has_value()) << publisher.error().message;
    return publisher ? std::move(*publisher) : nullptr;
  }
  void Publish(SpoolPublisher& publisher, uint64_t first, uint64_t end, size_t bytes = 200) {
    for (uint64_t n = first; n < end; ++n)
      ASSERT_TRUE(publisher.Publish(Numbered(n, bytes), publisher.LogTimeNs()).has_value());
  }
  static uint64_t Observations(uint64_t first, uint64_t end) {
    uint64_t sum = 0;
    for (; first < end; ++first) sum += first % 10;
    return sum;
  }

  SystemClock system_clock_;
  Brokers brokers_;
};

TEST_F(SpoolPublisherTest, PublishesInOrderAndLeavesNothing) {
  auto publisher = Start({});
  Publish(*publisher, 1, 1001);
  publisher.reset();
  EXPECT_EQ(brokers_.Log(), Range(1, 1001));
  EXPECT_TRUE(Files().empty());
}

TEST_F(SpoolPublisherTest, TakesRecordsWhileNoBrokerAnswersAndGivesThemInOrderThen) {
  brokers_.Set(Brokers::State::kFull);
  SpoolPublisherOptions options;
  options.spool.memory_bytes = 20'000;
  options.spool.segment_bytes = 50'000;
  auto publisher = Start(options);
  Publish(*publisher, 1, 3001);
  EXPECT_TRUE(brokers_.Log().empty());
  brokers_.Set(Brokers::State::kUp);
  publisher.reset();
  EXPECT_EQ(brokers_.Log(), Range(1, 3001));
  EXPECT_EQ(tally_->delivered, Observations(1, 3001));
  EXPECT_GT(Count("spool.read_back_records"), 2000u);
}

TEST_F(SpoolPublisherTest, WhatWasNotAcknowledgedAtTheEndIsTheSuccessors) {
  brokers_.Set(Brokers::State::kSilent);
  SpoolPublisherOptions options;
  options.close_wait_ns = 0;
  auto publisher = Start(options);
  Publish(*publisher, 1, 101);
  publisher.reset();
  EXPECT_EQ(tally_->dropped, 0u);

  brokers_.Set(Brokers::State::kUp);
  publisher = Start({});
  Publish(*publisher, 101, 111);
  publisher.reset();
  EXPECT_EQ(brokers_.Log(), Range(1, 111));
  EXPECT_EQ(tally_->delivered, Observations(101, 111));
  EXPECT_EQ(Count("spool.recovered_published"), Observations(1, 101));
}

TEST_F(SpoolPublisherTest, DropsTheOldestForALiveSourceAndTheSumsHold) {
  brokers_.Set(Brokers::State::kFull);
  SpoolPublisherOptions options;
  options.spool.max_bytes = 100'000;
  options.spool.segment_bytes = 10'000;
  options.spool.memory_bytes = 10'000;
  auto publisher = Start(options);
  Publish(*publisher, 1, 2001);
  EXPECT_GT(tally_->dropped, 0u);
  brokers_.Set(Brokers::State::kUp);
  publisher.reset();
  EXPECT_EQ(tally_->dropped + tally_->delivered, Observations(1, 2001));
  EXPECT_EQ(Count("spool.dropped{partition=0}"), tally_->dropped);
  const auto log = brokers_.Log();
  EXPECT_TRUE(std::is_sorted(log.begin(), log.end()));
  EXPECT_EQ(log.back(), 2000u);
}

TEST_F(SpoolPublisherTest, MakesASourceWaitThatCan) {
  brokers_.Set(Brokers::State::kFull);
  SpoolPublisherOptions options;
  options.spool.max_bytes = 100'000;
  options.spool.segment_bytes = 10'000;
  options.wait_when_full = true;
  auto publisher = Start(options);
  uint64_t n = 1;
  while (publisher->Publish(Numbered(n, 200), publisher->LogTimeNs()).has_value()) ++n;
  EXPECT_GT(n, 100u);
  brokers_.Set(Brokers::State::kUp);
  EXPECT_TRUE(publisher->Publish(Numbered(n, 200), publisher->LogTimeNs() + 60 * kSecond));
  publisher.reset();
  EXPECT_EQ(brokers_.Log(), Range(1, n + 1));
  EXPECT_EQ(tally_->dropped, 0u);
}

TEST_F(SpoolPublisherTest, SyncsWhatWaits) {
  brokers_.Set(Brokers::State::kFull);
  SpoolPublisherOptions options;
  options.sync_every_ns = 1;
  options.close_wait_ns = 0;
  auto publisher = Start(options);
  Publish(*publisher, 1, 11);
  while (Count("spool.syncs") == 0) std::this_thread::yield();
}

TEST_F(SpoolPublisherTest, RefusesWhatIsNoRecordAndSourcesAfterTheEnd) {
  auto publisher = Start({});
  EXPECT_EQ(publisher->Publish(Numbered(1, 10, 4), 0).error().code, Code::kInvalid);
  publisher->CloseSources();
  EXPECT_EQ(publisher->Publish(Numbered(1), 0).error().code, Code::kCancelled);
}

// The other end of a child's pipe.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  void Write(uint64_t n) const { (void)!write(ends_[1], &n, sizeof n); }
  bool Read(uint64_t* n) const { return read(ends_[0], n, sizeof *n) == sizeof *n; }
  void CloseWriter() { close(std::exchange(ends_[1], -1)); }

 private:
  int ends_[2];
};

// Acknowledges every record, but not the last few: they are on their way when the process dies.
class PipeBrokers final : public Publisher {
 public:
  explicit PipeBrokers(const Pipe& pipe) : pipe_(pipe) {}
  ~PipeBrokers() override {
    for (const OutRecord& record : waiting_) record.Settle(false);
  }
  uint32_t partitions() const override { return 4; }
  int64_t LogTimeNs() const override { return clock_.MonotonicNs(); }
  Result<void> Publish(OutRecord record, int64_t) override {
    pipe_.Write(std::stoull(std::string(record.payload->bytes())));
    waiting_.push_back(std::move(record));
    if (waiting_.size() < 5) return {};
    waiting_.front().Settle(true);
    waiting_.erase(waiting_.begin());
    return {};
  }
  void CloseSources() override {}

 private:
  SystemClock clock_;
  const Pipe& pipe_;
  std::vector<OutRecord> waiting_;
};

TEST_F(SpoolPublisherTest, LosesNothingThatItTookWhenItsProcessIsKilledAnywhere) {
  std::mt19937 random(7);
  std::set<uint64_t> taken, delivered;
  uint64_t next = 1;
  for (int round = 0; round < 15; ++round) {
    Pipe took, sent;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      SpoolPublisherOptions options;
      options.spool.folder = Options().folder;
      options.spool.farewells = false;
      options.spool.segment_bytes = 20'000;
      options.spool.memory_bytes = 5'000;
      auto publisher = SpoolPublisher::Open(options, std::make_unique<PipeBrokers>(sent),
                                            system_clock_, metrics_, *log_);
      if (!publisher) _exit(1);
      for (uint64_t n = next;; ++n) {
        if (!(*publisher)->Publish(Numbered(n, 100 + n % 700), INT64_MAX)) _exit(1);
        took.Write(n);
      }
    }
    took.CloseWriter();
    sent.CloseWriter();
    std::thread reader([&] {
      uint64_t n = 0, before = 0;
      while (sent.Read(&n)) {
        EXPECT_GT(n, before);
        before = n;
        delivered.insert(n);
      }
    });
    uint64_t n = 0;
    for (auto left = 1 + random() % 600; left > 0 && took.Read(&n); --left) taken.insert(n);
    kill(child, SIGKILL);
    while (took.Read(&n)) taken.insert(n);
    int status = 0;
    waitpid(child, &status, 0);
    reader.join();
    EXPECT_TRUE(WIFSIGNALED(status));
    next = *taken.rbegin() + 2;  // one may have been taken without our hearing of it
  }
  auto publisher = Start({});
  publisher.reset();
  for (const uint64_t n : brokers_.Log()) delivered.insert(n);
  for (const uint64_t n : taken) EXPECT_TRUE(delivered.contains(n)) << n;
  EXPECT_GT(taken.size(), 1000u);
  EXPECT_EQ(Count("spool.damaged_records"), 0u);
}

}  // namespace
}  // namespace weft::transport
