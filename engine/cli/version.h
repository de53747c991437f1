// VersionText: what `weft --version` prints: the version, what this build can do, the libraries
// that it runs with, and the kernels that it was tested on. Any thread.
#pragma once

#include <string>

namespace weft::cli {

std::string VersionText();

}  // namespace weft::cli
