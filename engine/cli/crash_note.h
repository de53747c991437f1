// A last line on stderr when the process crashes: the signal, and the plugin's library where it
// happened in one. Then the signal does what it would have done. Called once, by Dispatch.
#pragma once

namespace weft::cli {

void InstallCrashNote();

}  // namespace weft::cli
