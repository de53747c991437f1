#include "sources/ebpf/libbpf_words.h"

#include <cstdarg>
#include <cstdio>
#include <string_view>

#include <bpf/libbpf.h>

namespace weft::ebpf {
namespace {

constexpr size_t kEnough = 16384;

thread_local std::string* libbpf_lines = nullptr;

int CaptureLibbpf(libbpf_print_level level, const char* format, va_list args) {
  if (libbpf_lines == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[1024];
  vsnprintf(line, sizeof line, format, args);
  if (libbpf_lines->size() < kEnough) libbpf_lines->append(line);
  return 0;
}

}  // namespace

LibbpfWords::LibbpfWords() {
  libbpf_lines = &text_;
  libbpf_set_print(CaptureLibbpf);
}

LibbpfWords::~LibbpfWords() { libbpf_lines = nullptr; }

std::string LibbpfWords::Cause() const {
  std::string cause;
  size_t at = 0;
  while (at < text_.size()) {
    size_t end = text_.find('\n', at);
    if (end == std::string::npos) end = text_.size();
    const std::string_view line(text_.data() + at, end - at);
    if (line.starts_with("libbpf: ") && !line.contains("failed to load object")) cause = line;
    at = end + 1;
  }
  return cause;
}

}  // namespace weft::ebpf
