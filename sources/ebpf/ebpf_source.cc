#include "sources/ebpf/ebpf_source.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sources/ebpf/exchange_tracker.h"
#include "sources/ebpf/host_identity.h"
#include "sources/ebpf/loader.h"
#include "sources/ebpf/observation.h"
#include "sources/ebpf/process_filter.h"
#include "sources/ebpf/process_metadata.h"
#include "sources/ebpf/protocols/protocol_set.h"
#include "sources/ebpf/tcp_option.h"
#include "sources/ebpf/trusted_networks.h"
#include "sources/publisher.h"

namespace weft::ebpf {
namespace {

constexpr size_t kDrainLimit = 65536;  // records per round, so that heartbeats go on under load
// ... and between two looks into the control ring: connections that end after one exchange fill it
// half as fast as the other.
constexpr size_t kDrainSlice = 2048;
// A record that began before a drain may be committed a moment after it.
constexpr int64_t kRingSlackNs = 5 * kMillisecond;
constexpr int64_t kSweepEveryNs = 20 * kMillisecond;
constexpr int64_t kCountEveryNs = kSecond;
constexpr int64_t kAddressEveryNs = 10 * kSecond;
constexpr int64_t kDrainAtStopNs = 500 * kMillisecond;
// The reader may be waiting for a transport that is full, and who asks has other things to do.
constexpr std::chrono::seconds kSelectionPatience{1};

Result<void> Check(const EbpfConfig& config) {
  if (config.capture_bytes < WEFT_CAPTURE_LEAST || config.capture_bytes > WEFT_CAPTURE_MOST)
    return Fail(Code::kInvalid,
                fmt::format("capture_bytes: {} is not between {} and {}", config.capture_bytes,
                            WEFT_CAPTURE_LEAST, WEFT_CAPTURE_MOST));
  for (const uint32_t bytes :
       {config.data_ring_bytes, config.cpu_ring_bytes, config.control_ring_bytes})
    if (!std::has_single_bit(bytes) || bytes < 4096)
      return Fail(Code::kInvalid,
                  fmt::format("ring size {} is no power of two of at least 4096", bytes));
  if (!config.include_ports.empty() && !config.exclude_ports.empty())
    return Fail(Code::kInvalid, "include_ports and exclude_ports exclude each other");
  return {};
}

ProtocolSettings SettingsOf(const EbpfConfig& config) {
  ProtocolSettings settings;
  settings.capture_truth = config.capture_truth_header;
  settings.redis_arguments = config.redis_arguments;
  settings.headers = config.headers;
  settings.secret_names = config.secret_names;
  settings.tokens = config.tokens;
  settings.token_salt = config.token_salt.empty() ? BootSalt() : config.token_salt;
  settings.token_exclude = config.token_exclude;
  return settings;
}

}  // namespace

class EbpfSource::Impl {
 public:
  Impl(const EbpfConfig& config, TrustedNetworks trusted, std::unique_ptr<Loader> loader,
       transport::Publisher& transport, const Clock& clock, Metrics& metrics, Logger& logger);

  Result<void> Attach();
  void AttachOption();
  Result<void> Stop();
  bool Select(ProcessSelector include, ProcessSelector exclude);
  HookFamily hooks() const { return loader_->family(); }

 private:
  void Run();
  void OnData(const weft_data& record, const weft_connection* described, const uint8_t* payload);
  void OnControl(const weft_control& record);
  // One round over both rings; true when the data ring was emptied.
  bool Drain();
  // The two rings are merged by time.
  void ApplyControls(uint64_t before_ns);
  void Sweep(int64_t now);
  void ReadKernelCounts();
  void ReadOptionCounts();
  void PublishLedger();
  void PublishAddresses();
  void DrainToTheEnd();
  void ApplySelection();

  EbpfConfig config_;
  const Clock& clock_;
  Metrics& metrics_;
  Logger& logger_;
  ProtocolSet protocols_;
  ProcessMetadata processes_;
  ProcessFilter filter_;
  sources::Publisher publisher_;
  ObservationWriter writer_;
  ExchangeTracker tracker_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<TcpOption> option_;  // may be null
  Counter &records_, &filtered_;

