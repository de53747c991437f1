#include "sources/ebpf/protocols/http1/head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/text_words.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf::http1 {
namespace {

constexpr size_t kMaxMethod = 24;
constexpr size_t kMaxLead = 16;

constexpr std::array<std::string_view, 9> kSemantic = {
    "GET", "POST", "PUT", "HEAD", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr std::array<std::string_view, 36> kRegistered = {"ACL",
                                                          "BASELINE-CONTROL",
                                                          "BIND",
                                                          "CHECKIN",
                                                          "CHECKOUT",
                                                          "COPY",
                                                          "LABEL",
                                                          "LINK",
                                                          "LOCK",
                                                          "M-SEARCH",
                                                          "MERGE",
                                                          "MKACTIVITY",
                                                          "MKCALENDAR",
                                                          "MKCOL",
                                                          "MKREDIRECTREF",
                                                          "MKWORKSPACE",
                                                          "MOVE",
                                                          "NOTIFY",
                                                          "ORDERPATCH",
                                                          "PROPFIND",
                                                          "PROPPATCH",
                                                          "PURGE",
                                                          "QUERY",
                                                          "REBIND",
                                                          "REPORT",
                                                          "SEARCH",
                                                          "SUBSCRIBE",
                                                          "UNBIND",
                                                          "UNCHECKOUT",
                                                          "UNLINK",
                                                          "UNLOCK",
                                                          "UNSUBSCRIBE",
                                                          "UPDATE",
                                                          "UPDATEREDIRECTREF",
                                                          "VERSION-CONTROL",
                                                          "BAN"};

// RFC 9110, section 5.6.2.
constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> is{};
  for (size_t c = 0; c < is.size(); ++c)
    is[c] = IsAlpha(static_cast<char>(c)) || IsDigit(static_cast<char>(c));
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) is[static_cast<unsigned char>(c)] = true;
  return is;
}();

// No blanks and no control characters; eight bytes at a time.
bool IsTargetText(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = kOnes << 7;
  const char* at = text.data();
  size_t left = text.size();
  uint64_t odd = 0;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t x = 0;
    std::memcpy(&x, at, 8);
    const uint64_t not_delete = x ^ kOnes * 0x7f;
    odd |= ((x - kOnes * 0x21) & ~x) | ((not_delete - kOnes) & ~not_delete);
  }
  odd &= kHigh;
  for (; left > 0; ++at, --left) odd |= static_cast<uint8_t>(*at) > 0x20 && *at != 0x7f ? 0 : 1;
  return odd == 0;
}

