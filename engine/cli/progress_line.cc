#include "engine/cli/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace weft::cli {

ProgressLine::ProgressLine(std::FILE* out, bool enabled)
    : out_(out), active_(enabled && isatty(fileno(out)) != 0) {}

void ProgressLine::Show(std::string_view line) {
  if (!active_) return;
  winsize size{};
  const size_t columns =
      ioctl(fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
  line = line.substr(0, columns);
  // Carriage return and "erase to the end of the line": the cursor never leaves the line.
  std::fprintf(out_, "\r%.*s\033[K", static_cast<int>(line.size()), line.data());
  std::fflush(out_);
  shown_ = true;
}

void ProgressLine::Clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", out_);
  std::fflush(out_);
  shown_ = false;
}

}  // namespace weft::cli
