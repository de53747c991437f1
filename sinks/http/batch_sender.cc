#include "sinks/http/batch_sender.h"

#include <algorithm>
#include <utility>

namespace weft::sinks {
namespace {

constexpr uint32_t kNone = UINT32_MAX;  // no partition

bool Same(const weft_source& a, const weft_source& b) {
  return a.partition == b.partition && a.generation == b.generation && a.batch == b.batch;
}

}  // namespace

BatchSender::BatchSender(std::unique_ptr<BatchTarget> target, uint64_t request_bytes)
    : target_(std::move(target)), request_bytes_(request_bytes) {
  source_.partition = kNone;
}

Delivery BatchSender::Write(const weft_spans& spans, const weft_source& source) {
  if (!Same(source_, source)) {
    source_ = source;
    taken_ = 0;
    refused_ = 0;
  }
  rows_.clear();
  for (uint32_t row = 0; row < spans.n; ++row)
    if ((spans.flags[row] & WEFT_FLAG_OPEN) == 0) rows_.push_back(row);
  target_->Begin(spans);
  last_ = {};
  if (!Send(std::span(rows_).subspan(taken_))) return last_;
  source_.partition = kNone;  // it is over: an equal number is another batch
  const bool all_refused = refused_ == rows_.size() && !rows_.empty();
  return {all_refused ? WEFT_EXPORT_DROP : WEFT_EXPORT_OK, last_.why, 0, refused_};
}

bool BatchSender::Send(std::span<const uint32_t> rows) {
  if (rows.empty()) return true;
  target_->Encode(rows, &request_);
  if (request_.size() > request_bytes_ && rows.size() > 1) {
    const size_t middle = rows.size() / 2;
    return Send(rows.first(middle)) && Send(rows.subspan(middle));
  }
  Delivery delivery = target_->Send(request_);
  if (delivery.outcome == WEFT_EXPORT_RETRY) {
    last_ = std::move(delivery);
    return false;
  }
  const bool refused = delivery.outcome != WEFT_EXPORT_OK;
  taken_ += rows.size();
  refused_ += refused ? rows.size() : std::min<uint64_t>(delivery.refused, rows.size());
  if (!delivery.why.empty()) last_.why = std::move(delivery.why);
  return true;
}

}  // namespace weft::sinks
