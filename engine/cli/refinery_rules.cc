// Rules of Honeycomb's Refinery, version 2, as rules of the sampler `tail`.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "engine/base/yaml_json.h"
#include "engine/cli/policy_import.h"

namespace weft::cli {
namespace {

std::string TextOf(const YAML::Node& node, std::string_view fallback = "") {
  return node && node.IsScalar() ? node.Scalar() : std::string(fallback);
}

double NumberOf(const YAML::Node& node, double fallback) {
  double value = fallback;
  if (node && node.IsScalar()) YAML::convert<double>::decode(node, value);
  return value;
}

std::string Fields(const YAML::Node& sampler) {
  std::string out;
  if (const YAML::Node list = sampler["FieldList"]; list && list.IsSequence())
    for (const YAML::Node& field : list) out += (out.empty() ? "" : ", ") + TextOf(field);
  return out;
}

// Sets keep or adaptive of `rule` to what the sampler, a mapping with one entry, does.
Result<void> SetSampler(const YAML::Node& sampler, const std::string& where, YAML::Node* rule,
                        std::vector<std::string>* notes) {
  if (!sampler.IsMap() || sampler.size() != 1)
    return Fail(Code::kInvalid, where + ": one sampler is wanted");
  const auto type = sampler.begin()->first.as<std::string>();
  const YAML::Node s = sampler.begin()->second;
  if (type == "DeterministicSampler") {
    const double rate = NumberOf(s["SampleRate"], 1);
    if (!(rate >= 1)) return Fail(Code::kInvalid, where + ": SampleRate below 1");
    (*rule)["keep"] = 1 / rate;
  } else if (type == "DynamicSampler" || type == "EMADynamicSampler") {
    const double rate = NumberOf(s[type == "DynamicSampler" ? "SampleRate" : "GoalSampleRate"], 1);
    if (!(rate >= 1)) return Fail(Code::kInvalid, where + ": sample rate below 1");
    (*rule)["keep"] = 1 / rate;
    notes->push_back(
        fmt::format("{}: {} becomes one ratio, 1 of {}: weft has targets for throughput "
                    "(adaptive), none for an "
                    "average rate over keys ({})",
                    where, type, rate, Fields(s)));
  } else if (type == "EMAThroughputSampler" || type == "WindowedThroughputSampler" ||
             type == "TotalThroughputSampler") {
    const double goal = NumberOf(s["GoalThroughputPerSec"], 100);
    YAML::Node adaptive;
    adaptive["total"] = goal;
    if (s["MaxKeys"]) adaptive["max_operations"] = NumberOf(s["MaxKeys"], 1000);
    (*rule)["adaptive"] = adaptive;
    notes->push_back(
        fmt::format("{}: {} becomes adaptive with {} traces a second (of the whole "
                    "deployment, not of a node); its keys are service and operation, "
                    "not {}",
                    where, type, goal, Fields(s)));
  } else {
    return Fail(Code::kInvalid, fmt::format("{}: {} has no counterpart", where, type));
  }
  return {};
}

Result<YAML::Node> ReadRule(const YAML::Node& rule, const std::string& where,
                            std::vector<std::string>* notes) {
  YAML::Node out;
  out["name"] = TextOf(rule["Name"], where);
  auto condition = RefineryCondition(rule);
  if (!condition) return std::unexpected(condition.error());
  if (condition->IsDefined() && !condition->IsNull()) out["if"] = *condition;
  if (TextOf(rule["Drop"]) == "true") {
    out["keep"] = 0;
  } else if (rule["Sampler"]) {
    WEFT_TRY(SetSampler(rule["Sampler"], where, &out, notes));
  } else {
    const double rate = NumberOf(rule["SampleRate"], 1);
    if (!(rate >= 1)) return Fail(Code::kInvalid, "SampleRate below 1");
    if (rate > 1) out["keep"] = 1 / rate;
  }
  return out;
}

}  // namespace

Result<ImportedPolicies> ImportRefinery(const YAML::Node& document, std::string_view which,
                                        const PolicyCheck& check) {
  const YAML::Node samplers = document["Samplers"];
  if (!samplers || !samplers.IsMap())
    return Fail(Code::kInvalid, "Samplers: a mapping is wanted (rules of version 2)");
  const std::string target(which.empty() ? "__default__" : which);
  ImportedPolicies out;
  out.from = "the rules of Refinery for " + target;
  YAML::Node chosen;
  for (const auto& entry : samplers) {
    const auto name = entry.first.as<std::string>();
    if (name == target)
      chosen.reset(entry.second);
    else
      out.notes.push_back(fmt::format("{} has samplers of its own: --name {}", name, name));
  }
  if (!chosen.IsMap() || chosen.size() != 1)
    return Fail(Code::kNotFound, fmt::format("no sampler for {} here", target));
  YAML::Node config;
  const auto add = [&](Result<YAML::Node> rule, const std::string& name) {
    std::string wrong = rule ? "" : rule.error().message;
    if (rule) {
      YAML::Node alone;
      alone["rules"].push_back(*rule);
      auto json = ToJson(alone);
      wrong = json ? check(*json) : json.error().message;
    }
    if (wrong.empty()) {
      config["rules"].push_back(*rule);
      ++out.carried;
      return;
    }
    ++out.refused;
    out.notes.push_back(fmt::format(
        "rule {} is not carried over, so its traces fall to the rules below: {}", name, wrong));
  };
  if (const YAML::Node based = chosen["RulesBasedSampler"]) {
    if (TextOf(based["CheckNestedFields"]) == "true")
      out.notes.push_back("CheckNestedFields: JSON inside attributes is not looked into");
    int number = 0;
    for (const YAML::Node& rule : based["Rules"]) {
      const std::string name = TextOf(rule["Name"], fmt::format("rule {}", ++number));
      add(ReadRule(rule, name, &out.notes), name);
    }
  } else {
    YAML::Node rule;
    rule["name"] = "all";
    const auto set = SetSampler(chosen, target, &rule, &out.notes);
    add(set ? Result<YAML::Node>(rule) : std::unexpected(set.error()), "all");
  }
  if (out.carried == 0)
    return Fail(Code::kInvalid,
                fmt::format("nothing can be carried over: {}",
                            out.notes.empty() ? "there are no rules" : out.notes.back()));
  out.yaml = SamplersYaml(config, out);
  return out;
}

}  // namespace weft::cli
