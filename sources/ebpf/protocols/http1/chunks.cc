#include "sources/ebpf/protocols/http1/chunks.h"

#include "engine/base/ascii.h"

namespace weft::ebpf::http1 {
namespace {

constexpr size_t kMaxSizeLine = 1024;  // with extensions
constexpr size_t kMaxSizeDigits = 15;

// The hex number a size line begins with; false if it is none or is followed by something else.
bool ParseSize(std::string_view line, uint64_t* size) {
  size_t n = 0;
  *size = 0;
  while (n < line.size() && HexValue(line[n]) >= 0) {
    if (n == kMaxSizeDigits) return false;
    *size = *size * 16 + static_cast<uint64_t>(HexValue(line[n++]));
  }
  if (n == 0) return false;
  return n == line.size() || line[n] == '\r' || line[n] == ';' || line[n] == ' ' || line[n] == '\t';
}

}  // namespace

Step ChunkReader::Read(std::string_view bytes, bool cut) {
  size_t used = 0;
  while (true) {
    const std::string_view rest = bytes.substr(used);
    const size_t newline = rest.find('\n');
    uint64_t size = 0;
    if (state_ == State::kSize && !rest.empty()) {
      if (!ParseSize(rest.substr(0, newline), &size)) return {};
    }
    if (newline == std::string_view::npos) {
      if (cut) return {Outcome::kSkip, bytes.size(), kUntilNext, 0};
      if (rest.size() > kMaxSizeLine) return {};
      // What was read before need not be read again.
      return used > 0 ? Step{Outcome::kSkip, used, 0, 0} : Step{Outcome::kNeedMore, 0, 0, 0};
    }
    used += newline + 1;
    if (state_ == State::kTrailers) {
      const std::string_view line = rest.substr(0, newline);
      if (line.empty() || line == "\r") return {Outcome::kDone, used, 0, 0};
      continue;
    }
    if (size == 0) {
      state_ = State::kTrailers;
      continue;
    }
    const uint64_t data = size + 2;  // and its CR LF
    if (bytes.size() - used < data) return {Outcome::kSkip, used, data, 0};
    used += static_cast<size_t>(data);
    if (bytes[used - 1] != '\n') return {};
  }
}

}  // namespace weft::ebpf::http1
