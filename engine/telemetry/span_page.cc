#include "engine/telemetry/span_page.h"

#include <array>
#include <string>
#include <utility>

namespace weft::telemetry {
namespace {

constexpr MetricKind kCounter = MetricKind::kCounter;
constexpr MetricKind kHistogram = MetricKind::kHistogram;

std::string_view KindText(uint8_t kind) {
  constexpr std::array<std::string_view, 6> kTexts = {
      "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
      "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
  return kind < kTexts.size() ? kTexts[kind] : kTexts[0];
}

std::string_view StatusText(uint8_t status) {
  constexpr std::array<std::string_view, 3> kTexts = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                      "STATUS_CODE_ERROR"};
  return status < kTexts.size() ? kTexts[status] : kTexts[0];
}

std::string_view ConnectionText(SpanSeries::Connection connection) {
  switch (connection) {
    case SpanSeries::Connection::kTraced: return "";
    case SpanSeries::Connection::kDatabase: return "database";
    case SpanSeries::Connection::kMessaging: return "messaging_system";
    case SpanSeries::Connection::kVirtualNode: return "virtual_node";
  }
  return "";
}

const Labels kOverflow = {{"otel_metric_overflow", "true"}};

Labels LabelsOf(const SpanSeries::Operation& o) {
  if (o == SpanSeries::Operation{}) return kOverflow;
  return {{"service", o.service},
          {"span_name", o.operation},
          {"span_kind", KindText(o.kind)},
          {"status_code", StatusText(o.status)}};
}

Labels LabelsOf(const SpanSeries::Edge& e) {
  if (e == SpanSeries::Edge{}) return kOverflow;
  return {{"client", e.client},
          {"server", e.server},
          {"connection_type", ConnectionText(e.connection)}};
}

template <typename All, typename Get>
void Histograms(const All& all, std::string name, std::string_view help, const Get& get,
                PageWriter* page) {
  bool begun = false;
  for (const auto& [key, change] : all) {
    const SpanSeries::Durations& durations = get(change);
    if (durations.count() == 0) continue;
    if (!std::exchange(begun, true)) page->Family(std::move(name), &kHistogram, help);
    page->Histogram(LabelsOf(key), durations.values, durations.exemplar.data());
  }
}

template <typename All, typename Get>
void Counts(const All& all, std::string name, std::string_view help, const Get& get,
            PageWriter* page) {
  if (all.empty()) return;
  page->Family(std::move(name), &kCounter, help);
  for (const auto& [key, change] : all) page->Value(LabelsOf(key), get(change));
}

}  // namespace

void WriteSpanSeries(const SpanSeries& series, PageWriter* page) {
  if (!series.on()) return;
  const auto [operations, edges] = series.Read();
  using Operation = SpanSeries::OperationChange;
  using Edge = SpanSeries::EdgeChange;
  const auto durations = [](const Operation& o) -> auto& { return o.durations; };
  Counts(
      operations, "traces_spanmetrics_calls_total", "Spans, before sampling.",
      [](const Operation& o) { return o.durations.count(); }, page);
  Histograms(operations, "traces_spanmetrics_latency", "Durations of spans, in seconds.", durations,
             page);
  Counts(
      edges, "traces_service_graph_request_total",
      "Requests from one service to another, before sampling.",
      [](const Edge& e) { return e.requests; }, page);
  Counts(
      edges, "traces_service_graph_request_failed_total",
      "Of those: either side ended in an error.", [](const Edge& e) { return e.failed; }, page);
  Histograms(
      edges, "traces_service_graph_request_server_seconds",
      "Their durations as the server saw them.", [](const Edge& e) -> auto& { return e.server; },
      page);
  Histograms(
      edges, "traces_service_graph_request_client_seconds",
      "Their durations as the client saw them.", [](const Edge& e) -> auto& { return e.client; },
      page);
}

}  // namespace weft::telemetry
