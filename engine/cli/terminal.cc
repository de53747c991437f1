#include "engine/cli/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::cli {
namespace {

bool Continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool Utf8Locale(bool otherwise) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string_view text(value);
    return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos;
  }
  return otherwise;
}

}  // namespace

OutputStyle Stdout() {
  OutputStyle style;
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  winsize size{};
  const char* const columns = std::getenv("COLUMNS");
  if (terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    style.width = size.ws_col;
  else if (columns && std::atoi(columns) > 0)
    style.width = std::atoi(columns);
  else
    style.piped = !terminal;
  style.color = terminal && !std::getenv("NO_COLOR");
  style.unicode = Utf8Locale(!terminal);
  return style;
}

size_t DisplayWidth(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !Continuation(c); }));
}

std::string Fit(std::string_view text, size_t width, bool unicode) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  const std::string_view ellipsis = unicode ? "…" : "~";
  size_t at = 0;
  for (size_t columns = 0; at < text.size(); ++at)
    if (!Continuation(text[at]) && columns++ == width - 1) break;
  return std::string(text.substr(0, at)).append(ellipsis);
}

std::string Pad(std::string_view text, size_t width, bool unicode) {
  std::string out = Fit(text, width, unicode);
  out.append(width - std::min(width, DisplayWidth(out)), ' ');
  return out;
}

std::string Wrap(std::string_view text, size_t width, size_t indent) {
  std::string out;
  size_t column = indent;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const size_t columns = DisplayWidth(word);
    if (!out.empty() && column + 1 + columns > width) {
      out.append(1, '\n').append(indent, ' ');
      column = indent;
    } else if (!out.empty()) {
      out += ' ';
      ++column;
    }
    out += word;
    column += columns;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string Printable(std::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    const auto next = static_cast<unsigned char>(i + 1 < out.size() ? out[i + 1] : 0);
    if (c < 0x20 || c == 0x7f) out[i] = '?';
    // U+0080 to U+009F: a terminal takes U+009B as the begin of a sequence, as it does ESC [.
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) out[i] = out[i + 1] = '?';
  }
  return out;
}

std::string UtcTime(int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, unix_ns / 1'000'000 % 1'000);
}

}  // namespace weft::cli
