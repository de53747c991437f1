// Bypasses: connections that this host has and the kernel programs cannot follow, for `weft
// doctor`.
//
// Kernel TLS encrypts below the hooks, MPTCP has sockets of its own, a sockmap moves bytes from one
// socket to another past the program. The kernel counts them; each function reads one such text or
// list. Of /proc/net it is the own network namespace's. Thread-safe.
#pragma once

#include <cstdint>
#include <istream>
#include <vector>

#include "sources/ebpf/check.h"

namespace weft::ebpf {

// Sockets that encrypt or decrypt in the kernel, of /proc/net/tls_stat.
uint64_t KernelTlsSockets(std::istream& tls_stat);
// Of /proc/net/protocols.
uint64_t MptcpSockets(std::istream& protocols);

// One for each of the three.
std::vector<Check> CheckBypasses();

}  // namespace weft::ebpf
