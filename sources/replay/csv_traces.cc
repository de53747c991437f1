#include "sources/replay/csv_traces.h"

#include <algorithm>
#include <charconv>
#include <span>

#include <fmt/format.h>

namespace weft::sources {
namespace {

constexpr std::string_view kFlat[] = {"span_id", "parent_span_id", "trace_id",
                                      "service", "kind",           "peer",
                                      "op",      "start_us",       "duration_us"};
constexpr std::string_view kNezha[] = {"TraceID",        "SpanID",        "ParentID",
                                       "PodName",        "OperationName", "StartTimeUnixNano",
                                       "EndTimeUnixNano"};

bool Number(std::string_view text, uint64_t* value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && rest == text.data() + text.size();
}

// The flat form writes ids as trace and span id together.
uint64_t WithoutTrace(std::string_view id, std::string_view trace) {
  std::string_view own = id;
  if (!trace.empty() && own.size() > trace.size() && own.starts_with(trace)) {
    own.remove_prefix(trace.size());
    if (own.size() > 1 && own.starts_with(':')) own.remove_prefix(1);
  }
  return SpanIdOf(own);
}

// "frontend-579b9bff58-t2dbm" is a pod of the deployment "frontend".
std::string_view ServiceOfPod(std::string_view pod) {
  for (int i = 0; i < 2; ++i)
    if (const size_t dash = pod.rfind('-'); dash != pod.npos && dash > 0) pod = pod.substr(0, dash);
  return pod;
}

}  // namespace

bool SplitCsv(std::string_view line, std::vector<std::string_view>* fields, std::string* unquoted) {
  fields->clear();
  unquoted->clear();
  unquoted->reserve(line.size());  // views into it stay valid
  while (true) {
    if (!line.starts_with('"')) {
      const size_t comma = std::min(line.find(','), line.size());
      fields->push_back(line.substr(0, comma));
      if (comma == line.size()) return true;
      line.remove_prefix(comma + 1);
      continue;
    }
    const size_t begin = unquoted->size();
    size_t at = 1;
    for (;; ++at) {
      if (at >= line.size()) return false;
      if (line[at] == '"' && (at + 1 == line.size() || line[at + 1] != '"')) break;
      at += line[at] == '"';
      unquoted->push_back(line[at]);
    }
    fields->push_back(std::string_view(*unquoted).substr(begin));
    line.remove_prefix(at + 1);
    if (line.empty()) return true;
    if (!line.starts_with(',')) return false;
    line.remove_prefix(1);
  }
}

Result<CsvTraces> CsvTraces::WithHeader(std::string_view header) {
  if (header.starts_with("\xef\xbb\xbf")) header.remove_prefix(3);
  std::vector<std::string_view> names;
  std::string unquoted;
  if (!SplitCsv(header, &names, &unquoted)) return Fail(Code::kInvalid, "unbalanced quotes");
  const auto has = [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!has("span_id") && !has("TraceID"))
    return Fail(Code::kInvalid, "neither span_id,... nor TraceID,... in the first line");
  CsvTraces out(has("span_id") ? Form::kFlat : Form::kNezha);
  out.columns_ = names.size();
  const std::span<const std::string_view> wanted =
      out.form_ == Form::kFlat ? std::span<const std::string_view>(kFlat) : kNezha;
  for (const std::string_view name : wanted) {
    const auto at = std::ranges::find(names, name);
    if (at == names.end()) return Fail(Code::kInvalid, fmt::format("no column {}", name));
    out.place_.push_back(static_cast<size_t>(at - names.begin()));
  }
  return out;
}

std::string_view CsvTraces::format() const {
  return form_ == Form::kFlat ? "flat CSV" : "Nezha CSV";
}

void CsvTraces::Line(std::string_view line, uint64_t number, ForeignRows& out) {
  if (line.empty()) return;
  if (!SplitCsv(line, &fields_, &unquoted_)) return out.Malformed(number, "unbalanced quotes");
  if (fields_.size() != columns_)
    return out.Malformed(
        number, fmt::format("{} fields where the header has {}", fields_.size(), columns_));
  form_ == Form::kFlat ? FlatLine(number, out) : NezhaLine(number, out);
}

void CsvTraces::FlatLine(uint64_t number, ForeignRows& out) const {
  otlp::Span span;
  uint64_t start = 0, duration = 0;
  if (!Number(Field(7), &start) || !Number(Field(8), &duration) || start > INT64_MAX / 2000 ||
      duration > INT64_MAX / 2000)
    return out.Malformed(number, "start_us or duration_us is no number of microseconds");
  const std::string_view kind = Field(4);
  if (kind != "server" && kind != "client")
    return out.Malformed(number, "kind is neither server nor client");
  span.trace = TraceIdOf(Field(2));
  span.span_id = WithoutTrace(Field(0), Field(2));
  span.parent_id = WithoutTrace(Field(1), Field(2));
  span.kind = kind == "server" ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
  span.start_ns = start * 1000;
  span.end_ns = (start + duration) * 1000;
  span.name = Field(6);
  out.Service(Field(3));
  out.Add(span, Field(5), number);
}

void CsvTraces::NezhaLine(uint64_t number, ForeignRows& out) const {
  otlp::Span span;
  if (!Number(Field(5), &span.start_ns) || !Number(Field(6), &span.end_ns))
    return out.Malformed(number, "StartTimeUnixNano or EndTimeUnixNano is no number");
  span.trace = TraceIdOf(Field(0));
  span.span_id = SpanIdOf(Field(1));
  span.parent_id = Field(2) == "root" ? 0 : SpanIdOf(Field(2));
  span.name = Field(4);
  out.Service(ServiceOfPod(Field(3)));
  if (out.Add(span, "", number)) out.Attribute("k8s.pod.name", {WEFT_ATTR_STRING, Field(3), 0});
}

}  // namespace weft::sources
