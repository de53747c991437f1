// PageWriter: the syntax of both exposition formats, one metric family after the other.
//
//   (Family Value* Histogram*)* Finish. Label values are escaped here. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/histogram.h"
#include "engine/base/span_series.h"
#include "engine/telemetry/catalogue.h"
#include "engine/telemetry/exposition.h"

namespace weft::telemetry {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class PageWriter {
 public:
  explicit PageWriter(PageFormat format) : format_(format) {}

  // `name` as in a counter's samples: with _total. Kind null: untyped.
  void Family(std::string name, const MetricKind* kind, std::string_view help);
  void Value(const Labels& labels, uint64_t value);
  void Value(const Labels& labels, double value);
  // `exemplars`: null, or one for each bucket; shown where the format has them.
  void Histogram(const Labels& labels, const weft::Histogram::Values& values,
                 const SpanSeries::Exemplar* exemplars = nullptr);
  // The page; the writer is empty afterwards.
  std::string Finish();

 private:
  void Sample(std::string_view suffix, const Labels& labels, std::string_view value);

  const PageFormat format_;
  std::string family_;
  std::string out_;
};

}  // namespace weft::telemetry
