// KafkaSink: kept traces as OTLP messages in a Kafka topic, for Collectors and whatever else reads
// otlp_spans.
//
// One message per trace, keyed by the trace id as 32 hex digits, which is what a Collector with
// partition_traces_by_id uses; partitioned by murmur2 as Java's producers do, so that a trace lies
// in one partition whoever wrote its spans. A trace larger than a message may be is several. Write
// returns when the brokers have acknowledged every message, so a retry may write some of them
// again. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/result.h"

namespace weft::sinks {

struct KafkaSinkOptions {
  std::string topic = "otlp_spans";
  bool json = false;                   // otlp_json, else otlp_proto
  uint64_t message_bytes = 1'000'000;  // as brokers take by default
  int64_t wait_ns = 10'000'000'000;    // for acknowledgements
  // Of librdkafka; may hold secrets, so no message shows a value.
  std::vector<std::pair<std::string, std::string>> properties;
};

class KafkaSink {
 public:
  static Result<std::unique_ptr<KafkaSink>> Open(KafkaSinkOptions options);
  ~KafkaSink();

  // Fills *why for anything but OK.
  weft_outcome Write(const weft_spans& spans, const weft_traces& traces, std::string* why);
  // Spans that no message can hold; they are in no message.
  uint64_t too_large() const;

 private:
  class Impl;
  explicit KafkaSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::sinks
