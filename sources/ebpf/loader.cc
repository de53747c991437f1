#include "sources/ebpf/loader.h"

#include "sources/ebpf/probe_report.h"

#if WEFT_HAVE_BPF

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sources/ebpf/cpu_rings.h"
#include "sources/ebpf/data_record.h"
#include "sources/ebpf/data_rings.h"
#include "sources/ebpf/kernel_programs.h"
#include "sources/ebpf/libbpf_words.h"
#include "sources/ebpf/own_connections.h"
#include "sources/ebpf/privileges.h"

namespace weft::ebpf {
namespace {

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

// Of kernels with PREEMPT_RT.
bool HasPreemptiblePrograms() {
  utsname kernel{};
  return uname(&kernel) == 0 && strstr(kernel.version, "PREEMPT_RT") != nullptr;
}

// A CPU's ring found fuller than this is looked into sooner the next time, emptier than that later.
constexpr double kFull = 0.5, kEmpty = 0.25;

}  // namespace

class Loader::Impl {
 public:
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (wake_up_ >= 0) close(wake_up_);
  }

  Result<void> Open(const EbpfConfig& config);
  Result<void> Attach();
  void Detach() { programs_->Detach(); }
  size_t DrainData(size_t max_records, uint64_t now_ns);
  size_t DrainControl(size_t max_records);
  void Sleep(uint32_t longest_ms);
  void WakeUp();
  Result<KernelCounts> Counts() const;

  HookFamily family_ = HookFamily::kSocket;
  std::unique_ptr<KernelPrograms> programs_;
  uint32_t cpus_ = 0;  // that there may ever be
  size_t cpu_ring_bytes_ = 0;
  DataRings data_rings_;
  std::optional<Ring> control_ring_;
  int wake_up_ = -1;
  uint64_t garbled_ = 0;  // records that are shorter than they say
  uint32_t sleep_ms_ = 1000;
  DataCallback on_data_;
  OptionCallback on_option_;
  ControlCallback on_control_;

 private:
  Result<void> OpenRings(const EbpfConfig& config);
  void OnData(const void* at, size_t size);
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
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return Fail(Code::kIo, "cannot tell the number of CPUs");
  cpus_ = static_cast<uint32_t>(cpus);
  cpu_ring_bytes_ = CpuRingBytes(config.data_ring_bytes, config.cpu_ring_bytes, cpus_);
  programs_->Set({.agent_pid = static_cast<uint32_t>(getpid()),
                  .capture_bytes = config.capture_bytes,
                  .cpu_ring_bytes = static_cast<uint32_t>(cpu_ring_bytes_),
                  .preemptible = HasPreemptiblePrograms(),
                  .include_ports = !config.include_ports.empty(),
                  .exclude_ports = !config.exclude_ports.empty()});
  bpf_map__set_max_entries(programs_->map("data_ring"), config.data_ring_bytes);
  bpf_map__set_max_entries(programs_->map("control_ring"), config.control_ring_bytes);
  bpf_map__set_max_entries(programs_->map("cpu_rings"), cpus_);
  bpf_map__set_value_size(programs_->map("cpu_rings"),
                          static_cast<uint32_t>(WEFT_RING_VALUE(cpu_ring_bytes_)));

  if (const int error = programs_->Load(); error != 0)
    return LoadError(-error, words, "the kernel does not take the programs");

  programs_->SetFilterPids(!config.include.empty() || !config.exclude.empty());
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
  return OpenRings(config);
}

Result<void> Loader::Impl::OpenRings(const EbpfConfig& config) {
  WEFT_TRY(AddCpuRings(programs_->map_fd("cpu_rings"), cpu_ring_bytes_, cpus_, &data_rings_));
  auto shared = Ring::Map(programs_->map_fd("data_ring"), config.data_ring_bytes);
  if (!shared.has_value()) return std::unexpected(shared.error());
  data_rings_.Add(std::move(*shared), config.data_ring_bytes);
  auto control = Ring::Map(programs_->map_fd("control_ring"), config.control_ring_bytes);
  if (!control.has_value()) return std::unexpected(control.error());
  control_ring_.emplace(std::move(*control));
  wake_up_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_up_ < 0) return Fail(Code::kIo, fmt::format("eventfd: {}", strerror(errno)));
  return {};
}

Result<void> Loader::Impl::Attach() {
  LibbpfWords words;
  if (const int error = programs_->Attach(); error != 0)
    return LoadError(-error, words, "cannot attach the programs");
  return {};
}

