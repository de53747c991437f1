#include "engine/cli/policy_import.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace weft::cli {

Result<ImportedPolicies> ImportPolicies(std::string_view yaml, std::string_view which,
                                        const PolicyCheck& check) {
  try {
    const YAML::Node document = YAML::Load(std::string(yaml));
    if (!document.IsMap())
      return Fail(Code::kInvalid, "no mapping: neither a Collector's configuration nor Refinery's");
    if (document["Samplers"] || document["RulesVersion"])
      return ImportRefinery(document, which, check);
    return ImportCollector(document, which, check);
  } catch (const YAML::Exception& e) {
    return Fail(Code::kInvalid, fmt::format("line {}: {}", e.mark.line + 1, e.msg));
  }
}

std::string SamplersYaml(const YAML::Node& tail_config, const ImportedPolicies& imported) {
  std::string out = fmt::format("# From {}: {} carried over, {} not.\n", imported.from,
                                imported.carried, imported.refused);
  for (const std::string& note : imported.notes) {
    std::string line = "# - " + note;
    for (size_t at = 0; (at = line.find('\n', at)) != line.npos; at += 3)
      line.replace(at, 1, "\n# ");
    out += line + "\n";
  }
  YAML::Node tail;
  tail["name"] = "tail";
  tail["config"] = tail_config;
  YAML::Node document;
  document["samplers"].push_back(tail);
  YAML::Emitter emitter;
  emitter << document;
  out += emitter.c_str();
  out +=
      "\n  # A cap above all rules: a service whose every request fails cannot flood the store.\n"
      "  # - {name: rate, config: {per: service, spans_per_second: 5000}}\n";
  return out;
}

}  // namespace weft::cli
