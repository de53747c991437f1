// ServiceNameFromCommand: what to call a process that nobody named: the thing it runs, not the
// interpreter that runs it. python -m shop.cart is shop.cart, node app.js is app, nginx is nginx.
//
// Pure. Used by ProcessMetadata when neither environment, container nor unit give a name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::ebpf {

// `executable`: path of the binary; `arguments`: as in /proc/PID/cmdline, argv[0] first; both may
// be empty; `directory`: the working directory, for programs that are called main or app
// everywhere. Empty if there is nothing to go by.
std::string ServiceNameFromCommand(std::string_view executable,
                                   const std::vector<std::string_view>& arguments,
                                   std::string_view directory);

}  // namespace weft::ebpf
