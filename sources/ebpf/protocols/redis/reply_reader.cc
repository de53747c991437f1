#include "sources/ebpf/protocols/redis/reply_reader.h"

#include <algorithm>

#include "engine/base/ascii.h"

namespace weft::ebpf::redis {
namespace {

constexpr uint64_t kMaxLeft = 1ull << 40;
constexpr size_t kMaxErrorWord = 32;
constexpr uint64_t kMaxErrorBody = 512;

// By convention the first word is the kind: ERR, WRONGTYPE, MOVED.
std::string ErrorWord(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of(" \r\n"));
  const bool proper =
      !word.empty() && word.size() <= kMaxErrorWord && std::ranges::all_of(word, [](char c) {
        return (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
      });
  return std::string(proper ? word : "ERR");
}

Channel ChannelOf(std::string_view word) {
  const bool prefixed = word.starts_with("psub") || word.starts_with("ssub") ||
                        word.starts_with("puns") || word.starts_with("suns") ||
                        word == "pmessage" || word == "smessage";
  if (prefixed) word.remove_prefix(1);
  if (word == "subscribe" || word == "unsubscribe") return Channel::kConfirmation;
  if (word == "pong") return Channel::kPong;
  return word == "message" ? Channel::kMessage : Channel::kNone;
}

}  // namespace

bool ReplyReader::Enter(const Element& element) {
  left_ += element.children;
  // A RESP3 attribute stands before the element it belongs to and does not count as one.
  if (element.type != '|') --left_;
  return left_ <= kMaxLeft;
}

Step ReplyReader::Begin(std::string_view bytes, bool cut) {
  info_.channel = Channel::kNone;
  info_.error.clear();
  left_ = 0;
  std::string_view text;
  size_t used = bytes.starts_with("+OK\r\n") ? 5 : ReadWholeBulk(bytes, &text);
  if (used != 0) {
    info_.type = bytes[0];
    return {Outcome::kDone, used, 0, 0};
  }
  Element element;
  const Step line = ReadElement(bytes, &element);
  info_.type = element.type;
  if (line.outcome == Outcome::kInvalid) return {};
  if (line.outcome == Outcome::kNeedMore) {
    if (!cut) return line;
    if (element.type != '+' && element.type != '-') return {};
    if (element.type == '-') info_.error = ErrorWord(bytes.substr(1));
    return {Outcome::kSkip, bytes.size(), kUntilNext, 0};
  }
  if (element.type == '-') info_.error = ErrorWord(element.text);
  if (element.type == '!') {
    const bool whole = element.text.size() + 2 >= element.body;
    if (!whole && !cut && element.body <= kMaxErrorBody) return {Outcome::kNeedMore, 0, 0, 0};
    info_.error = ErrorWord(element.text);
  }
  const std::string_view children = bytes.substr(line.used);
  if ((element.type == '>' || element.type == '*') && element.children > 0 &&
      !Classify(children, cut))
    return {Outcome::kNeedMore, 0, 0, 0};
  left_ = 1;
  return Continue(bytes, cut);
}

bool ReplyReader::Classify(std::string_view children, bool cut) {
  constexpr uint64_t kMaxWord = 16;
  Element word;
  const Step step = ReadElement(children, &word);
  if (step.outcome == Outcome::kInvalid) return true;  // Continue will say so
  if (step.outcome == Outcome::kNeedMore) return cut;
  if (word.type != '$' || word.body > kMaxWord) return true;
  if (word.text.size() + 2 < word.body) return cut;
  info_.channel = ChannelOf(word.text);
  return true;
}

Step ReplyReader::Continue(std::string_view bytes, bool cut) {
  size_t used = 0;
  while (left_ > 0) {
    Element element;
    const std::string_view rest = bytes.substr(used);
    const Step step = ReadElement(rest, &element);
    if (step.outcome == Outcome::kInvalid) return {};
    if (step.outcome == Outcome::kNeedMore) {
      if (cut) return {Outcome::kSkip, bytes.size(), kUntilNext, 0};
      return used == 0 ? step : Step{Outcome::kSkip, used, 0, 0};
    }
    if (!Enter(element)) return {};
    const uint64_t have = rest.size() - step.used;
    if (have < element.body) {
      const Outcome outcome = left_ == 0 ? Outcome::kDone : Outcome::kSkip;
      return {outcome, bytes.size(), element.body - have, 0};
    }
    used += step.used + static_cast<size_t>(element.body);
  }
  return {Outcome::kDone, used, 0, 0};
}

}  // namespace weft::ebpf::redis
