// Check: one thing that was looked at on this host, for a person to read and act on. Plain data.
#pragma once

#include <string>

namespace weft::ebpf {

enum class CheckState : unsigned char {
  kOk,
  kWarn,  // works, with less
  kFail   // the source cannot start
};

struct Check {
  std::string name;
  CheckState state = CheckState::kOk;
  std::string detail;
  std::string remedy;  // a command or a setting; empty where there is nothing to mend
};

}  // namespace weft::ebpf
