// Where in the kernel the programs are hooked in: two families that write the same records.
//
// Chosen when the source starts, by what the kernel has; the choice of the user wins where it can
// work. Pure functions over KernelTypes.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "sources/ebpf/ebpf_config.h"
#include "sources/ebpf/kernel_types.h"

namespace weft::ebpf {

enum class HookFamily : unsigned char {
  kSocket,   // the socket layer's typed tracepoints: a third of the cost, kernel 6.16 and newer
  kSyscalls  // the system calls: kernel 5.10 and newer
};

// "socket", "syscalls"
std::string_view NameOf(HookFamily family);
// As NameOf, with what it hooks: for people.
std::string_view Describe(HookFamily family);

// What the family cannot see, for people: each is a counted gap in the stream, or a length without
// bytes.
std::string_view NotSeen(HookFamily family);

// Tracepoints that the family cannot do without and the kernel lacks, separated by blanks; empty:
// it works.
std::string MissingTracepoints(HookFamily family, const KernelTypes& kernel);

// kUnsupported names what is missing for `asked`, or for both families.
Result<HookFamily> ChooseHooks(Hooks asked, const KernelTypes& kernel);

}  // namespace weft::ebpf
