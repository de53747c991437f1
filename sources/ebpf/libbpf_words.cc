#include "sources/ebpf/libbpf_words.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <bpf/libbpf.h>

namespace weft::ebpf {
namespace {

// Of one message; the verifier's log is a message of megabytes whose end says what it is about.
constexpr size_t kHead = 512, kTail = 2048;
constexpr size_t kEnough = 16384;

thread_local std::string* libbpf_lines = nullptr;

int CaptureLibbpf(libbpf_print_level level, const char* format, va_list args) {
  if (libbpf_lines == nullptr || level == LIBBPF_DEBUG) return 0;
  char* message = nullptr;
  const int size = vasprintf(&message, format, args);
  if (size < 0) return 0;
  const std::string_view text(message, static_cast<size_t>(size));
  if (libbpf_lines->size() < kEnough) {
    libbpf_lines->append(text.substr(0, kHead));
    if (text.size() > kHead) {
      if (text.size() > kHead + kTail) libbpf_lines->append(" ...\n");
      libbpf_lines->append(
          text.substr(std::max(kHead, text.size() - std::min(kTail, text.size()))));
    }
  }
  free(message);
  return 0;
}

// That something failed because something failed.
bool IsConsequence(std::string_view line) {
  return line.contains("failed to load object") || line.contains("failed to load BPF skeleton");
}

}  // namespace

LibbpfWords::LibbpfWords() {
  libbpf_lines = &text_;
  libbpf_set_print(CaptureLibbpf);
}

LibbpfWords::~LibbpfWords() { libbpf_lines = nullptr; }

std::string LibbpfWords::Cause() const { return CauseIn(text_); }

std::string CauseIn(std::string_view text) {
  std::string cause, verifier;
  bool in_log = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with("-- BEGIN PROG LOAD LOG --")) {
      in_log = true;
    } else if (line.starts_with("-- END PROG LOAD LOG --")) {
      in_log = false;
    } else if (in_log) {
      if (!line.empty() && !line.starts_with("processed ")) verifier = line;
    } else if (line.starts_with("libbpf: ") && !IsConsequence(line)) {
      cause = line;
    }
  }
  if (!verifier.empty()) cause += "; the verifier: " + verifier;
  return cause;
}

}  // namespace weft::ebpf
