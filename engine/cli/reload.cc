#include "engine/cli/reload.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::cli {
namespace {

bool IsSelection(std::string_view key) {
  return (key.starts_with("sources.ebpf.include.") || key.starts_with("sources.ebpf.exclude.")) &&
         !key.ends_with(".ports");  // the kernel programs have those built in
}

bool MayChange(std::string_view key) {
  return key == "correlators" || key == "samplers" || key == "log.level" || IsSelection(key);
}

}  // namespace

void SetLogLevel(const CommandContext& context, const Config& config) {
  if (context.log_level_given) return;
  context.log.SetLevel(config.log_level == "debug"  ? LogLevel::kDebug
                       : config.log_level == "info" ? LogLevel::kInfo
                       : config.log_level == "warn" ? LogLevel::kWarn
                                                    : LogLevel::kError);
}

Reload::Reload(const RunOptions& options, const Config& in_force, const CommandContext& context,
               Metrics& metrics)
    : options_(options),
      in_force_(in_force),
      context_(context),
      done_(metrics.Get("config.reloads")),
      refused_(metrics.Get("config.reloads_refused")) {}

std::string Reload::Run(Pipeline* pipeline, EbpfRun* source) {
  const auto next = options_.Load();
  const auto applied =
      next ? Apply(*next, pipeline, source) : Result<void>(std::unexpected(next.error()));
  if (!applied) {
    refused_.Add();
    context_.log.Error(
        fmt::format("the configuration in force stays; the one read again is wrong: {}",
                    applied.error().message));
    return "";
  }
  done_.Add();
  std::vector<std::string> changed, fixed;
  for (std::string& key : ChangedKeys(in_force_, *next))
    (MayChange(key) ? changed : fixed).push_back(std::move(key));
  if (!fixed.empty()) context_.log.Warn(fmt::format("needs a restart: {}", fmt::join(fixed, ", ")));
  in_force_.correlators = next->correlators;
  in_force_.samplers = next->samplers;
  in_force_.log_level = next->log_level;
  for (const auto selection : {&EbpfSettings::include, &EbpfSettings::exclude}) {
    const std::vector<int64_t> ports = (in_force_.ebpf.*selection).ports;
    in_force_.ebpf.*selection = next->ebpf.*selection;
    (in_force_.ebpf.*selection).ports = ports;
  }
  return changed.empty()
             ? "configuration read again: nothing to change"
             : fmt::format("configuration read again: {} changed", fmt::join(changed, ", "));
}

Result<void> Reload::Apply(const Config& next, Pipeline* pipeline, EbpfRun* source) {
  const auto changed = ChangedKeys(in_force_, next);
  const auto is = [&](auto matches) { return std::ranges::any_of(changed, matches); };
  const auto plugins = [](std::string_view key) {
    return key == "correlators" || key == "samplers";
  };
  if (pipeline != nullptr && is(plugins)) WEFT_TRY(pipeline->Renew(next));
  if (source != nullptr && is(IsSelection) && !source->Select(next))
    context_.log.Warn(
        "processes are chosen anew as soon as the probe's reader goes on: it waits until what it "
        "has read is taken");
  SetLogLevel(context_, next);
  return {};
}

}  // namespace weft::cli
