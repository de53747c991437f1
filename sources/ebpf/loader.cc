#include "sources/ebpf/loader.h"

#include "sources/ebpf/probe_report.h"

#if WEFT_HAVE_BPF

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sources/ebpf/kernel_programs.h"
#include "sources/ebpf/libbpf_words.h"
#include "sources/ebpf/own_connections.h"
#include "sources/ebpf/privileges.h"

namespace weft::ebpf {
namespace {

struct RingDeleter {
  void operator()(ring_buffer* r) const { ring_buffer__free(r); }
};

// What the checks of this host say about a refusal.
std::string FailedChecks() {
  std::string text;
  for (const Check& check : ProbeHost()) {
    if (check.state != CheckState::kFail) continue;
    text += fmt::format("; {}: {}", check.name, check.detail);
    if (!check.remedy.empty()) text += fmt::format(" ({})", check.remedy);
  }
  return text;
}

std::unexpected<Error> LoadError(int error, const LibbpfWords& words, std::string_view what) {
  const Code code = error == EPERM || error == EACCES ? Code::kDenied : Code::kUnsupported;
  std::string message = fmt::format("{}: {}", what, strerror(error));
  if (const std::string cause = words.Cause(); !cause.empty())
    message += fmt::format(" [{}]", cause);
  return Fail(code, message + FailedChecks());
}

constexpr int kStopDraining = -2000;  // not an errno of libbpf

}  // namespace

class Loader::Impl {
 public:
  Result<void> Open(const EbpfConfig& config);
  Result<void> Attach();
  void Detach() { programs_->Detach(); }
  size_t Drain(ring_buffer* ring, size_t max_records);
  Result<KernelCounts> Counts() const;

  static int OnData(void* self, void* data, size_t size);
  static int OnControl(void* self, void* data, size_t size);

  HookFamily family_ = HookFamily::kSocket;
  std::unique_ptr<KernelPrograms> programs_;
  std::unique_ptr<ring_buffer, RingDeleter> data_ring_, control_ring_;
  DataCallback on_data_;
  OptionCallback on_option_;
  ControlCallback on_control_;
  size_t drained_ = 0, drain_limit_ = 0;
};

Result<void> Loader::Impl::Open(const EbpfConfig& config) {
  LibbpfWords words;
  RaiseLockedMemory();  // kernels before 5.11 charge maps to it

  const KernelTypes kernel = KernelTypes::Load();
  const Result<HookFamily> chosen = ChooseHooks(config.hooks, kernel);
  if (!chosen) return std::unexpected(chosen.error());
  family_ = *chosen;
  programs_ = KernelPrograms::Open(family_, kernel.HasFunction("bpf_rdonly_cast"));
  if (!programs_) return LoadError(errno, words, "cannot open the kernel programs");
  programs_->Set({.agent_pid = static_cast<uint32_t>(getpid()),
                  .capture_bytes = config.capture_bytes,
                  .filter_pids = !config.include.empty() || !config.exclude.empty(),
                  .include_ports = !config.include_ports.empty(),
                  .exclude_ports = !config.exclude_ports.empty()});
  bpf_map__set_max_entries(programs_->map("data_ring"), config.data_ring_bytes);
  bpf_map__set_max_entries(programs_->map("control_ring"), config.control_ring_bytes);

  if (const int error = programs_->Load(); error != 0)
    return LoadError(-error, words, "the kernel does not take the programs");

  for (const auto* list : {&config.include_ports, &config.exclude_ports}) {
    for (const uint16_t port : *list) {
      const uint8_t one = 1;
      if (bpf_map_update_elem(programs_->map_fd("ports"), &port, &one, BPF_ANY) != 0)
        return Fail(Code::kInvalid, "more than 1024 ports to include or exclude");
    }
  }
  for (const weft_ends& ends : OwnConnections()) {
    const uint8_t one = 1;
    bpf_map_update_elem(programs_->map_fd("own_connections"), &ends, &one, BPF_ANY);
  }
  data_ring_.reset(ring_buffer__new(programs_->map_fd("data_ring"), OnData, this, nullptr));
  control_ring_.reset(
      ring_buffer__new(programs_->map_fd("control_ring"), OnControl, this, nullptr));
  if (!data_ring_ || !control_ring_) return LoadError(errno, words, "cannot map the rings");
  return {};
}

Result<void> Loader::Impl::Attach() {
  LibbpfWords words;
  if (const int error = programs_->Attach(); error != 0)
    return LoadError(-error, words, "cannot attach the programs");
  return {};
}

int Loader::Impl::OnData(void* self, void* data, size_t size) {
  auto* impl = static_cast<Impl*>(self);
  const auto* record = static_cast<const weft_data*>(data);
  if (size == sizeof(weft_option))
    impl->on_option_(*static_cast<const weft_option*>(data));
  else if (size >= sizeof(weft_data) && record->captured <= size - sizeof(weft_data))
    impl->on_data_(*record, static_cast<const uint8_t*>(data) + sizeof(weft_data));
  return ++impl->drained_ >= impl->drain_limit_ ? kStopDraining : 0;
}

int Loader::Impl::OnControl(void* self, void* data, size_t size) {
  auto* impl = static_cast<Impl*>(self);
  if (size >= sizeof(weft_control)) impl->on_control_(*static_cast<const weft_control*>(data));
  return ++impl->drained_ >= impl->drain_limit_ ? kStopDraining : 0;
}

size_t Loader::Impl::Drain(ring_buffer* ring, size_t max_records) {
  drained_ = 0;
  drain_limit_ = max_records;
  ring_buffer__consume(ring);
  return drained_;
}

Result<KernelCounts> Loader::Impl::Counts() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return Fail(Code::kIo, "cannot tell the number of CPUs");
  std::vector<weft_stats> per_cpu(static_cast<size_t>(cpus));
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(programs_->map_fd("stats"), &zero, per_cpu.data()) != 0)
    return Fail(Code::kIo, fmt::format("cannot read the kernel's counters: {}", strerror(errno)));
  KernelCounts counts;
  for (const weft_stats& s : per_cpu) {
    counts.stats.seen += s.seen;
    counts.stats.filtered += s.filtered;
    counts.stats.submitted += s.submitted;
    counts.stats.ring_full += s.ring_full;
    counts.stats.map_full += s.map_full;
    counts.stats.unreadable += s.unreadable;
    counts.stats.control_seen += s.control_seen;
    counts.stats.control_ring_full += s.control_ring_full;
    counts.stats.contended += s.contended;
    counts.stats.uring_calls += s.uring_calls;
  }
  counts.missed = programs_->Missed();
  return counts;
}

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loader::~Loader() = default;

