// Runs the eBPF source alone, for tests/bench/cost/run: no engine, no store.
//
//   cost_probe empty|kernel|agent --port N [--server-pid PID] [--hooks FAMILY] [--tcp-option WHICH]
//
// `empty`: programs that do nothing, at the family's hooks: what it costs to be called and
// measured. `kernel`: records are taken out of the rings and thrown away. `agent`: everything up to
// sealed batches of observations, which are then thrown away. --server-pid: only that process is
// traced, else every process with a connection on the port. Prints "ready" when it traces; when its
// standard input ends, one line of JSON with what it counted: records, observations, own memory,
// own CPU until it traced and from then on, and each kernel program's runs and nanoseconds (where
// kernel.bpf_stats_enabled is 1).
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/transport/transport.h"
#include "sources/ebpf/ebpf_source.h"
#include "sources/ebpf/loader.h"
#include "sources/ebpf/tcp_option.h"

namespace {

using namespace weft;

// Takes every batch and keeps none.
class Nowhere final : public transport::Publisher {
 public:
  uint32_t partitions() const override { return 4; }
  int64_t LogTimeNs() const override { return clock_.MonotonicNs(); }
  Result<void> Publish(transport::OutRecord record, int64_t) override {
    bytes_ += record.payload->bytes().size();
    record.Settle(true);
    return {};
  }
  void CloseSources() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  SystemClock clock_;
  uint64_t bytes_ = 0;
};

std::vector<uint32_t> ProgramIds() {
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) ids.push_back(id);
  return ids;
}

// Programs that were not there before, as "name": {"runs": n, "ns": n}.
std::string ProgramCosts(const std::vector<uint32_t>& before) {
  std::string text;
  for (const uint32_t id : ProgramIds()) {
    if (std::ranges::find(before, id) != before.end()) continue;
    const int fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0) continue;
    bpf_prog_info info{};
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
      text += fmt::format(R"({}"{}_{}": {{"runs": {}, "ns": {}}})", text.empty() ? "" : ", ",
                          info.name, id, info.run_cnt, info.run_time_ns);
    close(fd);
  }
  return text;
}

double CpuSeconds(const rusage& usage) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rusage OwnUsage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

// Returns the CPU time until now: what it took to have the kernel verify the programs, most of all.
double SayReady() {
  fmt::print("ready\n");
  std::fflush(stdout);
  return CpuSeconds(OwnUsage());
}

std::string OwnCost(double start_cpu_s) {
  const rusage usage = OwnUsage();
  return fmt::format(R"("start_cpu_s": {:.6f}, "cpu_s": {:.6f}, "rss_mb": {:.1f})", start_cpu_s,
                     CpuSeconds(usage) - start_cpu_s, static_cast<double>(usage.ru_maxrss) / 1024);
}

bool InputEnded(int wait_ms) {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  return poll(&in, 1, wait_ms) > 0;
}

[[noreturn]] void Give(const Error& error) {
  fmt::print(stderr, "cost_probe: {}\n", error.message);
  std::exit(3);
}

std::string CountsJson(const ebpf::KernelCounts& counts) {
  const weft_stats& s = counts.stats;
  return fmt::format(R"("seen": {}, "submitted": {}, "ring_full": {}, "unreadable": {})", s.seen,
                     s.submitted, s.ring_full, s.unreadable);
}

std::string RunKernel(const ebpf::EbpfConfig& config, uint32_t server_pid) {
  const auto logger = StderrLogger(LogLevel::kWarn);
  auto opened = ebpf::Loader::Open(config, *logger);
  if (!opened.has_value()) Give(opened.error());
  ebpf::Loader& loader = **opened;
  loader.SetCallbacks(
      [&](const weft_data& record, const weft_connection*, const uint8_t*) {
        if (server_pid != 0 && record.pid != server_pid) (void)loader.IgnorePid(record.pid);
      },
      [](const weft_control&) {});
  if (auto attached = loader.Attach(); !attached.has_value()) Give(attached.error());
  std::unique_ptr<ebpf::TcpOption> option;
  if (config.tcp_option != ebpf::TcpOptionPeers::kOff) {
    auto made = ebpf::TcpOption::Open(config, 1, loader.data_ring_fd());
    if (!made.has_value()) Give(made.error());
    option = std::move(*made);
    if (auto attached = option->Attach(); !attached.has_value()) Give(attached.error());
  }
  const double start_cpu_s = SayReady();
  SystemClock clock;
  std::atomic<bool> ended = false;
  std::thread wait([&] {
    while (!InputEnded(-1)) {
    }
    ended = true;
    loader.WakeUp();
  });
  while (!ended) {
    loader.DrainControl(SIZE_MAX);
    loader.DrainData(SIZE_MAX, clock.MonotonicNs());
    loader.Sleep(config.poll_ms);
  }
  wait.join();
  auto counts = loader.Counts();
  if (!counts.has_value()) Give(counts.error());
  return CountsJson(*counts) + ", " + OwnCost(start_cpu_s);
}

