#include "sinks/otlp/otlp_sink.h"

#include <algorithm>
#include <utility>

namespace weft::sinks {
namespace {

bool Same(const weft_source& a, const weft_source& b) {
  return a.partition == b.partition && a.generation == b.generation && a.batch == b.batch;
}

}  // namespace

OtlpSink::OtlpSink(std::unique_ptr<OtlpChannel> channel, bool json, uint64_t request_bytes)
    : channel_(std::move(channel)), json_(json), request_bytes_(request_bytes) {
  source_.partition = UINT32_MAX;
}

Delivery OtlpSink::Write(const weft_spans& spans, const weft_source& source) {
  if (!Same(source_, source)) {
    source_ = source;
    taken_ = 0;
    refused_ = 0;
  }
  spans_ = &spans;
  rows_.clear();
  for (uint32_t row = 0; row < spans.n; ++row)
    if ((spans.flags[row] & WEFT_FLAG_OPEN) == 0) rows_.push_back(row);
  if (!json_) proto_.Begin(spans);
  last_ = {};
  if (!Send(std::span(rows_).subspan(taken_))) return last_;
  source_.partition = UINT32_MAX;  // it is over: an equal number is another batch
  const bool all_refused = refused_ == rows_.size() && !rows_.empty();
  return {all_refused ? WEFT_EXPORT_DROP : WEFT_EXPORT_OK, last_.why, 0, refused_};
}

bool OtlpSink::Send(std::span<const uint32_t> rows) {
  if (rows.empty()) return true;
  Encode(rows);
  if (request_.size() > request_bytes_ && rows.size() > 1) {
    const size_t middle = rows.size() / 2;
    return Send(rows.first(middle)) && Send(rows.subspan(middle));
  }
  Delivery delivery = channel_->Send(request_);
  if (delivery.outcome == WEFT_EXPORT_RETRY) {
    last_ = std::move(delivery);
    return false;
  }
  taken_ += rows.size();
  const bool refused = delivery.outcome != WEFT_EXPORT_OK;
  refused_ += refused ? rows.size() : std::min<uint64_t>(delivery.refused, rows.size());
  if (!refused) ++requests_;
  if (!delivery.why.empty()) last_.why = std::move(delivery.why);
  return true;
}

void OtlpSink::Encode(std::span<const uint32_t> rows) {
  request_.clear();
  if (json_)
    json_text_.AppendTracesData(request_, *spans_, rows);
  else
    proto_.Append(rows, &request_);
}

}  // namespace weft::sinks
