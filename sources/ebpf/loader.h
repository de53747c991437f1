// Loader: the kernel side of the eBPF source: programs, maps and rings, loaded and attached.
//
// Made by EbpfSource. Open() verifies and loads, Attach() switches on, Detach() switches off (the
// rings keep what they hold), the destructor frees. Record bytes handed to callbacks lie in
// read-only ring memory, lent for the call. Works under lockdown=integrity. One thread.
// Built without libbpf, Open() answers kUnsupported and nothing else is ever called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bpf/wire.h"
#include "engine/base/log.h"
#include "engine/base/result.h"
#include "sources/ebpf/ebpf_config.h"
#include "sources/ebpf/hook_family.h"

namespace weft::ebpf {

// What the kernel programs counted, summed over CPUs.
struct KernelCounts {
  weft_stats stats{};
  uint64_t missed = 0;  // events lost because the program was already running on that CPU
};

class Loader {
 public:
  // `described` is null where the record does not say who talks.
  using DataCallback = std::function<void(const weft_data& record, const weft_connection* described,
                                          const uint8_t* payload)>;
  using OptionCallback = std::function<void(const weft_option& record)>;
  using ControlCallback = std::function<void(const weft_control& record)>;

  // kDenied (names the missing capability), kUnsupported (names the kernel feature), kInvalid.
  static Result<std::unique_ptr<Loader>> Open(const EbpfConfig& config, Logger& logger);
  ~Loader();

  // Only one of the callbacks runs at a time, from DrainData (data, option) and DrainControl.
  void SetCallbacks(
      DataCallback data, ControlCallback control,
      OptionCallback option = [](const weft_option&) {});
  Result<void> Attach();
  void Detach();

  // Hand over what is in the rings, at most `max_records`; return how many. Of data, what was
  // written before `now_ns`: CLOCK_MONOTONIC, just read.
  size_t DrainData(size_t max_records, int64_t now_ns);
  size_t DrainControl(size_t max_records);
  // How often what lay in the data rings was no record, so far. It was passed over.
  uint64_t Garbled() const;
  // For at most so long, and less the fuller the rings were found; until a CPU's ring is full, or
  // WakeUp() was called.
  void Sleep(uint32_t longest_ms);
  void WakeUp();  // from any thread

  // Whether the kernel looks at who is ignored; from the configuration until it is told otherwise.
  void FilterPids(bool filter);
  // The kernel drops the process's events early from now on, or no longer. kFull: the table is
  // full; the events keep coming and are filtered by the caller.
  Result<void> IgnorePid(uint32_t pid);
  void ForgetPid(uint32_t pid);

  Result<KernelCounts> Counts() const;
  HookFamily family() const;
  int data_ring_fd() const;

 private:
  class Impl;
  explicit Loader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::ebpf
