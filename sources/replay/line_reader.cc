#include "sources/replay/line_reader.h"

#include <utility>

namespace weft::sources {
namespace {

constexpr size_t kPiece = 64 << 10;

}  // namespace

// False at the end.
Result<bool> LineReader::Fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t old = buffer_.size();
  buffer_.resize(old + kPiece);
  const auto n = bytes_->Read(buffer_.data() + old, kPiece);
  buffer_.resize(old + n.value_or(0));
  if (!n) return std::unexpected(n.error());
  ended_ = *n == 0;
  return *n > 0;
}

Result<std::optional<std::string_view>> LineReader::Next() {
  size_t searched = begin_;
  while (true) {
    const size_t end = buffer_.find('\n', searched);
    const bool whole = end != std::string::npos;
    const bool too_long = (whole ? end : buffer_.size()) - begin_ > kMaxLine;
    if (whole || ended_ || too_long) {
      const size_t stop = whole ? end : buffer_.size();
      if (!whole && !too_long && stop == begin_) return std::nullopt;
      std::string_view line(buffer_.data() + begin_, stop - begin_);
      begin_ = whole ? stop + 1 : stop;
      if (std::exchange(skip_, too_long && !whole)) {  // the rest of a line that was too long
        searched = begin_;
        if (!whole && ended_) return std::nullopt;
        continue;
      }
      cut_ = too_long;
      ++number_;
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    searched = buffer_.size() - begin_;
    const auto more = Fill();
    if (!more) return std::unexpected(more.error());
  }
}

}  // namespace weft::sources
