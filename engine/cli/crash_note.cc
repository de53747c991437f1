#include "engine/cli/crash_note.h"

#include <atomic>
#include <csignal>
#include <cstring>

#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

namespace weft::cli {
namespace {

constexpr int kMaxFrames = 64;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

void Write(const char* text) { (void)!::write(STDERR_FILENO, text, std::strlen(text)); }

const char* NameOf(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
  }
}

// The innermost frame of a plugin: an abort is raised in the C library, on behalf of it.
const char* PluginOf(void* const* frames, int n) {
  for (int i = 0; i < n; ++i) {
    Dl_info info{};
    if (dladdr(frames[i], &info) == 0 || info.dli_fname == nullptr) continue;
    const char* const slash = std::strrchr(info.dli_fname, '/');
    if (slash != nullptr && std::strncmp(slash, "/weft-", 6) == 0 &&
        std::strstr(slash, ".so") != nullptr)
      return info.dli_fname;
  }
  return nullptr;
}

// Async-signal-safe as far as it goes: nothing is allocated. Several shards may crash in the same
// plugin at once: the first one speaks, the others wait for the end. A fault in here is the end.
void OnCrash(int signal) {
  static std::atomic<pid_t> speaker = 0;
  pid_t nobody = 0;
  const pid_t self = ::gettid();
  if (!speaker.compare_exchange_strong(nobody, self)) {
    while (nobody != self) ::pause();
    ::_exit(128 + signal);
  }
  void* frames[kMaxFrames];
  const char* const plugin = PluginOf(frames, backtrace(frames, kMaxFrames));
  Write("weft: crashed (");
  Write(NameOf(signal));
  if (plugin != nullptr) {
    Write(") in the plugin ");
    Write(plugin);
    Write("; without it in the configuration weft runs on");
  } else {
    Write("), a fault of weft");
  }
  Write(". What is stored is whole.\n");
  ::signal(signal, SIG_DFL);  // as if nobody had looked
  ::raise(signal);
}

}  // namespace

void InstallCrashNote() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  void* first[1];
  (void)backtrace(first, 1);  // loads what it needs, which a crash must not
  struct sigaction action {};
  action.sa_handler = OnCrash;
  action.sa_flags = SA_NODEFER;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
#endif
}

}  // namespace weft::cli
