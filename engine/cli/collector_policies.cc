// tail_sampling of an OpenTelemetry Collector. Policies are the same in ours, so they are copied.
#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "engine/base/yaml_json.h"
#include "engine/cli/policy_import.h"

namespace weft::cli {
namespace {

const std::map<std::string, std::string, std::less<>> kSettings = {
    {"decision_wait",
     "weft waits for no fixed time: a trace is decided when its root has ended and everything "
     "begun before is there, at the latest after trace.max_age"},
    {"decision_wait_after_root_received", "that is how weft decides"},
    {"num_traces", "weft bounds memory in bytes, not traces; the oldest are decided first"},
    {"expected_new_traces_per_sec", "not needed"},
    {"decision_cache", "always there, and logged: late spans follow their trace"},
    {"block_on_overflow", "weft never evicts a trace undecided"},
    {"drop_pending_traces_on_shutdown", "weft decides open traces when it stops"},
    {"maximum_trace_size_bytes",
     "trace.max_bytes; weft decides a larger trace with what is there instead of dropping it"},
    {"sampling_strategy", "weft always decides on whole traces"},
    {"tail_storage", "with Kafka what is undecided is in the log"},
};

struct Processor {
  std::string name;
  YAML::Node config;
};

std::vector<Processor> Find(const YAML::Node& document) {
  std::vector<Processor> out;
  const auto look = [&](const YAML::Node& in) {
    if (!in.IsMap()) return;
    for (const auto& entry : in) {
      const auto name = entry.first.as<std::string>();
      if ((name == "tail_sampling" || name.starts_with("tail_sampling/")) && entry.second.IsMap())
        out.push_back({name, entry.second});
    }
  };
  if (document["policies"]) out.push_back({"tail_sampling", document});
  look(document);
  if (const YAML::Node processors = document["processors"]) look(processors);
  return out;
}

Result<Processor> Choose(std::vector<Processor> found, std::string_view which) {
  if (found.empty())
    return Fail(Code::kNotFound,
                "no tail_sampling here (nor Samplers of Refinery): a Collector's configuration, "
                "its tail_sampling or a mapping with policies is wanted");
  std::string names;
  for (const Processor& p : found) {
    if (p.name == which || p.name == fmt::format("tail_sampling/{}", which)) return p;
    names += (names.empty() ? "" : ", ") + p.name;
  }
  if (!which.empty())
    return Fail(Code::kNotFound, fmt::format("no {} here, only {}", which, names));
  if (found.size() > 1)
    return Fail(Code::kInvalid, fmt::format("several of them: choose one with --name: {}", names));
  return found.front();
}

std::string NameOf(const YAML::Node& policy) {
  const YAML::Node name = policy.IsMap() ? policy["name"] : YAML::Node();
  return name && name.IsScalar() ? name.Scalar() : "without a name";
}

}  // namespace

Result<ImportedPolicies> ImportCollector(const YAML::Node& document, std::string_view which,
                                         const PolicyCheck& check) {
  auto processor = Choose(Find(document), which);
  if (!processor) return std::unexpected(processor.error());
  ImportedPolicies out;
  out.from = processor->name + " of a Collector";
  YAML::Node config;
  for (const auto& entry : processor->config) {
    const auto key = entry.first.as<std::string>();
    if (key == "policies") continue;
    if (key == "sample_on_first_match") {
      config[key] = entry.second;
      continue;
    }
    const auto setting = kSettings.find(key);
    out.notes.push_back(key + ": " +
                        (setting == kSettings.end() ? "unknown; left out" : setting->second));
  }
  const YAML::Node policies = processor->config["policies"];
  if (!policies || !policies.IsSequence())
    return Fail(Code::kInvalid, processor->name + ": policies: a list is wanted");
  for (const YAML::Node& policy : policies) {
    YAML::Node alone;
    alone["policies"].push_back(policy);
    auto json = ToJson(alone);
    const std::string wrong = json ? check(*json) : json.error().message;
    if (wrong.empty()) {
      config["policies"].push_back(policy);
      ++out.carried;
    } else {
      out.notes.push_back(fmt::format("policy {} is not carried over: {}", NameOf(policy), wrong));
      ++out.refused;
    }
  }
  if (out.carried == 0)
    return Fail(Code::kInvalid,
                fmt::format("none of {} policies can be carried over: {}", out.refused,
                            out.notes.empty() ? "" : out.notes.back()));
  out.yaml = SamplersYaml(config, out);
  return out;
}

}  // namespace weft::cli