bool IsMethodPrefix(std::string_view method) {
  if (method == "GET" || method == "POST") return true;
  return method.size() <= kMaxMethod &&
         std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

// origin-form, asterisk-form, absolute-form, or authority-form for CONNECT.
bool IsTarget(std::string_view method, std::string_view target) {
  if (target.empty() || !IsTargetText(target)) return false;
  if (target[0] == '/' || target == "*") return true;
  if (method == "CONNECT") return target.find(':') != std::string_view::npos;
  const size_t colon = target.find("://");
  return colon != std::string_view::npos && colon > 0 &&
         std::ranges::all_of(target.substr(0, colon), IsAlpha);
}

// RFC 9112, section 2.2: empty lines before a request are ignored; clients do so with responses.
size_t Lead(std::string_view bytes) {
  size_t lead = 0;
  while (lead < bytes.size() && lead < kMaxLead && (bytes[lead] == '\r' || bytes[lead] == '\n'))
    ++lead;
  return lead;
}

std::string_view WithoutCr(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool ParseVersion(std::string_view version, int* minor) {
  if (version.size() != 8 || !version.starts_with("HTTP/1.") || !IsDigit(version[7])) return false;
  *minor = version[7] - '0';
  return true;
}

}  // namespace

Step ReadRequestLine(std::string_view bytes, bool cut, StartLine* line) {
  const size_t lead = Lead(bytes);
  const std::string_view rest = bytes.substr(lead);
  const Step invalid{Outcome::kInvalid, 0, 0, 0};
  const size_t space = rest.substr(0, kMaxMethod + 1).find(' ');
  line->method = rest.substr(0, std::min(space, kMaxMethod + 1));
  if (!IsMethodPrefix(line->method) || space == 0) return invalid;
  if (space == std::string_view::npos) {
    return cut || line->method.size() > kMaxMethod ? invalid : Step{Outcome::kNeedMore, 0, 0, lead};
  }
  const size_t newline = rest.find('\n', space);
  if (newline == std::string_view::npos) {
    // Long targets are cut by the capture; what was captured of a plausible one is still of use.
    line->target = rest.substr(space + 1);
    line->target = line->target.substr(0, line->target.find_first_of(" \r"));
    if (line->target.empty())
      return cut || rest.size() > space + 1 ? invalid : Step{Outcome::kNeedMore, 0, 0, lead};
    if (!IsTargetText(line->target)) return invalid;
    if (!cut) return {Outcome::kNeedMore, 0, 0, lead};
    line->cut = true;
    if (!IsRegisteredMethod(line->method) || !IsTarget(line->method, line->target)) return invalid;
    return {Outcome::kDone, bytes.size(), 0, lead};
  }
  const std::string_view tail = WithoutCr(rest.substr(space + 1, newline - space - 1));
  // Before the version, whose length is fixed.
  constexpr size_t kVersion = 8;
  if (tail.size() <= kVersion) return invalid;
  const size_t last = tail.size() - kVersion - 1;
  if (tail[last] != ' ' || !ParseVersion(tail.substr(last + 1), &line->minor)) return invalid;
  line->target = tail.substr(0, last);
  if (!IsTarget(line->method, line->target)) return invalid;
  return {Outcome::kDone, lead + newline + 1, 0, lead};
}

Step ReadStatusLine(std::string_view all, bool cut, StartLine* line) {
  const size_t lead = Lead(all);
  const std::string_view bytes = all.substr(lead);
  constexpr std::string_view kPattern = "HTTP/1.d ddd";
  constexpr size_t kMaxReason = 1024;
  const Step invalid{Outcome::kInvalid, 0, 0, 0};
  const size_t known = SameText(bytes.substr(0, 9), "HTTP/1.1 ") ? 9 : 0;
  for (size_t i = known; i < std::min(bytes.size(), kPattern.size()); ++i) {
    if (kPattern[i] == 'd' ? !IsDigit(bytes[i]) : bytes[i] != kPattern[i]) return invalid;
  }
  if (bytes.size() < kPattern.size()) return cut ? invalid : Step{Outcome::kNeedMore, 0, 0, lead};
  line->minor = bytes[7] - '0';
  line->status = static_cast<int>(*ParseDecimal(bytes.substr(9, 3)));
  if (line->status < 100 || line->status > 999) return invalid;
  const size_t newline = bytes.find('\n', kPattern.size());
  if (newline == std::string_view::npos) {
    if (bytes.size() > kPattern.size() + kMaxReason) return invalid;
    return cut ? Step{Outcome::kDone, all.size(), 0, lead} : Step{Outcome::kNeedMore, 0, 0, lead};
  }
  const char next = bytes[kPattern.size()];
  if (next != ' ' && next != '\r' && next != '\n') return invalid;
  return {Outcome::kDone, lead + newline + 1, 0, lead};
}

FieldCursor::Item FieldCursor::Next() {
  line_ = known_.Find(bytes_.substr(position_));
  line_is_new_ = false;
  if (line_ != nullptr) {
    name_ = bytes_.substr(position_, line_->name_size);
    value_ = bytes_.substr(position_ + line_->value_at, line_->value_size);
    which_ = line_->which;
    position_ += line_->size;
    return Item::kField;
  }
  while (true) {
    const size_t begin = position_;
    const size_t newline = bytes_.find('\n', begin);
    if (newline == std::string_view::npos) return Item::kNeedMore;
    const std::string_view line = WithoutCr(bytes_.substr(begin, newline - begin));
    position_ = newline + 1;
    if (line.empty()) return Item::kEnd;
    if (line.find('\0') != std::string_view::npos) return Item::kInvalid;  // no head has this byte
    // Obsolete folding goes on with the field before, none of which we read may be folded.
    if (line[0] == ' ' || line[0] == '\t') continue;
    size_t n = 0;
    while (n < line.size() && kTokenChars[static_cast<unsigned char>(line[n])]) ++n;
    if (n == line.size() || line[n] != ':' || n == 0) {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0) return Item::kInvalid;
      continue;  // "Name : value": not to be trusted
    }
    name_ = line.substr(0, n);
    value_ = TrimBlank(line.substr(n + 1));
    which_ = NameField(name_);
    if (!IsUnique(which_))
      line_ = known_.Keep(bytes_.substr(begin, position_ - begin), n, value_, which_);
    line_is_new_ = line_ != nullptr;
    return Item::kField;
  }
}