std::string RunEmpty(const ebpf::EbpfConfig& config) {
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
                              {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  const std::vector<const char*> hooks =
      config.hooks == ebpf::Hooks::kSyscalls
          ? std::vector{"sys_enter", "sys_exit"}
          : std::vector{"tcp_sendmsg_locked", "sock_send_length", "sock_recv_length"};
  for (const char* hook : hooks) {
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = BPF_TRACE_RAW_TP;
    options.attach_btf_id =
        static_cast<uint32_t>(libbpf_find_vmlinux_btf_id(hook, BPF_TRACE_RAW_TP));
    const int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, hook, "GPL", nothing, 2, &options);
    if (program < 0 || bpf_raw_tracepoint_open(nullptr, program) < 0)
      Give({Code::kUnsupported, fmt::format("{}: {}", hook, strerror(errno))});
  }
  SayReady();
  while (!InputEnded(-1)) {
  }
  return R"("seen": 0)";
}

std::string RunAgent(const ebpf::EbpfConfig& config) {
  const auto logger = StderrLogger(LogLevel::kWarn);
  Nowhere nowhere;
  SystemClock clock;
  Metrics metrics;
  auto source = ebpf::EbpfSource::Start(config, nowhere, clock, metrics, *logger);
  if (!source.has_value()) Give(source.error());
  const double start_cpu_s = SayReady();
  while (!InputEnded(-1)) {
  }
  if (auto stopped = (*source)->Stop(); !stopped.has_value()) Give(stopped.error());
  return fmt::format(
             R"("seen": {}, "submitted": {}, "ring_full": {}, "unreadable": {}, "observations": {}, )"
             R"("bytes": {}, )",
             metrics.Get("kernel.seen").Get(), metrics.Get("kernel.submitted").Get(),
             metrics.Get("kernel.ring_full").Get(), metrics.Get("kernel.unreadable").Get(),
             metrics.Get("agent.observed").Get(), nowhere.bytes()) +
         OwnCost(start_cpu_s);
}

}  // namespace

int main(int argc, char** argv) {
  ebpf::EbpfConfig config;
  uint32_t server_pid = 0;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view key = argv[i];
    const char* value = argv[i + 1];
    if (key == "--port")
      config.include_ports = {static_cast<uint16_t>(std::atoi(value))};
    else if (key == "--server-pid")
      server_pid = static_cast<uint32_t>(std::atoi(value));
    else if (key == "--hooks")
      config.hooks =
          std::string_view(value) == "syscalls" ? ebpf::Hooks::kSyscalls : ebpf::Hooks::kSocket;
    else if (key == "--ring-bytes")
      config.data_ring_bytes = static_cast<uint32_t>(std::atoi(value));
    else if (key == "--cpu-ring-bytes")
      config.cpu_ring_bytes = static_cast<uint32_t>(std::atoi(value));
    else if (key == "--poll-ms")
      config.poll_ms = static_cast<uint32_t>(std::atoi(value));
    else if (key == "--tcp-option")
      config.tcp_option = std::string_view(value) == "off"   ? ebpf::TcpOptionPeers::kOff
                          : std::string_view(value) == "all" ? ebpf::TcpOptionPeers::kAll
                                                             : ebpf::TcpOptionPeers::kRemote;
  }
  if ((mode != "empty" && mode != "kernel" && mode != "agent") || config.include_ports.empty()) {
    fmt::print(stderr, "usage: cost_probe empty|kernel|agent --port N [--server-pid PID]\n");
    return 2;
  }
  if (server_pid != 0) config.include.pids = {server_pid};
  const std::vector<uint32_t> before = ProgramIds();
  const std::string counted = mode == "empty"    ? RunEmpty(config)
                              : mode == "kernel" ? RunKernel(config, server_pid)
                                                 : RunAgent(config);
  fmt::print("{{{}, \"programs\": {{{}}}}}\n", counted, ProgramCosts(before));
  return 0;
}
