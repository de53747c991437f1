// ReplaySource: publishes a recording into a transport, as if its agents were alive.
//
// As fast as the transport admits, or at the recorded pace times `speed`. Where the transport has
// another number of partitions than the recording, batches are split anew (Resharder). Run on one
// thread; Stop from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "engine/transport/transport.h"
#include "sources/publisher.h"
#include "sources/replay/recording.h"

namespace weft::sources {

struct ReplayOptions {
  double speed = 0;         // 0: no pacing; 1: as recorded; 2: twice as fast
  bool drop_truth = false;  // publish as if it had not been captured
  // Goes on for a process that was killed: what was recorded in the first `from_ns` has been
  // published, and the pace is that of a replay which began then (Unix; 0: begins now).
  int64_t from_ns = 0;
  int64_t begun_unix_ns = 0;
};

class ReplaySource {
 public:
  // All outlive this. `clock` is what pacing is measured by.
  ReplaySource(RecordingReader& reader, transport::Publisher& transport,
               const ReplayOptions& options, const Clock& clock, Metrics& metrics);

  // Until the recording's end or Stop (kCancelled). Damage in the file is no failure: see the
  // reader's totals and replay.corrupt_records. Ledger: agent.observed = agent.published
  // + agent.dropped + agent.queued (gauge: on their way); agent.announced.
  Result<void> Run();
  void Stop();

 private:
  Result<void> Publish(const transport::OutRecord& record);
  bool WasPublished(int64_t append_ns);
  Result<void> Pace(int64_t append_ns);
  bool stopped();

  RecordingReader& reader_;
  transport::Publisher& transport_;
  const ReplayOptions options_;
  const Clock& clock_;
  Counter &records_, &observed_, &announced_, &undecodable_, &corrupt_;
  const std::shared_ptr<PublishReceipt> receipt_;  // shared with the records on their way
  int64_t first_append_ns_ = 0, began_ns_ = 0;
  bool began_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
};

}  // namespace weft::sources
