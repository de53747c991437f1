#include "sources/ebpf/protocols/http1/describe.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/api/plugin_abi.h"
#include "engine/base/ascii.h"

namespace weft::ebpf::http1 {
namespace {

constexpr size_t kMaxHost = 255;
constexpr size_t kMaxRequestId = 128;
constexpr size_t kMaxUserAgent = 256;
constexpr size_t kMaxTraceState = 1024;  // W3C asks for 512 at least

// The parts of a request target that become attributes.
struct Target {
  std::string_view scheme = "http", authority, path, query;
};

Target SplitTarget(std::string_view target) {
  Target result;
  const size_t colon = target[0] == '/' ? std::string_view::npos : target.find("://");
  if (colon != std::string_view::npos) {
    result.scheme = target.substr(0, colon);
    target.remove_prefix(colon + 3);
    const size_t slash = std::min(target.find_first_of("/?"), target.size());
    result.authority = target.substr(0, slash);
    target.remove_prefix(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  result.path = target.substr(0, question);
  if (question != std::string_view::npos) result.query = target.substr(question + 1);
  return result;
}

// The key under which a configured header is published, null if it is not configured. Header
// attributes: "http.request.header.<name in lower case>".
const HeaderKey* FindHeader(const ProtocolSet& set, std::string_view name) {
  for (const HeaderKey& key : set.header_keys())
    if (EqualsNoCase(name, key.name)) return &key;
  return nullptr;
}

// As many whole members as have room, the first ones: the newest.
std::string_view FirstMembers(std::string_view trace_state) {
  if (trace_state.size() <= kMaxTraceState) return trace_state;
  const size_t comma = trace_state.rfind(',', kMaxTraceState);
  return trace_state.substr(0, comma == std::string_view::npos ? 0 : comma);
}

}  // namespace

void RequestDescriber::Field(FieldName which, std::string_view name, std::string_view value) {
  switch (which) {
    case FieldName::kHost: host_ = value.substr(0, kMaxHost); break;
    case FieldName::kUserAgent: user_agent_ = value.substr(0, kMaxUserAgent); break;
    case FieldName::kRequestId:
      out_->request_id.clear();
      set_.redactor().Text(value.substr(0, kMaxRequestId), &out_->request_id);
      break;
    case FieldName::kTruth:
      if (set_.settings().capture_truth) out_->truth.assign(value.substr(0, kMaxRequestId));
      break;
    case FieldName::kBaggage:
      set_.redactor().Baggage(value, out_->attributes.Open("http.request.header.baggage"));
      out_->attributes.Close();
      return;
    case FieldName::kTraceContext: context_.Add(name, value); break;
    default: break;
  }
  if (const HeaderKey* key = FindHeader(set_, name)) {
    set_.redactor().HeaderValue(name, value, out_->attributes.Open(key->request_key));
    out_->attributes.Close();
  }
}

void RequestDescriber::Finish() {
  const auto verdict = context_.Finish(&out_->context, &out_->trace_state);
  if (!out_->trace_state.empty()) {
    std::string shown;
    set_.redactor().Text(FirstMembers(out_->trace_state), &shown);
    out_->trace_state = std::move(shown);
  }
  if (verdict == TraceHeaders::Verdict::kInvalid || context_.BadState())
    set_.counters().context_invalid.Add();
  const std::string_view known = SemanticMethod(line_.method);
  out_->attributes.AddFixed("http.request.method", known.empty() ? "_OTHER" : known);
  if (known.empty()) out_->attributes.Add("http.request.method_original", line_.method);
  AddUrl();
  AddServer();
  if (!user_agent_.empty()) {
    set_.redactor().Text(user_agent_, out_->attributes.Open("user_agent.original"));
    out_->attributes.Close();
  }
  out_->attributes.AddFixed("network.protocol.version", line_.minor == 0 ? "1.0" : "1.1");
}

void RequestDescriber::AddUrl() {
  const Target target = SplitTarget(line_.target);
  if (!target.authority.empty()) host_ = target.authority.substr(0, kMaxHost);
  // Semantic conventions: an unknown method must not become a part of the name.
  const std::string_view method = IsRegisteredMethod(line_.method) ? line_.method : "HTTP";
  const UrlTexts::Texts& texts =
      urls_.Of(out_->request.first.pid, method, target.path, target.query);
  out_->operation.assign(texts.name);
  if (line_.method == "CONNECT") {
    host_ = line_.target.substr(0, kMaxHost);
    return;
  }
  Attributes& attributes = out_->attributes;
  attributes.Add("url.path", texts.path);
  const bool server = out_->request_direction == Direction::kReceived;
  if (server && target.scheme == "http") {
    attributes.AddFixed("url.scheme", "http");
  } else if (server) {
    attributes.Add("url.scheme", target.scheme);
  }
  if (server || host_.empty()) {
    if (!texts.query.empty()) attributes.Add("url.query", texts.query);
    return;
  }
  std::string* full = attributes.Open("url.full");
  full->append(target.scheme).append("://");
  const size_t at = host_.rfind('@');
  set_.redactor().Text(at == std::string_view::npos ? host_ : host_.substr(at + 1), full);
  full->append(texts.path);
  if (!texts.query.empty()) full->append("?").append(texts.query);
  attributes.Close();
}

void RequestDescriber::AddServer() {
  if (host_.empty()) return;
  const ServerNames::Server& server = servers_.Of(host_);
  if (server.address_size == 0) return;
  out_->peer.assign(server.peer);
  out_->attributes.Add("server.address", server.address());
  out_->names_server = true;
  if (server.port != 0) out_->attributes.Add("server.port", int64_t{server.port});
}

void ResponseDescriber::Begin(const StartLine& line) {
  status_ = line.status;
  headers_.Clear();
}

void ResponseDescriber::Begin(const KnownHead& known) {
  status_ = known.status;
  headers_ = known.attributes;
}

void ResponseDescriber::Keep(const Framing& framing, KnownHead* known) const {
  known->framing = framing;
  known->status = status_;
  known->attributes = headers_;
}

void ResponseDescriber::Field(FieldName, std::string_view name, std::string_view value) {
  if (const HeaderKey* key = FindHeader(set_, name)) {
    set_.redactor().HeaderValue(name, value, headers_.Open(key->response_key));
    headers_.Close();
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
