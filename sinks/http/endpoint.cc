#include "sinks/http/endpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>
#include <simdjson.h>

namespace weft::sinks {
namespace {

std::unexpected<Error> Wrong(std::string_view text, std::string_view what) {
  return Fail(Code::kInvalid,
              fmt::format("endpoint '{:.200}': {}; expected [http://|https://]HOST[:PORT][/PATH]",
                          text, what));
}

// What a header may be made of (RFC 9110, 5.6.2); values without line breaks.
bool IsHeaderName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool IsHeaderValue(std::string_view value) {
  return std::ranges::all_of(
      value, [](char c) { return c == '\t' || (static_cast<uint8_t>(c) >= 0x20 && c != 0x7f); });
}

}  // namespace

Result<Endpoint> Endpoint::Parse(std::string_view text, uint16_t port) {
  Endpoint out;
  out.port = port;
  std::string_view rest = text;
  if (const size_t scheme = rest.find("://"); scheme != rest.npos) {
    const std::string_view word = rest.substr(0, scheme);
    if (word != "http" && word != "https")
      return Wrong(text, "the scheme is neither http nor https");
    out.tls = word == "https";
    rest.remove_prefix(scheme + 3);
  }
  if (const size_t slash = rest.find('/'); slash != rest.npos) {
    out.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (rest.find_first_of("@?# ") != rest.npos)
    return Wrong(text, "a name, a password or a query has no place here (use headers)");
  std::string_view digits;
  if (rest.starts_with('[')) {
    const size_t close = rest.find(']');
    if (close == rest.npos) return Wrong(text, "'[' without ']'");
    out.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest[0] != ':') return Wrong(text, "expected ':' after ']'");
    digits = rest.empty() ? rest : rest.substr(1);
  } else {
    const size_t colon = rest.rfind(':');
    out.host = rest.substr(0, colon);
    if (colon != rest.npos) digits = rest.substr(colon + 1);
    if (colon != rest.npos && digits.empty()) return Wrong(text, "no port after ':'");
    if (out.host.find(':') != out.host.npos) return Wrong(text, "an IPv6 address needs brackets");
  }
  if (out.host.empty()) return Wrong(text, "no host");
  if (!digits.empty()) {
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size() || out.port == 0)
      return Wrong(text, "the port is no number from 1 to 65535");
  }
  return out;
}

std::string Endpoint::Authority() const {
  return host.find(':') != host.npos ? fmt::format("[{}]:{}", host, port)
                                     : fmt::format("{}:{}", host, port);
}

bool Endpoint::OnThisHost() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<std::string> FillFromEnvironment(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = std::min(text.find("${", at), text.size());
    out.append(text.substr(at, begin - at));
    if (begin == text.size()) break;
    const size_t end = text.find('}', begin);
    if (end == text.npos) return Fail(Code::kInvalid, "'${' without '}'");
    const std::string name(text.substr(begin + 2, end - begin - 2));
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr)
      return Fail(Code::kInvalid, fmt::format("the environment variable {:.80} is not set", name));
    out.append(value);
    at = end + 1;
  }
  return out;
}

Result<Headers> ParseHeaders(std::string_view json) {
  Headers out;
  if (json.empty()) return out;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS)
    return Fail(Code::kInvalid, "headers: expected a mapping of names to texts");
  for (const auto& [name, value] : object) {
    std::string_view text;
    if (!IsHeaderName(name) || value.get(text) != simdjson::SUCCESS)
      return Fail(Code::kInvalid,
                  fmt::format("headers: '{:.80}' is not the name of a header with a text", name));
    auto filled = FillFromEnvironment(text);
    if (!filled) return Context(std::move(filled.error()), fmt::format("headers: {}", name));
    if (!IsHeaderValue(*filled))
      return Fail(Code::kInvalid, fmt::format("headers: {}: has a control character", name));
    out.emplace(name, std::move(*filled));
  }
  return out;
}

}  // namespace weft::sinks
