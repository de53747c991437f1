#include "sources/ebpf/token_reader.h"

#include <algorithm>
#include <utility>

#include "engine/api/plugin_abi.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/redis/commands.h"
#include "sources/ebpf/protocols/redis/resp.h"
#include "sources/ebpf/quick_hash.h"

namespace weft::ebpf {
namespace {

// Headers about the transfer and not its subject, sorted; what begins with one of kPrefixes too.
// Trace context is evidence of its own, and its span ids differ from hop to hop.
constexpr std::string_view kHeaders[] = {"accept",
                                         "accept-charset",
                                         "accept-encoding",
                                         "accept-language",
                                         "accept-ranges",
                                         "age",
                                         "allow",
                                         "alt-svc",
                                         "b3",
                                         "cache-control",
                                         "connection",
                                         "content-encoding",
                                         "content-language",
                                         "content-length",
                                         "content-type",
                                         "date",
                                         "dnt",
                                         "etag",
                                         "expires",
                                         "host",
                                         "if-modified-since",
                                         "if-none-match",
                                         "keep-alive",
                                         "last-modified",
                                         "origin",
                                         "pragma",
                                         "range",
                                         "server",
                                         "strict-transport-security",
                                         "te",
                                         "traceparent",
                                         "tracestate",
                                         "transfer-encoding",
                                         "upgrade",
                                         "upgrade-insecure-requests",
                                         "user-agent",
                                         "vary",
                                         "via",
                                         "x-powered-by",
                                         "x-weft-truth"};
static_assert(std::ranges::is_sorted(kHeaders));
constexpr std::string_view kPrefixes[] = {"access-control-", "sec-", "x-b3-"};
constexpr size_t kMaxName = 64;
constexpr size_t kMaxElements = 64;  // of a Redis reply

// Of no use: says nothing about the subject, or may be anything.
bool IsIdle(std::string_view name) {
  if (name.size() > kMaxName) return true;
  char buffer[kMaxName];
  std::ranges::transform(name, buffer, Lower);
  const std::string_view lower(buffer, name.size());
  return std::ranges::binary_search(kHeaders, lower) ||
         std::ranges::any_of(kPrefixes, [&](auto prefix) { return lower.starts_with(prefix); });
}

// A bulk string at the beginning of what is left, taken off it.
struct Bulk {
  std::string_view text;  // as far as captured
  bool cut = false;       // the text goes on behind what was captured
  bool whole = false;     // its end was captured too
};
bool TakeBulk(std::string_view* bytes, Bulk* out) {
  if (const size_t size = redis::ReadWholeBulk(*bytes, &out->text); size != 0) {
    bytes->remove_prefix(size);
    out->cut = false;
    out->whole = true;
    return true;
  }
  redis::Element element;
  const Step step = redis::ReadElement(*bytes, &element);
  if (step.outcome != Outcome::kDone || element.type != '$') return false;
  out->text = element.text;
  out->cut = element.text.size() + 2 < element.body;
  out->whole = bytes->size() - step.used >= element.body;
  bytes->remove_prefix(out->whole ? step.used + static_cast<size_t>(element.body) : bytes->size());
  return true;
}

bool LooksBinary(std::string_view bytes) {
  return std::ranges::any_of(bytes.substr(0, 16), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r' && c != '\n';
  });
}

}  // namespace

bool TokenReader::Message(MessageKind kind, std::string_view bytes, bool whole,
                          Exchange* exchange) const {
  const bool request = kind == MessageKind::kRequest;
  TokenSet* out = request ? &exchange->request_tokens : &exchange->response_tokens;
  if (exchange->protocol == WEFT_PROTOCOL_HTTP1) return Http(kind, bytes, whole, out);
  if (exchange->protocol != WEFT_PROTOCOL_REDIS) return false;
  if (request)
    RedisRequest(bytes, exchange);
  else if (!exchange->answers_secret)
    RedisReply(bytes, out);
  return false;
}

