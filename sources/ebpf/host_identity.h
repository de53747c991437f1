// What tells this host, this boot and this run of the agent from all others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::ebpf {

uint64_t BootId();      // the same until the machine boots again
uint64_t NewAgentId();  // random
// A secret that all agents of this host share until it boots again. No record has it.
std::string BootSalt();
// Addresses of all interfaces, loopback included, of the agent's network namespace.
std::vector<std::string> HostAddresses();

}  // namespace weft::ebpf
