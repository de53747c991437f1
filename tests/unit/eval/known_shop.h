// Small recordings with known parents, made by tests.
#pragma once

#include <string>

#include "engine/base/clock.h"
#include "engine/eval/known_traces.h"

namespace weft::eval {

class KnownShop {
 public:
  KnownShop() { known_.names = {"", "shop", "stock", "take"}; }

  // A request to a service (1: shop, 2: stock), brought by a call of another (-1: from outside).
  int32_t Request(int64_t start_ms, int64_t end_ms, int32_t call = -1, uint32_t service = 1) {
    const uint32_t trace = call < 0 ? known_.traces++ : Of(call).trace;
    return Add(
        {trace, service, 0, 3, false, false, start_ms * kMillisecond, end_ms * kMillisecond, call});
  }
  int32_t Call(int32_t request, int64_t start_ms, int64_t end_ms) {
    return Add({Of(request).trace, Of(request).service, 2, 3, true, false, start_ms * kMillisecond,
                end_ms * kMillisecond, request});
  }
  KnownSpan& Of(int32_t row) { return known_.spans[static_cast<size_t>(row)]; }
  int64_t StartMs(int32_t row) { return Of(row).start_ns / kMillisecond; }
  int64_t EndMs(int32_t row) { return Of(row).end_ns / kMillisecond; }
  KnownTraces& known() { return known_; }

 private:
  int32_t Add(const KnownSpan& span) {
    known_.spans.push_back(span);
    return static_cast<int32_t>(known_.spans.size()) - 1;
  }
  KnownTraces known_;
};

}  // namespace weft::eval
