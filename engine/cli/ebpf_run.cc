#include "engine/cli/ebpf_run.h"

#include <fmt/format.h>

#include "engine/cli/ebpf_settings.h"
#include "sources/ebpf/probe_report.h"

namespace weft::cli {

Result<void> EbpfRun::CheckHost(Logger& log) {
  const std::vector<ebpf::Check> checks = ebpf::ProbeHost();
  if (ebpf::Usable(checks)) {
    for (const ebpf::Check& check : checks)
      if (check.state == ebpf::CheckState::kWarn && check.name.starts_with("CAP_"))
        log.Warn(fmt::format("{} {} -> {}", check.name, check.detail, check.remedy));
    return {};
  }
  std::string text = "this host does not let weft trace:";
  for (const ebpf::Check& check : checks) {
    if (check.state != ebpf::CheckState::kFail) continue;
    text += fmt::format("\n  {}: {}", check.name, check.detail);
    if (!check.remedy.empty()) text += fmt::format("\n    -> {}", check.remedy);
  }
  return Fail(Code::kDenied, text);
}

Result<std::unique_ptr<EbpfRun>> EbpfRun::Start(const Config& config, const std::string& record,
                                                transport::Publisher& transport,
                                                const plugin::Services& services,
                                                const MemoryShare* share) {
  std::unique_ptr<EbpfRun> run(new EbpfRun);
  transport::Publisher* target = &transport;
  if (!record.empty()) {
    sources::RecordingHeader header;
    header.partitions = transport.partitions();
    header.created_unix_ns = services.clock.UnixNs();
    auto writer = sources::RecordingWriter::Create(record, header);
    if (!writer) return std::unexpected(writer.error());
    run->writer_ = std::move(*writer);
    run->recording_.emplace(transport, *run->writer_, services.metrics);
    target = &*run->recording_;
  }
  ebpf::EbpfConfig settings = ToEbpfConfig(config);
  settings.queue_share = share;
  auto source = ebpf::EbpfSource::Start(std::move(settings), *target, services.clock,
                                        services.metrics, services.log);
  if (!source) return std::unexpected(source.error());
  run->source_ = std::move(*source);
  return run;
}

bool EbpfRun::Select(const Config& config) {
  ebpf::EbpfConfig chosen = ToEbpfConfig(config);
  return source_->Select(std::move(chosen.include), std::move(chosen.exclude));
}

Result<void> EbpfRun::Stop() {
  const Result<void> stopped = source_->Stop();
  if (!writer_) return stopped;
  const Result<void> closed = writer_->Close();
  return stopped ? closed : stopped;
}

}  // namespace weft::cli
