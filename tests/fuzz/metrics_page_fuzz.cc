// Two halves of the input as two readings of a metrics page: whatever another process says, what
// `weft top` shows fits the terminal and holds no control characters.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/cli/top_screen.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::Result;
  using weft::telemetry::HttpResponse;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t middle = text.find('\0');
  std::string_view page = text.substr(0, middle);
  weft::cli::TopEndpoint endpoint("a:1", [&](std::string_view path) -> Result<HttpResponse> {
    return HttpResponse{path == "/metrics" ? 200 : 503, "text/plain", std::string(page)};
  });
  std::vector<weft::cli::TopView> views = {endpoint.Look(1'000'000'000, 0)};
  if (middle != text.npos) page = text.substr(middle + 1);
  views.push_back(endpoint.Look(2'000'000'000, 0));
  for (const int width : {1, 30, 120}) {
    weft::cli::OutputStyle style;
    style.width = width;
    for (const auto& line : weft::cli::TopLines("", views, style)) {
      WEFT_CHECK(weft::cli::DisplayWidth(line.text) <= static_cast<size_t>(width));
      for (const char c : line.text) WEFT_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
  }
  return 0;
}
