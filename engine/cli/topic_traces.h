// TopicTraces: the traces of a range of a Kafka topic, made once more, beside the engines that work
// on it: in no group, nothing is committed.
//
// For commands: declares --brokers, --topic and --range, and runs. weft.spans is read as stage 2
// reads it, a state machine for each partition; another topic is taken for OTLP. At the ends of the
// range traces are cut. One command owns one; the members live as long as the parse needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/config.h"
#include "engine/cli/command.h"
#include "engine/plugin/host.h"
#include "engine/trace/trace_partition.h"

namespace weft::transport {
struct RangeBounds;
}

namespace weft::cli {

class TopicTraces {
 public:
  void Declare(Options& options);
  // Only weft.spans, for who needs the decisions, too.
  void DeclareRange(Options& options);
  bool given() const { return !range_.empty(); }
  // kInvalid: options that count with --range only, without it.
  Result<void> CheckOptions() const;

  struct Counts {
    uint64_t records = 0, unreadable = 0;  // those that hold spans; those that nobody can read
    uint64_t gone = 0;                     // offsets, see KafkaRange
  };
  struct Reading {
    trace::TraceConfig trace;
    std::vector<trace::Sampler> samplers;  // none: all are kept
    // Verdicts of the engines' decision log: what they have decided is not decided again. They are
    // found by time: kInvalid for a range of offsets, kFull for more than memory should hold.
    bool logged_verdicts = false;
    // Closed traces. An error ends the reading.
    std::function<Result<void>(const trace::ExportBatchPtr&)> visit;
  };
  // kUnsupported: built without Kafka. `services.metrics` gets the counters of such an engine.
  Result<Counts> Read(const Config& config, const plugin::Services& services,
                      const Reading& reading) const;
  // What is to be told of a reading; "" for nothing.
  static std::string Note(const Counts& counts);

 private:
  Result<transport::RangeBounds> Bounds(int64_t now_ns) const;

  std::vector<std::string> brokers_;
  std::string topic_, range_;
};

}  // namespace weft::cli
