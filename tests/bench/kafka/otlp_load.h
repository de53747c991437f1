// OtlpLoad: spans as an OpenTelemetry Collector's Kafka exporter writes them (otlp_proto).
//
// Traces of ten spans over eight services, ten attributes each, one trace in a hundred with an
// error; a message holds 500 spans of one service. About 380 bytes a span. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <random>
#include <string>

namespace weft::bench {

class OtlpLoad {
 public:
  // `spans` is rounded down to whole traces.
  explicit OtlpLoad(uint64_t spans);

  bool done() const { return traces_ == 0 && messages_.empty(); }
  // Requires: not done().
  std::string Next();
  uint64_t spans() const { return spans_; }  // in all messages so far

 private:
  static constexpr size_t kServices = 8;
  void Trace();
  void Finish(size_t service);

  uint64_t traces_;
  uint64_t spans_ = 0;
  int64_t now_ns_;
  std::mt19937_64 random_{1};
  struct Batch {
    std::string spans;  // encoded
    uint32_t count = 0;
  };
  std::array<Batch, kServices> batches_;
  std::deque<std::string> messages_;
};

}  // namespace weft::bench
