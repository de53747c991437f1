// TraceReplay: traces of others to stage 2, which stores them as they are.
//
// They have their ids and parents already, so no correlator is asked; their spans meet in the
// partition of their trace. Run from one thread; Stop from any, and Run returns soon.
// Ledger: otlp.spans (what was handed on), replay.malformed.
#pragma once

#include <atomic>

#include "engine/base/metrics.h"
#include "engine/transport/transport.h"
#include "sources/replay/trace_file.h"

namespace weft::sources {

class TraceReplay {
 public:
  // All outlive it. The transport must take kSpans of sources: memory does.
  TraceReplay(TraceFile& file, transport::Publisher& transport, Metrics& metrics);

  // kCancelled when stopped.
  Result<void> Run();
  void Stop() { stop_ = true; }

 private:
  Result<void> Hand(const api::SpanTable& table);
  Result<void> Publish(const transport::OutRecord& record);

  TraceFile& file_;
  transport::Publisher& transport_;
  Counter &spans_, &malformed_;
  std::atomic<bool> stop_ = false;
};

}  // namespace weft::sources
