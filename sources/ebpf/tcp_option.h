// TcpOption: the kernel program that gives connections an id in a TCP option
// (bpf/tcp_option.bpf.c).
//
// Owned by EbpfSource, where the configuration wants the option and the kernel has it; without it
// requests are still joined by sequence numbers. Its records go into the hook family's data ring.
// Open loads, Attach switches on, Detach leaves no callback behind on new connections. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "bpf/wire.h"
#include "engine/base/result.h"
#include "sources/ebpf/ebpf_config.h"

namespace weft::ebpf {

class TcpOption {
 public:
  // kDenied: CAP_NET_ADMIN. kUnsupported: with what is missing. Requires: config.tcp_option is not
  // kOff.
  static Result<std::unique_ptr<TcpOption>> Open(const EbpfConfig& config, uint64_t boot_id,
                                                 int data_ring_fd);
  ~TcpOption();

  Result<void> Attach();
  void Detach();
  // What belongs to this host is not remote. Addresses that were told before are not told again.
  void SetHostAddresses(std::span<const std::string> addresses);

  Result<weft_option_stats> Counts() const;
  // Where it is attached, for people.
  const std::string& where() const;

  // Whether this kernel and these rights allow it: where it would be attached, or an error that
  // names what is missing. kDenied: CAP_NET_ADMIN.
  static Result<std::string> Probe();

 private:
  class Impl;
  explicit TcpOption(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::ebpf