FieldName NameField(std::string_view name) {
  const auto is = [&](std::string_view lower, FieldName yes) {
    return EqualsNoCase(name, lower) ? yes : FieldName::kOther;
  };
  switch (name.size()) {
    case 2: return is("b3", FieldName::kTraceContext);
    case 4: return is("host", FieldName::kHost);
    case 7: return is("baggage", FieldName::kBaggage);
    case 10:
      if (Lower(name[0]) == 'u') return is("user-agent", FieldName::kUserAgent);
      if (Lower(name[0]) == 't') return is("tracestate", FieldName::kTraceContext);
      return is("x-b3-flags", FieldName::kTraceContext);
    case 11:
      if (Lower(name[0]) == 't') return is("traceparent", FieldName::kTraceContext);
      return is("x-b3-spanid", FieldName::kTraceContext);
    case 12:
      if (name[1] != '-') return FieldName::kOther;
      switch (Lower(name[2])) {
        case 'r': return is("x-request-id", FieldName::kRequestId);
        case 'w': return is(kTruthHeader, FieldName::kTruth);
        case 'b':
          if (Lower(name[5]) == 't') return is("x-b3-traceid", FieldName::kTraceContext);
          return is("x-b3-sampled", FieldName::kTraceContext);
        default: return FieldName::kOther;
      }
    case 14: return is("content-length", FieldName::kContentLength);
    case 16: return is("content-encoding", FieldName::kContentEncoding);
    case 17:
      if (Lower(name[0]) == 'x') return is("x-b3-parentspanid", FieldName::kTraceContext);
      return is("transfer-encoding", FieldName::kTransferEncoding);
    default: return FieldName::kOther;
  }
}

void Framing::Field(FieldName name, std::string_view value) {
  if (name == FieldName::kContentLength) {
    // RFC 9112, section 6.3: "5, 5" and repeated equal fields are one.
    while (true) {
      const size_t comma = value.find(',');
      const auto length = ParseDecimal(TrimBlank(value.substr(0, comma)));
      if (!length || (has_length_ && *length != length_)) broken_ = true;
      has_length_ = true;
      length_ = length.value_or(0);
      if (comma == std::string_view::npos) return;
      value.remove_prefix(comma + 1);
    }
  }
  if (name == FieldName::kTransferEncoding) {
    has_coding_ = true;
    const size_t comma = value.rfind(',');
    const std::string_view last = comma == std::string_view::npos ? value : value.substr(comma + 1);
    chunked_ = EqualsNoCase(TrimBlank(last), "chunked");
  }
}

std::string_view SemanticMethod(std::string_view method) {
  for (const std::string_view known : kSemantic)
    if (SameText(method, known)) return known;
  return {};
}

bool IsRegisteredMethod(std::string_view method) {
  return !SemanticMethod(method).empty() ||
         std::ranges::find(kRegistered, method) != kRegistered.end();
}

}  // namespace weft::ebpf::http1
