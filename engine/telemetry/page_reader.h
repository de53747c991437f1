// MetricsReading: the samples of a metrics page, as `weft top` asks for them.
//
// Reads the Prometheus text format, and OpenMetrics as far as weft writes it. The page is outside
// input: its size, samples and labels are bounded, and a line that is no sample refuses the page
// with its number. HELP and TYPE are passed over; who asks for a name knows what it is. Owns what
// it read; immutable, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace weft::telemetry {

struct MetricSample {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  // may be infinite or no number
  // "" where it has no such label.
  std::string_view Label(std::string_view key) const;
};

class MetricsReading {
 public:
  static constexpr size_t kMaxPageBytes = 16 << 20;
  static constexpr size_t kMaxSamples = 100'000;
  static constexpr size_t kMaxLabels = 32;

  // kCorrupt: "line 12: no value: 'weft_x'"; kFull: more than weft ever writes.
  static Result<MetricsReading> Parse(std::string_view page);

  // All samples of a name, in the order of the page.
  std::span<const MetricSample> Find(std::string_view name) const;
  // Of the samples that have the label (empty key: all). Nothing where there are none; samples that
  // are no finite number do not count.
  std::optional<double> Sum(std::string_view name, std::string_view key = {},
                            std::string_view text = {}) const;
  std::optional<double> Max(std::string_view name, std::string_view key = {},
                            std::string_view text = {}) const;

 private:
  std::vector<MetricSample> samples_;  // by name
};

}  // namespace weft::telemetry
