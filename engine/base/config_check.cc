#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include <arpa/inet.h>

#include <fmt/format.h>

#include "engine/base/config.h"
#include "engine/base/kafka_check.h"
#include "engine/base/listen_address.h"
#include "engine/base/units.h"

namespace weft {
namespace {

class Mistakes {
 public:
  void Add(std::string_view line) {
    if (!text_.empty()) text_.push_back('\n');
    text_ += line;
  }
  Result<void> Finish() {
    if (text_.empty()) return {};
    return Fail(Code::kInvalid, std::move(text_));
  }

 private:
  std::string text_;
};

bool IsWord(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void CheckChain(const std::vector<PluginChoice>& chain, std::string_view key, Mistakes& out) {
  for (auto it = chain.begin(); it != chain.end(); ++it) {
    if (std::any_of(chain.begin(), it,
                    [&](const auto& other) { return other.label() == it->label(); }))
      out.Add(fmt::format("{}{}: '{}' is there twice{}", key,
                          it->line > 0 ? fmt::format(" (line {})", it->line) : "", it->label(),
                          key == "exporters" ? "; `as: NAME` tells them apart" : ""));
    // The name becomes part of a file name, both of the names of metrics.
    if (!IsWord(it->name))
      out.Add(
          fmt::format("{}: '{:.80}' is not a plugin's name (a-z, 0-9, - and _)", key, it->name));
    if (!IsWord(it->label()))
      out.Add(fmt::format("{}: as: '{:.80}' is no name (a-z, 0-9, - and _)", key, it->as));
    if (key != "exporters" && (!it->as.empty() || !it->when_full.empty() || it->queue_bytes != 0))
      out.Add(fmt::format("{}: '{}': as, queue and when_full are of exporters", key, it->name));
  }
}

// "10.0.0.0/8" or "fc00::/7".
bool IsNetwork(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return false;
  const std::string address = text.substr(0, slash);
  unsigned char bytes[16];
  unsigned bits = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
  if (error != std::errc() || rest != end) return false;
  return (inet_pton(AF_INET, address.c_str(), bytes) == 1 && bits <= 32) ||
         (inet_pton(AF_INET6, address.c_str(), bytes) == 1 && bits <= 128);
}

template <typename T>
void CheckDisjoint(const std::vector<T>& include, const std::vector<T>& exclude,
                   std::string_view key, Mistakes& out) {
  for (const T& value : include)
    if (std::find(exclude.begin(), exclude.end(), value) != exclude.end())
      out.Add(fmt::format("sources.ebpf: {} is in include.{} and in exclude.{}", value, key, key));
}

void CheckEbpf(const EbpfSettings& ebpf, Mistakes& out) {
  CheckDisjoint(ebpf.include.processes, ebpf.exclude.processes, "processes", out);
  CheckDisjoint(ebpf.include.cgroups, ebpf.exclude.cgroups, "cgroups", out);
  CheckDisjoint(ebpf.include.pids, ebpf.exclude.pids, "pids", out);
  // One set of ports goes to the kernel: either what is wanted or what is not.
  if (!ebpf.include.ports.empty() && !ebpf.exclude.ports.empty())
    out.Add("sources.ebpf: include.ports and exclude.ports are both there; one of them is enough");
  if (!std::has_single_bit(ebpf.ring_bytes))
    out.Add(fmt::format("sources.ebpf.ring_bytes: {} is not a power of two (next: {})",
                        FormatSize(ebpf.ring_bytes), FormatSize(std::bit_ceil(ebpf.ring_bytes))));
}

void CheckExporter(const PluginChoice& exporter, Mistakes& out) {
  if (exporter.name == "sqlite" && exporter.config_json != "{}")
    out.Add("exporters: sqlite is set by the keys of 'store', not by a config of its own");
  if (exporter.name == "sqlite" && !exporter.as.empty())
    out.Add("exporters: sqlite is the one store, so it has no other name ('as')");
  if (!exporter.when_full.empty() && exporter.when_full != "wait" && exporter.when_full != "drop")
    out.Add(fmt::format("exporters: {}: when_full: '{:.40}' is not one of: wait drop",
                        exporter.label(), exporter.when_full));
  if (exporter.queue_bytes != 0 && exporter.queue_bytes < 100'000)
    out.Add(fmt::format("exporters: {}: queue: {} is less than 100 KB", exporter.label(),
                        FormatSize(exporter.queue_bytes)));
}

void CheckListeners(const Config& config, Mistakes& out) {
  for (const auto& [key, address] :
       {std::pair<std::string_view, const std::string&>{"metrics.listen", config.metrics.listen},
        {"sources.otlp.listen_grpc", config.otlp.listen_grpc},
        {"sources.otlp.listen_http", config.otlp.listen_http},
        {"sources.zipkin.listen", config.zipkin.listen}})
    if (!address.empty())
      if (const auto parsed = ListenAddress::Parse(address); !parsed)
        out.Add(fmt::format("{}: {}", key, parsed.error().message));
}

}  // namespace

Result<void> CheckConfig(const Config& config) {
  Mistakes out;
  for (const std::string& network : config.networks)
    if (!IsNetwork(network))
      out.Add(fmt::format("networks: '{:.80}' is not a network such as 10.0.0.0/8", network));
  CheckEbpf(config.ebpf, out);
  for (const std::string& mistake : KafkaMistakes(config)) out.Add(mistake);
  for (const std::string& stage : config.engine.stages)
    if (stage != "stitch" && stage != "trace")
      out.Add(fmt::format("engine.stages: '{:.40}' is not one of: stitch trace", stage));
  if (config.engine.stages.empty()) out.Add("engine.stages: none; an engine needs one at least");
  CheckChain(config.correlators, "correlators", out);
  CheckChain(config.samplers, "samplers", out);
  CheckChain(config.exporters, "exporters", out);
  if (config.exporters.empty()) out.Add("exporters: none; traces would go nowhere");
  const bool to_store = std::any_of(config.exporters.begin(), config.exporters.end(),
                                    [](const auto& e) { return e.name == "sqlite"; });
  for (const PluginChoice& exporter : config.exporters) CheckExporter(exporter, out);
  if (to_store && config.store.path.empty())
    out.Add("store.path: empty, but the exporter sqlite needs it");
  if (config.trace.max_age_ns < config.stitch.window_ns + config.stitch.look_ahead_ns)
    out.Add(
        fmt::format("trace.max_age: {} is shorter than stitch.window + stitch.look_ahead ({}): "
                    "every trace would be cut",
                    FormatDuration(config.trace.max_age_ns),
                    FormatDuration(config.stitch.window_ns + config.stitch.look_ahead_ns)));
  if (config.trace.max_bytes > config.transport.memory_bytes)
    out.Add(
        fmt::format("trace.max_bytes: {} for one trace is more than transport.memory_bytes ({})",
                    FormatSize(config.trace.max_bytes), FormatSize(config.transport.memory_bytes)));
  if (!config.otlp.topics.empty() && config.transport.kind != "kafka")
    out.Add("sources.otlp.topics: are read where transport.kind is kafka");
  CheckListeners(config, out);
  return out.Finish();
}

}  // namespace weft
