#include "sources/ebpf/protocols/redis/resp.h"

#include <algorithm>

#include "engine/base/ascii.h"

namespace weft::ebpf::redis {
namespace {

bool IsPrintableLine(std::string_view line) {
  return std::ranges::none_of(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != 0x09; });
}

bool IsNumber(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, IsDigit);
}

bool IsDouble(std::string_view text) {
  if (text == "inf" || text == "-inf" || text == "nan") return true;
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return IsDigit(c) || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
  });
}

// Whether `line`, complete or a beginning, can follow the type byte.
bool ValidLine(char type, std::string_view line, bool complete) {
  switch (type) {
    case '+':
    case '-': return IsPrintableLine(line);
    case ':':
    case '(':
      return complete ? IsNumber(line)
                      : line.empty() || line == "-" || line == "+" || IsNumber(line);
    case ',': return complete ? IsDouble(line) : true;
    case '#': return line == "t" || line == "f" || (!complete && line.empty());
    case '_': return line.empty();
    case '$':
    case '*':
    case '!':
    case '=':
    case '%':
    case '~':
    case '>':
    case '|':
      if (line.empty()) return !complete;
      return line == "-1" || (!complete && line == "-") || ParseDecimal(line).has_value();
    default: return false;
  }
}

Step Sized(std::string_view bytes, const Step& done, uint64_t n, Element* element);

}  // namespace

Step ReadElement(std::string_view bytes, Element* element) {
  *element = {};
  if (bytes.empty()) return {Outcome::kNeedMore, 0, 0, 0};
  element->type = bytes[0];
  uint64_t size = 0;
  if (bytes[0] == '$' || bytes[0] == '*')
    if (const size_t used = ReadShortLine(bytes, bytes[0], &size); used != 0)
      return Sized(bytes, {Outcome::kDone, used, 0, 0}, size, element);
  const size_t newline = bytes.substr(0, kMaxLine).find('\n');
  const bool complete = newline != std::string_view::npos;
  std::string_view line = bytes.substr(1, complete ? newline - 1 : kMaxLine);
  if (complete) {
    if (line.empty() || line.back() != '\r') return {};
    line.remove_suffix(1);
  } else if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  if (!ValidLine(element->type, line, complete)) return {};
  if (!complete) return bytes.size() >= kMaxLine ? Step{} : Step{Outcome::kNeedMore, 0, 0, 0};
  const Step done{Outcome::kDone, newline + 1, 0, 0};
  element->text = line;
  const std::string_view bulk = "$!=", aggregate = "*%~>|";
  const bool is_bulk = bulk.find(element->type) != std::string_view::npos;
  if (!is_bulk && aggregate.find(element->type) == std::string_view::npos) {
    element->null = element->type == '_';
    return done;
  }
  element->null = line == "-1";
  if (element->null) return done;
  return Sized(bytes, done, *ParseDecimal(line), element);
}

namespace {

// The line of `done` says that n bytes or elements follow it.
Step Sized(std::string_view bytes, const Step& done, uint64_t n, Element* element) {
  if (std::string_view("$!=").find(element->type) != std::string_view::npos) {
    if (n > kMaxBulk) return {};
    element->body = n + 2;
    element->text = bytes.substr(done.used, static_cast<size_t>(n));
    // Where the end was captured, it must be what the length says.
    const std::string_view end = bytes.substr(std::min(done.used + n, bytes.size()), 2);
    if ((!end.empty() && end[0] != '\r') || (end.size() == 2 && end[1] != '\n')) return {};
  } else {
    if (n > kMaxChildren) return {};
    element->children = element->type == '%' || element->type == '|' ? 2 * n : n;
  }
  return done;
}

}  // namespace

}  // namespace weft::ebpf::redis
