// EbpfSource: the agent. Loads the kernel programs, reads their rings and publishes observations of
// every exchange that the selected processes take part in.
//
// `weft run` and `weft agent` own one. Start loads and attaches (needs the rights that ProbeHost
// lists) and starts the one thread that does everything else; Stop detaches, drains the rings,
// publishes what is still open as OPEN_AT_EXIT and joins the thread. Errors after Start are
// counted and logged, never fatal. Start and Stop from one thread; the rest from any.
#pragma once

#include <memory>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/transport/transport.h"
#include "sources/ebpf/ebpf_config.h"
#include "sources/ebpf/hook_family.h"

namespace weft::ebpf {

class EbpfSource {
 public:
  // kDenied, kUnsupported or kInvalid with the remedy in the message. References must outlive the
  // source.
  static Result<std::unique_ptr<EbpfSource>> Start(const EbpfConfig& config,
                                                   transport::Publisher& transport,
                                                   const Clock& clock, Metrics& metrics,
                                                   Logger& logger);
  // Calls Stop.
  ~EbpfSource();

  // In order and complete; kFull when the transport did not take everything. Idempotent.
  Result<void> Stop();

  // Processes are chosen by these. True when the reader has applied them; false where it did not
  // look within a second, because it waits for a transport that is full: it will when it goes on.
  // An exchange of one that is no longer wanted ends as open when its connection is forgotten.
  // From any thread.
  bool Select(ProcessSelector include, ProcessSelector exclude);

  // The family that was chosen.
  HookFamily hooks() const;

 private:
  class Impl;
  explicit EbpfSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::ebpf
