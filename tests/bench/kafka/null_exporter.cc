// null: takes spans and forgets them, and says how long ago they ended.
//
// For benchmarks. `path` gets one JSON object at each flush and at the end: spans, and the time
// from a span's end to its export in milliseconds (p50_ms, p99_ms; to one millisecond, 120 s at
// most).
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/api/plugin.h"

namespace {

class NullExporter {
 public:
  static constexpr const char* kName = "null";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema =
      R"({"type": "object", "properties": {"path": {"type": "string"}}})";

  NullExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config)
      : path_(config.Text("path", "")) {}
  ~NullExporter() { Write(); }

  weft_outcome Export(const weft_spans& spans, const weft_traces&, const weft_source&) {
    const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
    for (uint32_t i = 0; i < spans.n; ++i) {
      const int64_t ms = (now - spans.end_ns[i]) / 1'000'000;
      ++by_ms_[static_cast<size_t>(std::clamp<int64_t>(ms, 0, kMaxMs))];
    }
    spans_ += spans.n;
    return WEFT_EXPORT_OK;
  }
  bool Flush(uint64_t) {
    Write();
    return true;
  }

 private:
  static constexpr int64_t kMaxMs = 120'000;

  size_t Percentile(uint64_t percent) const {
    uint64_t left = spans_ * percent / 100;
    size_t ms = 0;
    while (ms < by_ms_.size() - 1 && by_ms_[ms] <= left) left -= by_ms_[ms++];
    return ms;
  }
  void Write() const {
    if (path_.empty()) return;
    std::FILE* file = std::fopen(path_.c_str(), "w");
    if (file == nullptr) return;
    std::fprintf(file, "{\"spans\": %llu, \"p50_ms\": %zu, \"p99_ms\": %zu}\n",
                 static_cast<unsigned long long>(spans_), Percentile(50), Percentile(99));
    std::fclose(file);
  }

  const std::string path_;
  uint64_t spans_ = 0;
  std::vector<uint64_t> by_ms_ = std::vector<uint64_t>(kMaxMs + 1);
};

}  // namespace

WEFT_EXPORTER(NullExporter)