void TokenReader::Body(MessageKind kind, std::string_view bytes, bool whole,
                       Exchange* exchange) const {
  HttpBody(bytes, whole,
           kind == MessageKind::kRequest ? &exchange->request_tokens : &exchange->response_tokens);
}

bool TokenReader::Walk(MessageKind kind, std::string_view bytes) const {
  http1::StartLine line;
  const Step first = kind == MessageKind::kRequest ? http1::ReadRequestLine(bytes, true, &line)
                                                   : http1::ReadStatusLine(bytes, true, &line);
  if (first.outcome != Outcome::kDone) return false;
  heads_.walk.Begin(bytes, line);
  http1::FieldCursor fields(bytes, first.used, heads_.known);
  http1::FieldCursor::Item item = http1::FieldCursor::Item::kNeedMore;
  while (!line.cut && (item = fields.Next()) == http1::FieldCursor::Item::kField)
    heads_.walk.Add(fields, fields.line_is_new());
  heads_.walk.End(fields.read_to(), item == http1::FieldCursor::Item::kEnd);
  return true;
}

bool TokenReader::Http(MessageKind kind, std::string_view bytes, bool whole, TokenSet* out) const {
  const http1::HeadWalk& walk = heads_.walk;
  const bool is_of = walk.IsOf(bytes);
  // Interim responses may have left some, and of all only so many are kept.
  http1::KnownHead* const known = is_of && out->empty() ? walk.known() : nullptr;
  bool encoded = false;
  if (known != nullptr && known->tokens_read) {
    *out = known->tokens;
    encoded = known->encoded;
  } else {
    if (!(is_of && walk.walked()) && !Walk(kind, bytes)) return false;
    if (walk.line().cut) {
      Line(walk.line(), out);
      return false;
    }
    encoded = Head(walk, out);
    if (known != nullptr) {
      known->tokens = *out;
      known->encoded = encoded;
      known->tokens_read = true;
    }
  }
  const auto head = static_cast<size_t>(walk.read_to() - bytes.data());
  const bool ended = walk.ended();
  heads_.walk.Forget();
  if (!ended || encoded) return false;
  if (head == bytes.size()) return !whole;
  HttpBody(bytes.substr(head), whole, out);
  return false;
}

bool TokenReader::Head(const http1::HeadWalk& walk, TokenSet* out) const {
  Line(walk.line(), out);
  bool encoded = false;
  for (const http1::HeadField& field : walk.fields()) {
    encoded |= field.which == http1::FieldName::kContentEncoding;
    Field(field, out);
  }
  return encoded;
}

void TokenReader::Line(const http1::StartLine& line, TokenSet* out) const {
  std::string_view target = line.target;
  if (const size_t scheme = target.find("://");
      !target.empty() && target[0] != '/' && scheme != std::string_view::npos)
    target.remove_prefix(std::min(target.find_first_of("/?", scheme + 3), target.size()));
  if (!target.empty()) Target(target.substr(0, target.find('#')), line.cut, out);
}

// Requires: `out` is empty.
void TokenReader::Target(std::string_view target, bool cut, TokenSet* out) const {
  if (cut || target.size() > kMaxTarget) {
    text_.ScanEncoded(target, cut, out);
    return;
  }
  // Two places for each; what is found moves to the first, what is new takes the second.
  KnownTarget* const pair = &targets_[QuickHash(target) % (kTargets / 2) * 2];
  if (SameText(pair[1].text, target)) std::swap(pair[0], pair[1]);
  if (SameText(pair[0].text, target)) {
    *out = pair[0].tokens;
    return;
  }
  pair[1].text.assign(target);
  pair[1].tokens.Clear();
  text_.ScanEncoded(target, false, &pair[1].tokens);
  *out = pair[1].tokens;
}