  std::vector<weft_control> controls_;  // read, not applied yet: from next_control_ on
  size_t next_control_ = 0;
  int64_t watermark_ns_ = 0;
  int64_t next_sweep_ns_ = 0, next_count_ns_ = 0, next_address_ns_ = 0;
  KernelCounts counts_;

  std::mutex selection_mutex_;
  std::condition_variable selection_applied_;
  std::optional<std::pair<ProcessSelector, ProcessSelector>> selection_;  // not applied yet
  std::atomic<bool> stop_ = false;
  std::thread thread_;
  Result<void> outcome_;
};

EbpfSource::Impl::Impl(const EbpfConfig& config, TrustedNetworks trusted,
                       std::unique_ptr<Loader> loader, transport::Publisher& transport,
                       const Clock& clock, Metrics& metrics, Logger& logger)
    : config_(config),
      clock_(clock),
      metrics_(metrics),
      logger_(logger),
      protocols_(SettingsOf(config), metrics),
      processes_({.units = config.units}, clock, metrics),
      filter_(config, processes_),
      publisher_({processes_.host_id(), processes_.host_name(), NewAgentId(), BootId()},
                 {.share = config.queue_share}, transport, clock, metrics),
      writer_(std::move(trusted), processes_, publisher_, metrics),
      tracker_({.boot_id = BootId(),
                .announce_after_ns = int64_t{config.announce_after_ms} * kMillisecond,
                .tcp_spans = config.tcp_spans,
                .attached_ns = clock.MonotonicNs()},
               protocols_, writer_, metrics),
      loader_(std::move(loader)),
      records_(metrics.Get("agent.received")),
      filtered_(metrics.Get("agent.filtered")) {
  loader_->SetCallbacks([this](const weft_data& record, const weft_connection* described,
                               const uint8_t* payload) { OnData(record, described, payload); },
                        [this](const weft_control& record) { controls_.push_back(record); },
                        [this](const weft_option& record) { tracker_.OnOption(record); });
}

Result<void> EbpfSource::Impl::Attach() {
  WEFT_TRY(loader_->Attach());
  AttachOption();
  watermark_ns_ = clock_.MonotonicNs();
  PublishAddresses();
  thread_ = std::thread([this] { Run(); });
  return {};
}

// Requests are joined without it too, where nothing between changes sequence numbers.
void EbpfSource::Impl::AttachOption() {
  if (config_.tcp_option == TcpOptionPeers::kOff) return;
  auto option = TcpOption::Open(config_, BootId(), loader_->data_ring_fd());
  Result<void> attached;
  if (option.has_value()) attached = (*option)->Attach();
  if (option.has_value() && attached.has_value()) {
    option_ = std::move(*option);
    logger_.Debug(fmt::format("TCP option on, {}", option_->where()));
    return;
  }
  const Error& error = option.has_value() ? attached.error() : option.error();
  // Of a missing capability ProbeHost has told.
  logger_.Write(error.code == Code::kDenied ? LogLevel::kDebug : LogLevel::kWarn,
                fmt::format("no TCP option: {}; requests are joined by sequence numbers alone",
                            error.message));
}

void EbpfSource::Impl::OnData(const weft_data& record, const weft_connection* described,
                              const uint8_t* payload) {
  ApplyControls(record.time_ns);
  records_.Add();
  bool first = false;
  if (!filter_.Wanted(record.pid, &first)) {
    filtered_.Add();
    if (described != nullptr) tracker_.OnDescription(record, *described);
    if (first && !loader_->IgnorePid(record.pid).has_value())
      logger_.Debug("the kernel's table of ignored processes is full; filtering in the agent");
    return;
  }
  tracker_.OnData(record, described, {reinterpret_cast<const char*>(payload), record.captured});
}

void EbpfSource::Impl::OnControl(const weft_control& record) {
  switch (record.type) {
    case WEFT_RECORD_CLOSE: tracker_.OnClose(record); break;
    case WEFT_RECORD_EXEC:
      processes_.OnExec(record.pid, {record.comm, strnlen(record.comm, sizeof record.comm)});
      filter_.Forget(record.pid);
      loader_->ForgetPid(record.pid);
      break;
    case WEFT_RECORD_EXIT:
      processes_.OnExit(record.pid);
      filter_.Forget(record.pid);
      loader_->ForgetPid(record.pid);
      break;
    default: break;
  }
}

bool EbpfSource::Impl::Drain() {
  // Control first: what a process or connection did before its end is in the data ring by the time
  // that its end can be read.
  controls_.erase(controls_.begin(), controls_.begin() + static_cast<ptrdiff_t>(next_control_));
  next_control_ = 0;
  size_t drained = 0, slice = 0;
  do {
    loader_->DrainControl(kDrainLimit);
    slice = loader_->DrainData(kDrainSlice, clock_.MonotonicNs());
    drained += slice;
  } while (slice == kDrainSlice && drained < kDrainLimit);
  const bool emptied = slice < kDrainSlice;
  if (emptied) ApplyControls(std::numeric_limits<uint64_t>::max());
  return emptied;
}

void EbpfSource::Impl::ApplyControls(uint64_t before_ns) {
  while (next_control_ < controls_.size() && controls_[next_control_].time_ns < before_ns)
    OnControl(controls_[next_control_++]);
}

void EbpfSource::Impl::Sweep(int64_t now) {
  tracker_.Sweep(now);
  if (now >= next_count_ns_) {
    next_count_ns_ = now + kCountEveryNs;
    ReadKernelCounts();
    PublishLedger();
  }
  if (now >= next_address_ns_) {
    next_address_ns_ = now + kAddressEveryNs;
    PublishAddresses();
  }
}

void EbpfSource::Impl::Run() {
  while (!stop_) {
    const int64_t now = clock_.MonotonicNs();
    ApplySelection();
    const bool emptied = Drain();
    if (now >= next_sweep_ns_) {
      next_sweep_ns_ = now + kSweepEveryNs;
      Sweep(now);
      if (emptied) watermark_ns_ = std::max(watermark_ns_, tracker_.Watermark(now - kRingSlackNs));
    }
    publisher_.Tick(watermark_ns_);
    if (emptied && !stop_) loader_->Sleep(config_.poll_ms);
  }
  if (option_) option_->Detach();
  loader_->Detach();
  DrainToTheEnd();
  tracker_.Finish(clock_.MonotonicNs());
  ReadKernelCounts();
  PublishLedger();
  outcome_ = publisher_.Finish();
}

bool EbpfSource::Impl::Select(ProcessSelector include, ProcessSelector exclude) {
  std::unique_lock lock(selection_mutex_);
  selection_.emplace(std::move(include), std::move(exclude));
  return selection_applied_.wait_for(lock, kSelectionPatience, [this] { return !selection_; });
}

void EbpfSource::Impl::ApplySelection() {
  std::lock_guard lock(selection_mutex_);
  if (!selection_) return;
  for (const uint32_t pid :
       filter_.Replace(std::move(selection_->first), std::move(selection_->second)))
    loader_->ForgetPid(pid);
  loader_->FilterPids(filter_.selects());
  selection_.reset();
  selection_applied_.notify_all();
}

// A program that was running at the detachment may still write one record.
void EbpfSource::Impl::DrainToTheEnd() {
  const int64_t give_up = clock_.MonotonicNs() + kDrainAtStopNs;
  do {
    while (!Drain()) {
    }
    ReadKernelCounts();
    if (records_.Get() == counts_.stats.submitted + counts_.stats.unreadable) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  } while (clock_.MonotonicNs() < give_up);
  Drain();
}

void EbpfSource::Impl::ReadKernelCounts() {
  auto counts = loader_->Counts();
  if (!counts.has_value()) {
    logger_.Warn(counts.error().message);
    return;
  }
  counts_ = *counts;
  const weft_stats& s = counts_.stats;
  metrics_.Get("kernel.seen").Set(s.seen);
  metrics_.Get("kernel.filtered").Set(s.filtered);
  metrics_.Get("kernel.submitted").Set(s.submitted);
  metrics_.Get("kernel.ring_full").Set(s.ring_full);
  metrics_.Get("kernel.map_full").Set(s.map_full);
  metrics_.Get("kernel.unreadable").Set(s.unreadable);
  metrics_.Get("kernel.control_seen").Set(s.control_seen);
  metrics_.Get("kernel.control_ring_full").Set(s.control_ring_full);
  metrics_.Get("kernel.missed").Set(counts_.missed);
  metrics_.Get("agent.ring_garbled").Set(loader_->Garbled());
  ReadOptionCounts();
  metrics_.Get("kernel.contended").Set(s.contended);
  metrics_.Get("kernel.uring_calls").Set(s.uring_calls);
  metrics_.Get("kernel.unmeasured").Set(s.unmeasured);
}

void EbpfSource::Impl::ReadOptionCounts() {
  if (!option_) return;
  const auto counts = option_->Counts();
  if (!counts.has_value()) return logger_.Warn(counts.error().message);
  metrics_.Get("kernel.option_connected").Set(counts->connected);
  metrics_.Get("kernel.option_acknowledged").Set(counts->acknowledged);
  metrics_.Get("kernel.option_given_up").Set(counts->given_up);
  metrics_.Get("kernel.option_no_room").Set(counts->no_room);
  metrics_.Get("kernel.option_received").Set(counts->received);
  metrics_.Get("kernel.option_told").Set(counts->told);
  metrics_.Get("kernel.option_ring_full").Set(counts->ring_full);
  metrics_.Get("kernel.option_map_full").Set(counts->map_full);
  metrics_.Get("kernel.option_segments").Set(counts->segments);
  metrics_.Get("kernel.option_refused").Set(counts->refused);
}

void EbpfSource::Impl::PublishLedger() {
  std::vector<std::pair<std::string, uint64_t>> ledger;
  for (auto& [name, value] : metrics_.Snapshot())
    if (name.starts_with("kernel.") || name.starts_with("agent."))
      ledger.emplace_back(std::move(name), value);
  publisher_.SetLedger(std::move(ledger));
}

void EbpfSource::Impl::PublishAddresses() {
  std::vector<std::string> addresses = HostAddresses();
  addresses.insert(addresses.end(), tracker_.addresses().begin(), tracker_.addresses().end());
  std::ranges::sort(addresses);
  const auto repeated = std::ranges::unique(addresses);
  addresses.erase(repeated.begin(), repeated.end());
  if (option_) option_->SetHostAddresses(addresses);
  publisher_.SetAddresses(std::move(addresses));
}

Result<void> EbpfSource::Impl::Stop() {
  stop_ = true;
  loader_->WakeUp();
  if (thread_.joinable()) thread_.join();
  return outcome_;
}

EbpfSource::EbpfSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EbpfSource::~EbpfSource() { (void)impl_->Stop(); }

Result<std::unique_ptr<EbpfSource>> EbpfSource::Start(const EbpfConfig& config,
                                                      transport::Publisher& transport,
                                                      const Clock& clock, Metrics& metrics,
                                                      Logger& logger) {
  if (auto checked = Check(config); !checked.has_value())
    return Context(checked.error(), "eBPF source");
  auto trusted = TrustedNetworks::Parse(config.trusted_networks);
  if (!trusted.has_value()) return Context(trusted.error(), "eBPF source: trusted_networks");
  auto loader = Loader::Open(config, logger);
  if (!loader.has_value()) return Context(loader.error(), "eBPF source");
  auto impl = std::make_unique<Impl>(config, std::move(*trusted), std::move(*loader), transport,
                                     clock, metrics, logger);
  if (auto attached = impl->Attach(); !attached.has_value())
    return Context(attached.error(), "eBPF source");
  return std::unique_ptr<EbpfSource>(new EbpfSource(std::move(impl)));
}

Result<void> EbpfSource::Stop() { return impl_->Stop(); }
bool EbpfSource::Select(ProcessSelector include, ProcessSelector exclude) {
  return impl_->Select(std::move(include), std::move(exclude));
}
HookFamily EbpfSource::hooks() const { return impl_->hooks(); }

}  // namespace weft::ebpf
