#include "sources/replay/json_documents.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace weft::sources {
namespace {

constexpr size_t kPiece = 256 << 10;

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

// False at the end.
Result<bool> JsonDocuments::Fill() {
  if (ended_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  if (buffer_.size() > kMaxDocument)
    return Fail(Code::kFull,
                fmt::format("line {}: a JSON value of more than {} MB", line_, kMaxDocument >> 20));
  const size_t old = buffer_.size();
  buffer_.resize(old + kPiece);
  const auto n = bytes_->Read(buffer_.data() + old, kPiece);
  buffer_.resize(old + n.value_or(0));
  if (!n) return std::unexpected(n.error());
  ended_ = *n == 0;
  return *n > 0;
}

void JsonDocuments::Consume(size_t bytes) {
  const auto from = buffer_.begin() + static_cast<ptrdiff_t>(begin_);
  line_ += static_cast<uint64_t>(std::count(from, from + static_cast<ptrdiff_t>(bytes), '\n'));
  begin_ += bytes;
}

Result<bool> JsonDocuments::Peek(char* c) {
  while (true) {
    size_t n = 0;
    while (begin_ + n < buffer_.size() && IsBlank(buffer_[begin_ + n])) ++n;
    Consume(n);
    if (begin_ < buffer_.size()) {
      *c = buffer_[begin_];
      return true;
    }
    const auto more = Fill();
    if (!more || !*more) return more;
  }
}

// To the begin of the next line; false at the end.
Result<bool> JsonDocuments::SkipLine() {
  while (true) {
    const size_t end = buffer_.find('\n', begin_);
    Consume((end == std::string::npos ? buffer_.size() : end + 1) - begin_);
    if (end != std::string::npos) return true;
    const auto more = Fill();
    if (!more || !*more) return more;
  }
}

// Which list, to be given element by element, begins at the bracket; kWhole: none.
JsonDocuments::Place JsonDocuments::ListBefore(size_t bracket) const {
  std::string_view before(buffer_.data() + begin_, bracket);
  const auto trim = [&] {
    while (!before.empty() && IsBlank(before.back())) before.remove_suffix(1);
  };
  trim();
  if (!before.ends_with(':')) return Place::kWhole;
  before.remove_suffix(1);
  trim();
  if (before.ends_with("\"data\"")) return Place::kData;
  if (before.ends_with("\"resourceSpans\"")) return Place::kResourceSpans;
  return Place::kWhole;
}

// Goes on with the value at begin_. kList: at scanned_ is the bracket of a list of list_.
JsonDocuments::Scan JsonDocuments::ScanFurther(bool root) {
  for (; begin_ + scanned_ < buffer_.size(); ++scanned_) {
    const char c = buffer_[begin_ + scanned_];
    if (in_string_) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == '"')
        in_string_ = false;
      else if (c == '\n')
        return Scan::kBad;
      if (!in_string_ && depth_ == 0) {
        ++scanned_;
        return Scan::kDone;
      }
      continue;
    }
    if (IsBlank(c)) {
      if (depth_ == 0 && scanned_ > 0) return Scan::kDone;
      continue;
    }
    switch (c) {
      case '"': in_string_ = true; break;
      case '{':
        // The next line's object: this one was cut off.
        if (root && depth_ == 1 && last_ != ':') return Scan::kBad;
        ++depth_;
        break;
      case '[':
        if (root && depth_ == 1) {
          list_ = ListBefore(scanned_);
          if (list_ != Place::kWhole) return Scan::kList;
        }
        ++depth_;
        break;
      case '}':
      case ']':
        if (depth_ == 0) return Scan::kDone;  // of the list around it
        if (--depth_ == 0) {
          ++scanned_;
          return Scan::kDone;
        }
        break;
      case ',':
        if (depth_ == 0) return Scan::kDone;
        break;
      default: break;
    }
    last_ = c;
  }
  return Scan::kMore;
}

// False: there is no value, or one of which the elements are given; go on.
Result<bool> JsonDocuments::Value(Place place, Document* out) {
  scanned_ = 0;
  depth_ = 0;
  in_string_ = escaped_ = false;
  last_ = 0;
  const bool root = place == Place::kWhole;
  while (true) {
    Scan scan = ScanFurther(root);
    if (scan == Scan::kMore) {
      const auto more = Fill();
      if (!more) return std::unexpected(more.error());
      if (*more) continue;
      if (depth_ > 0 || in_string_) {
        complain_(line_, "the file ends inside a value");
        Consume(buffer_.size() - begin_);
        state_ = State::kBetween;
        return false;
      }
      scan = Scan::kDone;
    }
    if (scan == Scan::kBad) {
      complain_(line_, "cut off, or no JSON");
      state_ = State::kBetween;
      const auto skipped = SkipLine();
      if (!skipped) return skipped;
      return false;
    }
    if (scan == Scan::kList) {
      Consume(scanned_ + 1);
      state_ = State::kList;
      return false;
    }
    if (scanned_ == 0) {  // a bracket that closes nothing
      complain_(line_, "cut off, or no JSON");
      Consume(1);
      return false;
    }
    *out = {{buffer_.data() + begin_, scanned_}, line_, place};
    if (root && std::exchange(first_, false)) {
      const size_t after = begin_ + scanned_;
      lines_ = out->text.find('\n') == std::string_view::npos &&
               (after == buffer_.size() || buffer_[after] == '\n' || buffer_[after] == '\r');
    }
    Consume(scanned_);
    return true;
  }
}

// Of a file with a value per line, whatever it is.
Result<bool> JsonDocuments::Line(Document* out) {
  size_t end = 0;
  while ((end = buffer_.find('\n', begin_)) == std::string::npos) {
    const auto more = Fill();
    if (!more) return more;
    if (*more) continue;
    end = buffer_.size();
    break;
  }
  *out = {{buffer_.data() + begin_, end - begin_}, line_, Place::kWhole};
  Consume(end - begin_);
  return true;
}

// The other members of the object around a list, to its end.
Result<bool> JsonDocuments::Rest(char next) {
  if (next == '}') state_ = State::kBetween;
  if (next == '}' || next == ',' || next == ':' || next == ']') {
    Consume(1);
    return false;
  }
  Document member;
  const auto found = Value(Place::kElement, &member);
  if (!found) return found;
  return false;
}

// What begins with that byte. False: nothing yet, go on.
Result<bool> JsonDocuments::Step(char next, Document* out) {
  if (state_ == State::kRest) return Rest(next);
  if (state_ == State::kList) {
    if (next != ']' && next != ',') return Value(list_, out);
    if (next == ']') state_ = list_ == Place::kElement ? State::kBetween : State::kRest;
    Consume(1);
    return false;
  }
  if (lines_) return Line(out);
  if (next == '{') return Value(Place::kWhole, out);
  if (next == '[') {
    list_ = Place::kElement;
    state_ = State::kList;
  }
  if (next == '[' || next == ',') {
    Consume(1);
    return false;
  }
  complain_(line_, "no JSON object");
  const auto skipped = SkipLine();
  if (!skipped) return skipped;
  return false;
}

Result<std::optional<JsonDocuments::Document>> JsonDocuments::Next() {
  while (true) {
    char next = 0;
    const auto any = Peek(&next);
    if (!any) return std::unexpected(any.error());
    if (!*any) break;
    Document document;
    const auto found = Step(next, &document);
    if (!found) return std::unexpected(found.error());
    if (*found) return document;
  }
  if (std::exchange(state_, State::kBetween) != State::kBetween)
    complain_(line_, "the file ends inside a list");
  return std::nullopt;
}

}  // namespace weft::sources