void Loader::Impl::OnData(const void* at, size_t size) {
  if (size == sizeof(weft_option)) {
    on_option_(*static_cast<const weft_option*>(at));
  } else if (const DataRecord record = DataRecord::At(at, size); record.data != nullptr) {
    on_data_(*record.data, record.described, record.payload);
  } else {
    ++garbled_;
  }
}

size_t Loader::Impl::DrainData(size_t max_records, uint64_t now_ns) {
  return data_rings_.Drain(max_records, now_ns,
                           [this](const void* at, size_t size) { OnData(at, size); });
}

size_t Loader::Impl::DrainControl(size_t max_records) {
  size_t drained = 0;
  control_ring_->Look();
  for (; control_ring_->data() != nullptr && drained < max_records; control_ring_->Pass()) {
    if (control_ring_->size() >= sizeof(weft_control))
      on_control_(*static_cast<const weft_control*>(control_ring_->data()));
    ++drained;
  }
  control_ring_->Release();
  return drained;
}

void Loader::Impl::Sleep(uint32_t longest_ms) {
  const double fullest = data_rings_.TakeFullest();
  if (fullest > kFull) {
    sleep_ms_ = std::max(sleep_ms_ / 2, 1u);
  } else if (fullest < kEmpty) {
    sleep_ms_ *= 2;
  }
  sleep_ms_ = std::min(sleep_ms_, longest_ms);
  // In this order: what found no room before the programs could know is seen by poll.
  programs_->SetReaderSleeps(true);
  pollfd wait[] = {{programs_->map_fd("data_ring"), POLLIN, 0}, {wake_up_, POLLIN, 0}};
  poll(wait, 2, static_cast<int>(sleep_ms_));
  programs_->SetReaderSleeps(false);
  uint64_t calls = 0;
  (void)!read(wake_up_, &calls, sizeof calls);
}

void Loader::Impl::WakeUp() {
  const uint64_t one = 1;
  (void)!write(wake_up_, &one, sizeof one);
}

Result<KernelCounts> Loader::Impl::Counts() const {
  std::vector<weft_stats> per_cpu(cpus_);
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
    counts.stats.unmeasured += s.unmeasured;
  }
  counts.missed = programs_->Missed();
  return counts;
}

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loader::~Loader() = default;

Result<std::unique_ptr<Loader>> Loader::Open(const EbpfConfig& config, Logger& logger) {
  auto impl = std::make_unique<Impl>();
  WEFT_TRY(impl->Open(config));
  logger.Debug(fmt::format("kernel programs loaded: hooks {}, {} rings of {} KiB",
                           NameOf(impl->family_), impl->cpus_, impl->cpu_ring_bytes_ >> 10));
  return std::unique_ptr<Loader>(new Loader(std::move(impl)));
}

void Loader::SetCallbacks(DataCallback data, ControlCallback control, OptionCallback option) {
  impl_->on_data_ = std::move(data);
  impl_->on_option_ = std::move(option);
  impl_->on_control_ = std::move(control);
}

Result<void> Loader::Attach() { return impl_->Attach(); }
void Loader::Detach() { impl_->Detach(); }
size_t Loader::DrainData(size_t max_records, int64_t now_ns) {
  return impl_->DrainData(max_records, static_cast<uint64_t>(now_ns));
}
uint64_t Loader::Garbled() const { return impl_->garbled_ + impl_->data_rings_.garbled(); }
size_t Loader::DrainControl(size_t max_records) { return impl_->DrainControl(max_records); }
void Loader::Sleep(uint32_t longest_ms) { impl_->Sleep(longest_ms); }
void Loader::WakeUp() { impl_->WakeUp(); }

void Loader::FilterPids(bool filter) { impl_->programs_->SetFilterPids(filter); }

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
size_t Loader::DrainData(size_t, int64_t) { return 0; }
uint64_t Loader::Garbled() const { return 0; }
size_t Loader::DrainControl(size_t) { return 0; }
void Loader::Sleep(uint32_t) {}
void Loader::WakeUp() {}
void Loader::FilterPids(bool) {}
Result<void> Loader::IgnorePid(uint32_t) { return {}; }
void Loader::ForgetPid(uint32_t) {}
Result<KernelCounts> Loader::Counts() const { return KernelCounts{}; }
HookFamily Loader::family() const { return HookFamily::kSocket; }
int Loader::data_ring_fd() const { return -1; }

}  // namespace weft::ebpf

#endif