Result<std::unique_ptr<Loader>> Loader::Open(const EbpfConfig& config, Logger&) {
  auto impl = std::make_unique<Impl>();
  WEFT_TRY(impl->Open(config));
  return std::unique_ptr<Loader>(new Loader(std::move(impl)));
}

void Loader::SetCallbacks(DataCallback data, ControlCallback control, OptionCallback option) {
  impl_->on_data_ = std::move(data);
  impl_->on_option_ = std::move(option);
  impl_->on_control_ = std::move(control);
}

Result<void> Loader::Attach() { return impl_->Attach(); }
void Loader::Detach() { impl_->Detach(); }
size_t Loader::DrainData(size_t max_records) {
  return impl_->Drain(impl_->data_ring_.get(), max_records);
}
size_t Loader::DrainControl(size_t max_records) {
  return impl_->Drain(impl_->control_ring_.get(), max_records);
}

Result<void> Loader::IgnorePid(uint32_t pid) {
  const uint8_t one = 1;
  if (bpf_map_update_elem(impl_->programs_->map_fd("ignored_pids"), &pid, &one, BPF_ANY) != 0)
    return Fail(Code::kFull, fmt::format("ignored_pids: {}", strerror(errno)));
  return {};
}

void Loader::ForgetPid(uint32_t pid) {
  bpf_map_delete_elem(impl_->programs_->map_fd("ignored_pids"), &pid);
}

Result<KernelCounts> Loader::Counts() const { return impl_->Counts(); }
HookFamily Loader::family() const { return impl_->family_; }
int Loader::data_ring_fd() const { return impl_->programs_->map_fd("data_ring"); }

}  // namespace weft::ebpf

#else  // !WEFT_HAVE_BPF

#include <utility>

namespace weft::ebpf {

class Loader::Impl {};

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loader::~Loader() = default;

Result<std::unique_ptr<Loader>> Loader::Open(const EbpfConfig&, Logger&) {
  return Fail(Code::kUnsupported,
              "this weft was built without the eBPF source: install clang, bpftool and libbpf-dev "
              "and configure again");
}

void Loader::SetCallbacks(DataCallback, ControlCallback, OptionCallback) {}
Result<void> Loader::Attach() { return Fail(Code::kUnsupported, "built without the eBPF source"); }
void Loader::Detach() {}
size_t Loader::DrainData(size_t) { return 0; }
size_t Loader::DrainControl(size_t) { return 0; }
Result<void> Loader::IgnorePid(uint32_t) { return {}; }
void Loader::ForgetPid(uint32_t) {}
Result<KernelCounts> Loader::Counts() const { return KernelCounts{}; }
HookFamily Loader::family() const { return HookFamily::kSocket; }
int Loader::data_ring_fd() const { return -1; }

}  // namespace weft::ebpf

#endif
