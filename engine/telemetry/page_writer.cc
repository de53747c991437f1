#include "engine/telemetry/page_writer.h"

#include <fmt/format.h>

namespace weft::telemetry {
namespace {

void AppendEscaped(std::string_view text, bool quotes, std::string* out) {
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out->push_back('\\');
    if (c == '\n')
      out->append("\\n");
    else
      out->push_back(c);
  }
}

// OpenMetrics wants bounds as floats, "1.0"; the text format takes them as well.
std::string Number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return text;
}

constexpr double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

void PageWriter::Family(std::string name, const MetricKind* kind, std::string_view help) {
  family_ = std::move(name);
  std::string_view shown = family_;
  const bool open = format_ == PageFormat::kOpenMetrics;
  // There the family of x_total is x.
  if (open && shown.ends_with("_total")) shown.remove_suffix(6);
  out_.append("# HELP ").append(shown).append(" ");
  AppendEscaped(help, open, &out_);
  const std::string_view type = kind != nullptr ? KindName(*kind) : open ? "unknown" : "untyped";
  out_.append("\n# TYPE ").append(shown).append(" ").append(type).append("\n");
  if (!open) return;
  for (const std::string_view unit : {"seconds", "bytes"})
    if (shown.ends_with(unit))
      out_.append("# UNIT ").append(shown).append(" ").append(unit).append("\n");
}

void PageWriter::Sample(std::string_view suffix, const Labels& labels, std::string_view value) {
  out_.append(family_).append(suffix);
  char between = '{';
  for (const auto& [key, text] : labels) {
    out_.push_back(between);
    out_.append(key).append("=\"");
    AppendEscaped(text, true, &out_);
    out_.push_back('"');
    between = ',';
  }
  out_.append(labels.empty() ? " " : "} ").append(value).append("\n");
}

void PageWriter::Value(const Labels& labels, uint64_t value) {
  Sample("", labels, fmt::format_int(value).str());
}

void PageWriter::Value(const Labels& labels, double value) {
  Sample("", labels, fmt::format("{}", value));
}

void PageWriter::Histogram(const Labels& labels, const weft::Histogram::Values& values,
                           const SpanSeries::Exemplar* exemplars) {
  Labels with_bound = labels;
  with_bound.emplace_back("le", "");
  uint64_t below = 0;
  for (size_t i = 0; i < values.count.size(); ++i) {
    below += values.count[i];
    const std::string bound = i < weft::Histogram::kBoundsNs.size()
                                  ? Number(Seconds(weft::Histogram::kBoundsNs[i]))
                                  : "+Inf";
    with_bound.back().second = bound;
    std::string value = fmt::format_int(below).str();
    if (exemplars != nullptr && exemplars[i].at_unix_ns != 0 && format_ == PageFormat::kOpenMetrics)
      value += fmt::format(" # {{trace_id=\"{:016x}{:016x}\"}} {} {:.3f}", exemplars[i].trace_hi,
                           exemplars[i].trace_lo, Number(Seconds(exemplars[i].duration_ns)),
                           Seconds(exemplars[i].at_unix_ns));
    Sample("_bucket", with_bound, value);
  }
  Sample("_sum", labels, fmt::format("{}", static_cast<double>(values.sum_ns) / 1e9));
  Sample("_count", labels, fmt::format_int(below).str());
}

std::string PageWriter::Finish() {
  if (format_ == PageFormat::kOpenMetrics) out_.append("# EOF\n");
  return std::exchange(out_, {});
}

}  // namespace weft::telemetry
