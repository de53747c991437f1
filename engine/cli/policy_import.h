// ImportPolicies: sampling rules of others as a `samplers` section of ours.
//
// Read are a Collector's tail_sampling (its whole configuration, the processor alone, or a mapping
// with `policies`) and Refinery's rules (RulesVersion 2). What has no counterpart is named in
// `notes`, never left out in silence. Whether a policy or rule can be carried is for `check` to
// say, who asks the sampler itself. Pure functions; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace YAML {
class Node;
}

namespace weft::cli {

struct ImportedPolicies {
  std::string from;  // "tail_sampling/errors of a Collector"
  std::string yaml;  // a configuration with `samplers`
  std::vector<std::string> notes;
  int carried = 0, refused = 0;  // policies or rules
};

// The configuration of a tail sampler, as JSON: what is wrong with it, "" for nothing.
using PolicyCheck = std::function<std::string(const std::string& config_json)>;

// `which`: the processor's name or the environment; "" for the only or default one.
Result<ImportedPolicies> ImportPolicies(std::string_view yaml, std::string_view which,
                                        const PolicyCheck& check);

// The two kinds. Requires: the document is a mapping.
Result<ImportedPolicies> ImportCollector(const YAML::Node& document, std::string_view which,
                                         const PolicyCheck& check);
Result<ImportedPolicies> ImportRefinery(const YAML::Node& document, std::string_view which,
                                        const PolicyCheck& check);

// The `if` of a rule of ours for a Refinery rule's conditions; undefined where it has none. What it
// cannot express is kInvalid.
Result<YAML::Node> RefineryCondition(const YAML::Node& rule);

// {name: tail, config: ...} as a document, with the notes as comments above it.
std::string SamplersYaml(const YAML::Node& tail_config, const ImportedPolicies& imported);

}  // namespace weft::cli
