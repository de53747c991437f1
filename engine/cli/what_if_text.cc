// The report of `weft what-if`.
#include <fmt/format.h>

#include "engine/cli/json_writer.h"
#include "engine/cli/text_table.h"
#include "engine/cli/what_if_tally.h"

namespace weft::cli {
namespace {

std::string Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? "-"
                    : fmt::format("{:.2f} %",
                                  100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Size(uint64_t bytes) {
  const auto kb = static_cast<double>(bytes) / 1e3;
  return kb < 1e3 ? fmt::format("{:.1f} kB", kb) : fmt::format("{:.1f} MB", kb / 1e3);
}

std::string RuleTable(const WhatIfSide& side, const WhatIfCount& all) {
  TextTable table({"rule", "kept", "dropped", "spans kept", "bytes kept", "of all bytes",
                   "stand for", "for example"});
  for (const auto& [name, rule] : side.rules)
    table.Add({name, std::to_string(rule.kept.traces), std::to_string(rule.dropped.traces),
               std::to_string(rule.kept.spans), Size(rule.kept.bytes),
               Share(rule.kept.bytes, all.bytes), fmt::format("{:.0f}", rule.kept.weight),
               rule.examples.empty() ? "" : rule.examples.front().trace_id});
  return table.Render(Stdout());
}

std::string ExampleTable(const std::vector<WhatIfExample>& examples, std::string_view rule) {
  TextTable table({"trace", "service", "operation", "ms", "spans", "errors", std::string(rule)});
  for (const WhatIfExample& e : examples)
    table.Add({e.trace_id, e.service, e.operation, fmt::format("{:.1f}", e.duration_ms),
               std::to_string(e.spans), std::to_string(e.errors), e.rule});
  return table.Render(Stdout());
}

void WriteCount(JsonWriter& json, const WhatIfCount& count) {
  json.Field("traces", count.traces);
  json.Field("spans", count.spans);
  json.Field("bytes", count.bytes);
}

void WriteSide(JsonWriter& json, std::string_view name, const WhatIfSide& side) {
  json.BeginObject(name);
  WriteCount(json, side.kept);
  json.Field("weight", side.kept.weight);
  json.BeginObject("rules");
  for (const auto& [rule_name, rule] : side.rules) {
    json.BeginObject(rule_name);
    WriteCount(json, rule.kept);
    json.Field("dropped", rule.dropped.traces);
    json.Field("weight", rule.kept.weight);
    json.BeginArray("examples");
    for (const WhatIfExample& example : rule.examples) json.Field("", example.trace_id);
    json.End();
    json.End();
  }
  json.End();
  json.End();
}

}  // namespace

std::string WhatIfText(const WhatIfTally& tally, const std::string& before,
                       const std::string& after) {
  const WhatIfCount& all = tally.all();
  TextTable sums({"", "traces", "kept", "spans", "bytes", "of all bytes", "stand for"});
  const auto line = [&](const std::string& name, const WhatIfCount& c, double weight) {
    sums.Add({name, std::to_string(c.traces), Share(c.traces, all.traces), std::to_string(c.spans),
              Size(c.bytes), Share(c.bytes, all.bytes), fmt::format("{:.0f}", weight)});
  };
  line("recorded", all, static_cast<double>(all.traces));
  line("before: " + before, tally.before().kept, tally.before().kept.weight);
  line("after: " + after, tally.after().kept, tally.after().kept.weight);
  std::string out = sums.Render(Stdout());
  out += "\nbefore, by rule\n" + RuleTable(tally.before(), all);
  out += "\nafter, by rule\n" + RuleTable(tally.after(), all);
  if (tally.lost() > 0)
    out += fmt::format("\n{} traces kept before would be dropped, for example\n{}", tally.lost(),
                       ExampleTable(tally.lost_examples(), "dropped by"));
  if (tally.gained() > 0)
    out += fmt::format("\n{} traces dropped before would be kept, for example\n{}", tally.gained(),
                       ExampleTable(tally.gained_examples(), "was dropped by"));
  return out;
}

std::string WhatIfJson(const WhatIfTally& tally) {
  JsonWriter json;
  json.BeginObject();
  json.BeginObject("recorded");
  WriteCount(json, tally.all());
  json.End();
  WriteSide(json, "before", tally.before());
  WriteSide(json, "after", tally.after());
  json.Field("lost", tally.lost());
  json.Field("gained", tally.gained());
  json.End();
  return json.text();
}

}  // namespace weft::cli
