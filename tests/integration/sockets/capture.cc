#include "tests/integration/sockets/capture.h"

#include <limits>
#include <utility>

namespace weft::test {

Result<std::unique_ptr<Capture>> Capture::Start(const ebpf::EbpfConfig& config) {
  std::unique_ptr<Capture> capture(new Capture);
  auto loader = ebpf::Loader::Open(config, *capture->logger_);
  if (!loader.has_value()) return std::unexpected(loader.error());
  capture->loader_ = std::move(*loader);
  Capture* self = capture.get();
  self->loader_->SetCallbacks(
      [self](const weft_data& record, const weft_connection* described, const uint8_t* payload) {
        if (described != nullptr) self->connections_[record.cookie] = *described;
        self->taken_.push_back(
            {record, self->connections_[record.cookie],
             std::string(reinterpret_cast<const char*>(payload), record.captured)});
      },
      [self](const weft_control& record) { self->controls_.push_back(record); });
  WEFT_TRY(self->loader_->Attach());
  return capture;
}

std::vector<CapturedRecord> Capture::Take() {
  while (loader_->DrainData(std::numeric_limits<size_t>::max(), clock_.MonotonicNs()) != 0) {
  }
  records_ += taken_.size();
  return std::exchange(taken_, {});
}

std::vector<weft_control> Capture::TakeControl() {
  while (loader_->DrainControl(std::numeric_limits<size_t>::max()) != 0) {
  }
  return std::exchange(controls_, {});
}

const std::vector<HookFamily>& HookFamilies() {
  static const std::vector<HookFamily> families = {
      {"SocketLayer", "socket-layer",
       [](ebpf::EbpfConfig& config) { config.hooks = ebpf::Hooks::kSocket; }},
      {"SystemCalls", "system-calls",
       [](ebpf::EbpfConfig& config) { config.hooks = ebpf::Hooks::kSyscalls; }},
  };
  return families;
}

}  // namespace weft::test
