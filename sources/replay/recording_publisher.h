// RecordingPublisher: a transport::Publisher that also writes what its sources publish to a
// recording.
//
// Put between the sources and the transport by `weft record`. What the transport did not admit is
// not recorded. A recording that fails (a full disk) does not stop the tracing: the failure is kept
// for the end, and counted in recording.lost_records. Any thread.
#pragma once

#include <mutex>

#include "engine/base/metrics.h"
#include "sources/replay/recording.h"

namespace weft::sources {

class RecordingPublisher final : public transport::Publisher {
 public:
  // All three outlive this.
  RecordingPublisher(transport::Publisher& inner, RecordingWriter& writer, Metrics& metrics)
      : inner_(inner),
        writer_(writer),
        records_(metrics.Get("recording.records")),
        bytes_(metrics.Get("recording.bytes")),
        lost_(metrics.Get("recording.lost_records")) {}

  uint32_t partitions() const override { return inner_.partitions(); }
  int64_t LogTimeNs() const override { return inner_.LogTimeNs(); }
  Result<void> Publish(transport::OutRecord record, int64_t deadline_ns) override;
  void CloseSources() override { inner_.CloseSources(); }

 private:
  transport::Publisher& inner_;
  RecordingWriter& writer_;
  Counter &records_, &bytes_, &lost_;
  std::mutex mutex_;
};

}  // namespace weft::sources
