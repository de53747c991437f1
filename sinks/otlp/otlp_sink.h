// OtlpSink: kept traces to a receiver of OTLP, in requests of bounded size.
//
// A batch of which some requests have been taken goes on behind them when it comes again; what a
// receiver gets twice has the same ids. A request that is refused for good does not hold up the
// others: its spans are counted. Spans that have not ended are left out; they come when they have.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "sinks/jsonl/otlp_json.h"
#include "sinks/otlp/otlp_channel.h"
#include "sinks/otlp/otlp_proto.h"

namespace weft::sinks {

class OtlpSink {
 public:
  // A Collector takes 4 MiB by gRPC, before compression.
  static constexpr uint64_t kRequestBytes = 4'000'000;

  OtlpSink(std::unique_ptr<OtlpChannel> channel, bool json, uint64_t request_bytes);

  // DROP only where no span of the batch was taken.
  Delivery Write(const weft_spans& spans, const weft_source& source);
  uint64_t requests() const { return requests_; }  // answered with OK

 private:
  bool Send(std::span<const uint32_t> rows);  // false: to be tried again
  void Encode(std::span<const uint32_t> rows);

  const std::unique_ptr<OtlpChannel> channel_;
  const bool json_;
  const uint64_t request_bytes_;
  OtlpProto proto_;
  OtlpJson json_text_;
  const weft_spans* spans_ = nullptr;
  std::vector<uint32_t> rows_;
  std::string request_;
  // Of the batch at hand, kept between attempts.
  weft_source source_{};
  size_t taken_ = 0;  // of rows_
  uint64_t refused_ = 0;
  Delivery last_;
  uint64_t requests_ = 0;
};

}  // namespace weft::sinks
