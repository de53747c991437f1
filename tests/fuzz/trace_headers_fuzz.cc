// Lines "name: value" as headers of one request; what is accepted must be valid, and redaction must
// give printable text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sources/ebpf/protocols/trace_headers.h"
#include "sources/ebpf/redact.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  weft::ebpf::TraceHeaders headers;
  static const weft::ebpf::Redactor redactor({"extra"});
  std::string shown;
  redactor.Query(text, &shown);
  redactor.Path(text, &shown);
  redactor.CommandLine(text, &shown);
  redactor.HeaderValue("x", text, &shown);
  for (char c : shown)
    if (c < 0x20 || c >= 0x7f) std::abort();
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos) headers.Add(line.substr(0, colon), line.substr(colon + 1));
    text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
  }
  weft::ebpf::TraceContext context;
  std::string state;
  const auto verdict = headers.Finish(&context, &state);
  if ((verdict == weft::ebpf::TraceHeaders::Verdict::kValid) != context.valid()) std::abort();
  if (!state.empty() && !weft::ebpf::ValidTracestate(state)) std::abort();
  return 0;
}
