// SpoolPublisher: a Publisher in front of another one that keeps what it takes on disk until the
// other one has it for good.
//
// Between an agent's sources and KafkaTransport. Publish never waits for brokers: it appends to the
// Spool, from which a thread of its own publishes in order. What is not delivered by the end is
// published by the process that opens the folder next, before its own. Any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/transport/spool.h"

namespace weft::transport {

struct SpoolPublisherOptions {
  SpoolOptions spool;
  // A full spool makes Publish wait (kFull at its deadline) instead of dropping what is oldest: for
  // sources that can wait, such as recordings.
  bool wait_when_full = false;
  // A power failure may take records that were not delivered and are younger than this.
  int64_t sync_every_ns = kSecond;
  int64_t close_wait_ns = 10 * kSecond;  // how long the end waits for deliveries
};

class SpoolPublisher final : public Publisher {
 public:
  // References outlive the publisher; `inner` ends with it.
  static Result<std::unique_ptr<SpoolPublisher>> Open(const SpoolPublisherOptions& options,
                                                      std::unique_ptr<Publisher> inner,
                                                      const Clock& clock, Metrics& metrics,
                                                      Logger& log);
  // Closes to sources, waits close_wait_ns for deliveries, then ends `inner`. What is left stays.
  ~SpoolPublisher() override;

  uint32_t partitions() const override { return inner_->partitions(); }
  int64_t LogTimeNs() const override { return inner_->LogTimeNs(); }
  // kFull only with wait_when_full.
  Result<void> Publish(OutRecord record, int64_t deadline_ns) override;
  void CloseSources() override;

 private:
  class Acknowledgements;

  SpoolPublisher(const SpoolPublisherOptions& options, std::unique_ptr<Publisher> inner,
                 const Clock& clock, Logger& log)
      : options_(options), inner_(std::move(inner)), clock_(clock), log_(log) {}
  void Run();
  // False: the inner publisher takes nothing any more.
  bool Offer(const OutRecord& record);
  void SyncWhenDue();

  const SpoolPublisherOptions options_;
  std::unique_ptr<Publisher> inner_;
  const Clock& clock_;
  Logger& log_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Spool> spool_;
  bool closed_ = false;    // to sources
  bool stopping_ = false;  // the thread ends; what is not delivered stays
  int64_t next_sync_ns_ = 0;
  std::shared_ptr<Acknowledgements> receipt_;  // shared with the records on their way
  std::thread thread_;
};

}  // namespace weft::transport