void TokenReader::Field(const http1::HeadField& field, TokenSet* out) const {
  using Line = http1::KnownFields::Line;
  Line* const line = field.line;
  if (line == nullptr || line->tokens == Line::Tokens::kUnread) {
    const bool idle = idle_.Of(field.name, [this](std::string_view name) {
      return IsIdle(name) || text_.IsSecretHeader(name);
    });
    TokenSet found;
    if (!idle) text_.Scan(field.value, false, line == nullptr ? out : &found);
    if (line == nullptr) return;
    line->n_tokens = static_cast<uint8_t>(found.hashes().size());
    line->tokens =
        line->n_tokens <= line->token.size() ? Line::Tokens::kRead : Line::Tokens::kTooMany;
    for (size_t i = 0; line->tokens == Line::Tokens::kRead && i < line->n_tokens; ++i)
      line->token[i] = found.item(i);
  }
  if (line->tokens == Line::Tokens::kTooMany) {
    text_.Scan(field.value, false, out);
    return;
  }
  for (size_t i = 0; i < line->n_tokens; ++i) out->Add(line->token[i].hash, line->token[i].rank);
}

void TokenReader::HttpBody(std::string_view bytes, bool whole, TokenSet* out) const {
  // Of a form in parts the names stand in headers, their values far behind.
  if (LooksBinary(bytes) || bytes.starts_with("--")) return;
  // The sizes of the first and the last chunk are no values.
  constexpr std::string_view kLastChunk = "\r\n0\r\n\r\n";
  if (bytes.ends_with(kLastChunk)) bytes.remove_suffix(kLastChunk.size());
  size_t digits = 0;
  while (digits < bytes.size() && digits <= 8 && HexValue(bytes[digits]) >= 0) ++digits;
  if (digits > 0 && bytes.substr(digits, 2) == "\r\n") bytes.remove_prefix(digits + 2);
  if (bytes.empty()) return;
  if (IsAlpha(bytes[0]) || IsDigit(bytes[0]))  // a form, perhaps
    text_.ScanEncoded(bytes, !whole, out);
  else
    text_.Scan(bytes, !whole, out);
}

void TokenReader::RedisRequest(std::string_view bytes, Exchange* exchange) const {
  exchange->answers_secret = true;  // until all of it was read
  redis::Element array;
  const Step first = redis::ReadElement(bytes, &array);
  if (first.outcome != Outcome::kDone || array.type != '*') return;
  bytes.remove_prefix(first.used);
  Bulk bulk;
  if (array.children == 0 || !TakeBulk(&bytes, &bulk)) return;
  const redis::Command* command = redis::FindCommand(bulk.text);
  // CONFIG SET requirepass, ACL SETUSER and what modules may bring: nobody knows. EXEC is answered
  // by what was asked before it.
  if (command == nullptr || command->special == redis::Special::kAuth ||
      command->special == redis::Special::kContainer || command->name == "EXEC" || !bulk.whole)
    return;
  bool secret = false, named = false;
  for (uint64_t left = array.children - 1; left > 0; --left) {
    if (!TakeBulk(&bytes, &bulk)) return;
    secret |= ScanElement(bulk.text, bulk.cut, &named, &exchange->request_tokens);
    if (!bulk.whole) return;
  }
  exchange->answers_secret = secret;
}

// A hash's fields and values come one after the other. `named`: the one before was a secret name.
bool TokenReader::ScanElement(std::string_view text, bool cut, bool* named, TokenSet* out) const {
  if (std::exchange(*named, false)) return true;
  *named = text_.IsSecretName(text);
  return *named || text_.Scan(text, cut, out);
}

void TokenReader::RedisReply(std::string_view bytes, TokenSet* out) const {
  if (bytes.starts_with('+')) return;  // a word, and all of the reply
  bool named = false;
  redis::Element element;
  for (size_t n = 0; n < kMaxElements; ++n) {
    const Step step = redis::ReadElement(bytes, &element);
    if (step.outcome != Outcome::kDone || element.type == '-' || element.type == '!') return;
    const bool value = element.type == '$' || element.type == ':' || element.type == '=';
    const bool cut = element.body != 0 && element.text.size() + 2 < element.body;
    if (value) ScanElement(element.null ? std::string_view() : element.text, cut, &named, out);
    if (bytes.size() - step.used < element.body) return;
    bytes.remove_prefix(step.used + static_cast<size_t>(element.body));
  }
}

}  // namespace weft::ebpf
