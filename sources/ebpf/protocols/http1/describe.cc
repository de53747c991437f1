#include "sources/ebpf/protocols/http1/describe.h"

#include <algorithm>
#include <charconv>

#include "engine/api/plugin_abi.h"
#include "engine/base/hash.h"
#include "sources/ebpf/protocols/ascii.h"
#include "sources/ebpf/protocols/http1/route.h"

namespace weft::ebpf::http1 {
namespace {

constexpr size_t kMaxHost = 255;
constexpr size_t kMaxRequestId = 128;
constexpr size_t kMaxUserAgent = 256;

// host, host:port or [v6]:port of a Host field or an absolute target.
struct Authority {
  std::string_view host;
  uint64_t port = 0;  // 0: none
};

Authority SplitAuthority(std::string_view text) {
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
  const size_t bracket = text.rfind(']');
  const size_t colon = text.rfind(':');
  Authority result{text, 0};
  if (colon != std::string_view::npos &&
      (bracket == std::string_view::npos ? text.find(':') == colon : colon > bracket)) {
    result.host = text.substr(0, colon);
    result.port = ParseDecimal(text.substr(colon + 1)).value_or(0);
  }
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']')
    result.host = result.host.substr(1, result.host.size() - 2);
  return result;
}

// The parts of a request target that become attributes.
struct Target {
  std::string_view scheme = "http", authority, path, query;
  bool has_query = false;
};

Target SplitTarget(std::string_view target) {
  Target result;
  if (const size_t colon = target.find("://");
      target[0] != '/' && colon != std::string_view::npos) {
    result.scheme = target.substr(0, colon);
    target.remove_prefix(colon + 3);
    const size_t slash = std::min(target.find_first_of("/?"), target.size());
    result.authority = target.substr(0, slash);
    target.remove_prefix(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  result.path = target.substr(0, question);
  if (question != std::string_view::npos) {
    result.query = target.substr(question + 1);
    result.has_query = true;
  }
  return result;
}

// The key under which a configured header is published, null if it is not configured. Header
// attributes: "http.request.header.<name in lower case>".
const HeaderKey* FindHeader(const ProtocolSet& set, std::string_view name) {
  for (const HeaderKey& key : set.header_keys())
    if (EqualsNoCase(name, key.name)) return &key;
  return nullptr;
}

}  // namespace

void RequestDescriber::Field(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (EqualsNoCase(name, "host")) host_ = value.substr(0, kMaxHost);
      break;
    case 10:
      if (EqualsNoCase(name, "user-agent")) user_agent_ = value.substr(0, kMaxUserAgent);
      break;
    case 12:
      if (EqualsNoCase(name, "x-request-id")) {
        out_->request_id.clear();
        set_.redactor().Text(value.substr(0, kMaxRequestId), &out_->request_id);
      } else if (set_.settings().capture_truth && EqualsNoCase(name, kTruthHeader)) {
        out_->truth.assign(value.substr(0, kMaxRequestId));
      }
      break;
    default: break;
  }
  context_.Add(name, value);
  if (set_.header_keys().empty()) return;
  if (const HeaderKey* key = FindHeader(set_, name)) {
    std::string text;
    set_.redactor().HeaderValue(name, value, &text);
    out_->attributes.Add(key->request_key, text);
  }
}

void RequestDescriber::Finish() {
  if (context_.Finish(&out_->context, &out_->trace_state) == TraceHeaders::Verdict::kInvalid)
    set_.counters().context_invalid.Add();
  const bool known = IsSemanticMethod(line_.method);
  out_->attributes.Add("http.request.method", known ? line_.method : "_OTHER");
  if (!known) out_->attributes.Add("http.request.method_original", line_.method);
  AddUrl();
  AddServer();
  if (!user_agent_.empty()) {
    std::string text;
    set_.redactor().Text(user_agent_, &text);
    out_->attributes.Add("user_agent.original", text);
  }
  out_->attributes.Add("network.protocol.version", line_.minor == 0 ? "1.0" : "1.1");
}

void RequestDescriber::AddUrl() {
  const Target target = SplitTarget(line_.target);
  if (!target.authority.empty()) host_ = target.authority.substr(0, kMaxHost);
  NameOperation(target.path);
  if (line_.method == "CONNECT") {
    host_ = line_.target.substr(0, kMaxHost);
    return;
  }
  std::string path, query;
  set_.redactor().Path(target.path, &path);
  if (target.has_query) set_.redactor().Query(target.query, &query);
  out_->attributes.Add("url.path", path);
  if (out_->request_direction == Direction::kReceived) {
    out_->attributes.Add("url.scheme", target.scheme);
    if (!query.empty()) out_->attributes.Add("url.query", query);
  } else if (!host_.empty()) {
    std::string full(target.scheme);
    full.append("://");
    const size_t at = host_.rfind('@');
    set_.redactor().Text(at == std::string_view::npos ? host_ : host_.substr(at + 1), &full);
    full.append(path);
    if (!query.empty()) full.append("?").append(query);
    out_->attributes.Add("url.full", full);
  } else if (!query.empty()) {
    out_->attributes.Add("url.query", query);
  }
}

void RequestDescriber::AddServer() {
  if (host_.empty()) return;
  const Authority authority = SplitAuthority(host_);
  if (authority.host.empty()) return;
  std::string text;
  set_.redactor().Text(authority.host, &text);
  out_->attributes.Add("server.address", text);
  out_->names_server = true;
  out_->peer = text;
  if (authority.port != 0 && authority.port <= 65535) {
    out_->attributes.Add("server.port", static_cast<int64_t>(authority.port));
    char digits[8];
    const auto end = std::to_chars(digits, digits + sizeof digits, authority.port).ptr;
    out_->peer.append(":").append(digits, end);
  }
}

void RequestDescriber::NameOperation(std::string_view path) {
  // Semantic conventions: an unknown method must not become a part of the name.
  const std::string_view method = IsRegisteredMethod(line_.method) ? line_.method : "HTTP";
  std::string& name = out_->operation;
  name.assign(method);
  if (line_.method == "CONNECT") return;
  name.push_back(' ');
  if (path == "*") {
    name.push_back('*');
    return;
  }
  AppendRouteGuess(path, &name);
  const uint64_t scope = HashCombine(out_->request.first.pid, WEFT_PROTOCOL_HTTP1);
  if (set_.names().Admit(scope, name)) return;
  // One level is enough to tell services' areas apart; beyond that, the method alone.
  const size_t slash = name.find('/', method.size() + 2);
  name.resize(std::min(slash, name.size()));
  name.append("/*");
  if (!set_.names().Admit(HashCombine(scope, 1), name)) name.assign(method).append(" *");
}

void ResponseDescriber::Begin(const StartLine& line) {
  status_ = line.status;
  headers_.Clear();
}

void ResponseDescriber::Field(std::string_view name, std::string_view value) {
  if (set_.header_keys().empty()) return;
  if (const HeaderKey* key = FindHeader(set_, name)) {
    std::string text;
    set_.redactor().HeaderValue(name, value, &text);
    headers_.Add(key->response_key, text);
  }
}

void ResponseDescriber::Finish(Exchange* out) const {
  out->attributes.Add("http.response.status_code", static_cast<int64_t>(status_));
  for (const Attributes::Item& item : headers_.items())
    out->attributes.Add(item.key, headers_.Text(item));
  // Semantic conventions: a 4xx is the caller's error, not the server's.
  const int error_from = out->request_direction == Direction::kReceived ? 500 : 400;
  if (status_ < error_from) return;
  out->status = WEFT_STATUS_ERROR;
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, status_).ptr;
  out->attributes.Add("error.type", std::string_view(digits, static_cast<size_t>(end - digits)));
}

}  // namespace weft::ebpf::http1
