#include "engine/telemetry/exposition.h"

#include <map>

#include "engine/telemetry/page_writer.h"
#include "engine/telemetry/process_facts.h"
#include "engine/telemetry/span_page.h"

namespace weft::telemetry {
namespace {

// "sink.rows{sink=sqlite}" -> "sink.rows", {{"sink", "sqlite"}}. The result points into the text.
std::string_view SplitLabels(std::string_view name, Labels* labels) {
  const size_t brace = name.find('{');
  if (brace == name.npos) return name;
  std::string_view rest = name.substr(brace + 1);
  if (rest.ends_with('}')) rest.remove_suffix(1);
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(','));
    const size_t equals = std::min(one.find('='), one.size());
    labels->emplace_back(one.substr(0, equals), one.substr(std::min(equals + 1, one.size())));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
  }
  return name.substr(0, brace);
}

// The same for "plugin.delay.cold_windows": all plugins' counters are one family.
std::string_view SplitName(std::string_view name, Labels* labels) {
  constexpr std::string_view kPlugin = "plugin.";
  if (!name.starts_with(kPlugin)) return SplitLabels(name, labels);
  name.remove_prefix(kPlugin.size());
  const size_t dot = std::min(name.find('.'), name.size());
  labels->emplace_back("plugin", name.substr(0, dot));
  labels->emplace_back("event", name.substr(std::min(dot + 1, name.size())));
  return "plugin.events";
}

// A metric name may only have these; what others name their metrics is not ours to know.
std::string CleanName(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'))
      c = '_';
  return out;
}

struct Series {
  Labels labels;
  uint64_t value = 0;
};

void WriteValues(const std::map<std::string_view, std::vector<Series>>& families,
                 PageWriter* page) {
  for (const auto& [name, all] : families) {
    const MetricInfo* const info = FindMetric(name);
    const double unit = UnitOf(name);
    page->Family(info != nullptr ? PrometheusName(name, info->kind)
                                 : PrometheusName(CleanName(name), MetricKind::kGauge),
                 info != nullptr ? &info->kind : nullptr,
                 info != nullptr ? info->help : "Not described.");
    for (const Series& series : all)
      unit != 1 ? page->Value(series.labels, static_cast<double>(series.value) * unit)
                : page->Value(series.labels, series.value);
  }
}

void WriteHistograms(const std::vector<std::pair<std::string, Histogram::Values>>& histograms,
                     PageWriter* page) {
  std::map<std::string_view, std::vector<std::pair<Labels, const Histogram::Values*>>> families;
  for (const auto& [full, values] : histograms) {
    Labels labels;
    const std::string_view name = SplitName(full, &labels);
    families[name].emplace_back(std::move(labels), &values);
  }
  constexpr MetricKind kind = MetricKind::kHistogram;
  for (const auto& [name, all] : families) {
    const MetricInfo* const info = FindMetric(name);
    page->Family(PrometheusName(CleanName(name), kind), &kind,
                 info != nullptr ? info->help : "Not described.");
    for (const auto& [labels, values] : all) page->Histogram(labels, *values);
  }
}

void WriteProcess(const PageFacts& facts, PageWriter* page) {
  constexpr MetricKind counter = MetricKind::kCounter;
  constexpr MetricKind gauge = MetricKind::kGauge;
  page->Family("weft_build_info", &gauge, "The version that runs, as labels.");
  page->Value({{"version", facts.version}, {"command", facts.command}}, uint64_t{1});
  const auto process = ReadProcessFacts();
  if (!process) return;
  const auto one = [page](const char* name, const MetricKind* kind, const char* help, auto value) {
    page->Family(name, kind, help);
    page->Value({}, value);
  };
  one("process_cpu_seconds_total", &counter, "User and system CPU time.", process->cpu_seconds);
  one("process_start_time_seconds", &gauge, "Unix time at which the process began.",
      process->start_unix_seconds);
  one("process_resident_memory_bytes", &gauge, "Resident memory.", process->resident_bytes);
  one("process_virtual_memory_bytes", &gauge, "Virtual memory.", process->virtual_bytes);
  one("process_threads", &gauge, "Threads.", process->threads);
  one("process_open_fds", &gauge, "Open file descriptors.", process->open_files);
  one("process_max_fds", &gauge, "How many may be open.", process->max_files);
}

}  // namespace

PageFormat ChooseFormat(std::string_view accept) {
  return accept.find("application/openmetrics-text") != accept.npos ? PageFormat::kOpenMetrics
                                                                    : PageFormat::kText;
}

std::string_view ContentType(PageFormat format) {
  return format == PageFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string MetricsPage(const Metrics& metrics, PageFormat format, const PageFacts& facts) {
  PageWriter page(format);
  const Metrics::Values counters = metrics.Snapshot();
  const Metrics::Values gauges = metrics.Gauges();
  std::map<std::string_view, std::vector<Series>> families;
  for (const Metrics::Values* values : {&counters, &gauges})
    for (const auto& [full, value] : *values) {
      Series series{{}, value};
      const std::string_view name = SplitName(full, &series.labels);
      families[name].push_back(std::move(series));
    }
  WriteValues(families, &page);
  WriteHistograms(metrics.Histograms(), &page);
  WriteSpanSeries(metrics.spans(), &page);
  WriteProcess(facts, &page);
  return page.Finish();
}

}  // namespace weft::telemetry
