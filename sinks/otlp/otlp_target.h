// OtlpTarget: batches as ExportTraceServiceRequests through a channel. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "sinks/http/batch_sender.h"
#include "sinks/jsonl/otlp_json.h"
#include "sinks/otlp/otlp_channel.h"
#include "sinks/otlp/otlp_proto.h"

namespace weft::sinks {

class OtlpTarget final : public BatchTarget {
 public:
  // A Collector takes 4 MiB by gRPC, before compression.
  static constexpr uint64_t kRequestBytes = 4'000'000;

  OtlpTarget(std::unique_ptr<OtlpChannel> channel, bool json)
      : channel_(std::move(channel)), json_(json) {}

  void Begin(const weft_spans& spans) override {
    spans_ = &spans;
    if (!json_) proto_.Begin(spans);
  }
  void Encode(std::span<const uint32_t> rows, std::string* request) override {
    request->clear();
    if (json_)
      text_.AppendTracesData(*request, *spans_, rows);
    else
      proto_.Append(rows, request);
  }
  Delivery Send(std::string_view request) override { return channel_->Send(request); }

 private:
  const std::unique_ptr<OtlpChannel> channel_;
  const bool json_;
  const weft_spans* spans_ = nullptr;
  OtlpProto proto_;
  OtlpJson text_;
};

}  // namespace weft::sinks
