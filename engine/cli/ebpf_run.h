// EbpfRun: the eBPF source of a command, with or without a recording on the side.
//
// `weft run` and `weft record` own one. Check first, so that all that is missing is named at once
// and nothing was written yet. Stop before the transport's owner stops. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/config.h"
#include "engine/base/memory_share.h"
#include "engine/plugin/host.h"
#include "engine/transport/transport.h"
#include "sources/ebpf/ebpf_source.h"
#include "sources/replay/recording_publisher.h"

namespace weft::cli {

class EbpfRun {
 public:
  // kDenied with every check that failed and its remedy. What works with less for want of a
  // privilege is a warning in the log.
  static Result<void> CheckHost(Logger& log);

  // `record`: file to write what is published to; "": none. share: of what waits for the
  // transport; none: all of that bound. References outlive the object.
  static Result<std::unique_ptr<EbpfRun>> Start(const Config& config, const std::string& record,
                                                transport::Publisher& transport,
                                                const plugin::Services& services,
                                                const MemoryShare* share = nullptr);
  // Publishes what is left and closes the recording; the first failure of the two.
  Result<void> Stop();

  // Which processes are watched. False: not from now on, but as soon as the reader goes on.
  bool Select(const Config& config);

  // The hooks that were chosen, for people.
  std::string_view hooks() const { return ebpf::Describe(source_->hooks()); }

  uint64_t recorded_bytes() const { return writer_ ? writer_->bytes() : 0; }

 private:
  EbpfRun() = default;

  std::optional<sources::RecordingWriter> writer_;
  std::optional<sources::RecordingPublisher> recording_;
  std::unique_ptr<ebpf::EbpfSource> source_;  // last: goes before what it publishes to
};

}  // namespace weft::cli
