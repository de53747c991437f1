#include "sources/ebpf/protocols/redis/request_reader.h"

#include <algorithm>

#include "engine/api/plugin_abi.h"
#include "engine/base/hash.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/redis/resp.h"

namespace weft::ebpf::redis {
namespace {

constexpr uint64_t kMaxArguments = 1 << 20;
constexpr uint64_t kSmallArgument = 512;  // waited for; longer ones are skipped
constexpr size_t kMaxCommandLength = 32;
constexpr size_t kMaxShownBytes = 64;
constexpr size_t kMaxInline = 65536;
constexpr std::string_view kTruthMark = "weft-truth:";

// "\r\n" between inline commands, and empty arrays, which servers ignore.
size_t Lead(std::string_view bytes) {
  size_t lead = 0;
  while (lead < bytes.size()) {
    const std::string_view rest = bytes.substr(lead);
    const size_t n = rest.starts_with("\r\n")      ? 2
                     : rest.starts_with("\n")      ? 1
                     : rest.starts_with("*0\r\n")  ? 4
                     : rest.starts_with("*-1\r\n") ? 5
                                                   : 0;
    if (n == 0) break;
    lead += n;
  }
  return lead;
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\t'; });
}

}  // namespace

Special SpecialOf(const Exchange& exchange) { return static_cast<Special>(exchange.tag & 0xff); }
uint32_t ArgumentsOf(const Exchange& exchange) { return exchange.tag >> 8; }

Step RequestReader::Begin(std::string_view bytes, bool cut, Exchange* out) {
  const size_t lead = Lead(bytes);
  const std::string_view rest = bytes.substr(lead);
  if (rest.empty() || rest == "\r")
    return {cut ? Outcome::kInvalid : Outcome::kNeedMore, 0, 0, lead};
  n_shown_ = 0;
  shown_whole_ = true;
  collecting_ = true;
  Step step = rest[0] == '*' ? BeginArray(rest, cut, out) : BeginInline(rest, cut, out);
  collecting_ = false;
  step.lead = lead;
  if (step.outcome == Outcome::kDone && SpecialOf(*out) == Special::kReplicate)
    step.outcome = Outcome::kEnd;
  if (step.outcome != Outcome::kNeedMore && step.outcome != Outcome::kInvalid) step.used += lead;
  return step;
}

Step RequestReader::BeginArray(std::string_view bytes, bool cut, Exchange* out) {
  const Step more{cut ? Outcome::kInvalid : Outcome::kNeedMore, 0, 0, 0};
  uint64_t children = 0;
  std::string_view command;
  if (const size_t line = ReadShortLine(bytes, '*', &children); line != 0 && children != 0) {
    const size_t size = ReadWholeBulk(bytes.substr(line), &command);
    if (size != 0 && children <= kMaxArguments && IsCommandToken(command))
      return RestOfArray(bytes, line + size, command, children - 1, cut, out);
  }
  Element array, name;
  Step step = ReadElement(bytes, &array);
  if (step.outcome == Outcome::kNeedMore) return more;
  if (step.outcome != Outcome::kDone || array.null || array.children > kMaxArguments) return {};
  if (array.children == 0) return {};  // Lead() has taken "*0"; "*00" is nonsense
  size_t used = step.used;
  step = ReadElement(bytes.substr(used), &name);
  if (step.outcome == Outcome::kNeedMore) return more;
  if (step.outcome != Outcome::kDone || name.type != '$' || name.null || name.body < 3 ||
      name.body > kMaxCommandLength + 2)
    return {};
  used += step.used;
  if (bytes.size() - used < name.body) return more;
  if (!IsCommandToken(name.text)) return {};
  used += static_cast<size_t>(name.body);
  return RestOfArray(bytes, used, name.text, array.children - 1, cut, out);
}

Step RequestReader::RestOfArray(std::string_view bytes, size_t used, std::string_view name,
                                uint64_t arguments, bool cut, Exchange* out) {
  left_ = arguments;
  Step step = Arguments(bytes.substr(used), cut, out);
  if (step.outcome == Outcome::kInvalid || step.outcome == Outcome::kNeedMore) return step;
  step.used += used;
  Describe(name, arguments, out);
  return step;
}

Step RequestReader::BeginInline(std::string_view bytes, bool cut, Exchange* out) {
  const size_t newline = bytes.substr(0, kMaxInline).find('\n');
  std::string_view line = bytes.substr(0, std::min(newline, kMaxInline));
  const bool ended = newline != std::string_view::npos;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const size_t name_end = std::min(line.find(' '), line.size());
  const std::string_view name = line.substr(0, name_end);
  // Words on a line are a weak sign: unknown ones are no command.
  const bool name_known = FindCommand(name) != nullptr;
  if (!IsPrintable(line) || (!name_known && (ended || name_end < line.size() || name.size() > 20)))
    return {};
  if (!ended && !cut && bytes.size() < kMaxInline) return {Outcome::kNeedMore, 0, 0, 0};
  if (!name_known) return {};
  uint64_t arguments = 0;
  for (size_t i = name_end; i < line.size();) {
    const size_t begin = line.find_first_not_of(' ', i);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(line.find(' ', begin), line.size());
    Argument(line.substr(begin, end - begin), ended || end < line.size(), out);
    ++arguments;
    i = end;
  }
  left_ = 0;
  Describe(name, arguments, out);
  if (!ended) return {Outcome::kSkip, bytes.size(), kUntilNext, 0};
  return {Outcome::kDone, newline + 1, 0, 0};
}

Step RequestReader::Continue(std::string_view bytes, bool cut, Exchange* exchange) {
  return Arguments(bytes, cut, exchange);
}

Step RequestReader::Arguments(std::string_view bytes, bool cut, Exchange* exchange) {
  size_t used = 0;
  while (left_ > 0) {
    const std::string_view rest = bytes.substr(used);
    std::string_view text;
    if (const size_t size = ReadWholeBulk(rest, &text); size != 0) {
      --left_;
      Argument(text, true, exchange);
      used += size;
      continue;
    }
    Element argument;
    const Step step = ReadElement(rest, &argument);
    const bool bulk = argument.type == '$' && !argument.null;
    if (step.outcome == Outcome::kInvalid || (step.outcome == Outcome::kDone && !bulk) ||
        (!rest.empty() && rest[0] != '$'))
      return {};
    const uint64_t have = rest.size() - step.used;
    const bool whole = step.outcome == Outcome::kDone && have >= argument.body;
    const bool wait = step.outcome == Outcome::kNeedMore || argument.body <= kSmallArgument;
    if (!whole && wait && !cut) {
      // While the command is new its arguments are wanted together; later ones go one by one.
      const bool keep = collecting_ && n_shown_ < kShown;
      if (keep || used == 0) return {Outcome::kNeedMore, 0, 0, 0};
      return {Outcome::kSkip, used, 0, 0};
    }
    if (step.outcome == Outcome::kNeedMore) {
      shown_whole_ = false;
      return {Outcome::kSkip, bytes.size(), kUntilNext, 0};
    }
    --left_;
    Argument(argument.text, whole, exchange);
    if (!whole) {
      const Outcome outcome = left_ == 0 ? Outcome::kDone : Outcome::kSkip;
      return {outcome, bytes.size(), argument.body - have, 0};
    }
    used += step.used + static_cast<size_t>(argument.body);
  }
  return {Outcome::kDone, used, 0, 0};
}

void RequestReader::Argument(std::string_view value, bool whole, Exchange* exchange) {
  // Only where values are published, or the truth wanted, does it matter.
  const bool looked_for = set_.settings().capture_truth || set_.settings().redis_arguments;
  const size_t mark =
      looked_for ? value.substr(0, kSmallArgument).find(kTruthMark) : std::string_view::npos;
  if (mark != std::string_view::npos && set_.settings().capture_truth && exchange) {
    const std::string_view truth = value.substr(mark + kTruthMark.size(), kMaxShownBytes);
    const size_t end = truth.find_first_of(" \t\r\n,;\"'");
    if (whole || end != std::string_view::npos) exchange->truth.assign(truth.substr(0, end));
  }
  if (!collecting_ || n_shown_ == kShown) return;
  shown_whole_ &= whole;
  // The ground truth must never show up in an attribute.
  shown_[n_shown_++] = mark == std::string_view::npos ? value.substr(0, kMaxShownBytes) : "?";
}

void RequestReader::Describe(std::string_view name, uint64_t arguments, Exchange* out) {
  command_ = FindCommand(name);
  const std::string_view shown = NameOf(name, out->request.first.pid);
  out->protocol = WEFT_PROTOCOL_REDIS;
  out->operation.assign(shown);
  text_.assign(shown);
  AppendText(arguments, &text_);
  const Special special = command_ ? command_->special : Special::kNone;
  out->tag = static_cast<uint32_t>(special) |
             static_cast<uint32_t>(std::min<uint64_t>(arguments, 0xffff)) << 8;
  out->attributes.AddFixed("db.system.name", "redis");
  if (command_) {
    out->attributes.AddFixed("db.operation.name", shown);
  } else {
    out->attributes.Add("db.operation.name", shown);
  }
  out->attributes.Add("db.query.text", text_);
  if (!database_.empty()) out->attributes.Add("db.namespace", database_);
  Track(out);
}

std::string_view RequestReader::NameOf(std::string_view name, uint32_t pid) {
  if (command_) return command_->name;
  upper_.assign(name);
  std::ranges::transform(upper_, upper_.begin(), Upper);
  const uint64_t scope = HashCombine(pid, WEFT_PROTOCOL_REDIS);
  return set_.names().Admit(scope, upper_) ? std::string_view(upper_) : "OTHER";
}

void RequestReader::AppendText(uint64_t arguments, std::string* text) const {
  const Special special = command_ ? command_->special : Special::kNone;
  bool values = set_.settings().redis_arguments && command_ && special != Special::kAuth;
  for (size_t i = 0; i < std::min<uint64_t>(arguments, kShown); ++i) {
    text->push_back(' ');
    const std::string_view value = i < n_shown_ ? shown_[i] : "?";
    if (i == 0 && special == Special::kContainer && IsCommandToken(value)) {
      const size_t at = text->size();
      text->append(value);
      std::transform(text->begin() + static_cast<ptrdiff_t>(at), text->end(),
                     text->begin() + static_cast<ptrdiff_t>(at), Upper);
      // CONFIG SET requirepass, ACL SETUSER, CLIENT SETNAME ...: nobody knows which will be next.
      values = false;
    } else if (values) {
      set_.redactor().Text(value, text);
    } else {
      text->push_back('?');
    }
  }
  if (arguments > kShown) text->append(" ...");
}

// Commands that change what the next ones mean or whether they are answered.
void RequestReader::Track(Exchange* out) {
  const bool was_skipped = skip_next_;
  skip_next_ = false;
  const Special special = SpecialOf(*out);
  if (special == Special::kSelect && n_shown_ > 0 && ParseDecimal(shown_[0]).has_value())
    database_.assign(shown_[0]);
  if (special == Special::kReset) database_.clear();
  if (special == Special::kContainer && command_->name == "CLIENT" && n_shown_ >= 2 &&
      EqualsNoCase(shown_[0], "reply")) {
    if (EqualsNoCase(shown_[1], "on")) reply_off_ = false;
    if (EqualsNoCase(shown_[1], "off")) reply_off_ = true;
    if (EqualsNoCase(shown_[1], "skip")) {
      skip_next_ = true;
      out->one_way = true;
    }
  }
  // A CLIENT REPLY that was not captured whole? Not to be given a reply that it may not have.
  const uint32_t arguments = ArgumentsOf(*out);
  if (command_ && command_->name == "CLIENT" && arguments == 2 && !shown_whole_)
    out->one_way = out->incomplete = true;
  out->one_way |= reply_off_ || was_skipped || special == Special::kReplicate;
}

}  // namespace weft::ebpf::redis
