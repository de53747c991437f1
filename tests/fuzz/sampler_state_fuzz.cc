// What samplers read back: any bytes as saved state, and as a tracestate.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "plugins/sampler-rate/token_buckets.h"
#include "plugins/sampling/throughput.h"
#include "plugins/sampling/trace_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::sampling;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const OtState state = ParseOtState(bytes);
  WEFT_CHECK(state.threshold.value_or(0) < uint64_t{1} << 56);
  Throughput throughput({10, 100, 50});
  TokenBuckets buckets({10, 0, 1000}, 2, 50);
  const bool learned = throughput.Load(bytes), spent = buckets.Load(bytes);
  for (int64_t second = 1; second < 4; ++second) {
    throughput.Advance(second * 1'000'000'000, 0.5);
    const double weight = throughput.Offer(throughput.Find("a"), UINT64_MAX);
    WEFT_CHECK(weight == 0 || weight >= 1);
    const double stands_for =
        buckets.Offer(buckets.Find("a", second, 0.5), {1, 2, 3}, second * 1'000'000'000, 0.5);
    WEFT_CHECK(stands_for == 0 || stands_for >= 1);
  }
  std::string saved;
  throughput.Save(saved);
  WEFT_CHECK(!learned || throughput.Load(saved));
  saved.clear();
  buckets.Save(saved);
  WEFT_CHECK(!spent || buckets.Load(saved));
  return 0;
}
