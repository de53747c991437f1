// ReadPcap: the TCP connections of a capture file as transcripts, as their servers saw them.
//
// For tests on other projects' recordings. Ethernet only, IPv4 and IPv6 without fragments; what
// came twice is dropped, what came early waits, and what never came is lost. No I/O but the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "tests/support/transcript.h"

namespace weft::testing {

struct CapturedFlow {
  uint16_t server_port = 0;
  Transcript transcript;  // joined, unless the SYN was captured
};

// kNotFound, kCorrupt.
Result<std::vector<CapturedFlow>> ReadPcap(const std::string& path);

}  // namespace weft::testing
