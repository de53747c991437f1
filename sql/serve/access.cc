#include "sql/serve/access.h"

#include <algorithm>

#include <arpa/inet.h>

#include <fmt/format.h>

#include "sql/serve/json_out.h"

namespace weft::serve {
namespace {

constexpr std::string_view kLogin =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>weft</title>"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<link rel=\"stylesheet\" href=\"/login.css\"><main><h1>weft</h1>"
    "<form><label>Token <input name=\"token\" type=\"password\" autofocus></label>"
    "<button>Open</button></form></main></html>\n";

// Takes the same time whatever differs where.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() != b.size();
  for (size_t i = 0; i < a.size(); ++i)
    difference |=
        static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                              static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]));
  return difference == 0;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  });
  return out;
}

// "[::1]:80" -> "::1", "weft.local:80" -> "weft.local"; "" for what is no host with or without a
// port.
std::string HostOf(std::string_view header) {
  const bool bracket = header.starts_with('[');
  const size_t end = bracket ? header.find(']') : std::min(header.find(':'), header.size());
  if (end == header.npos) return {};
  const std::string_view rest = header.substr(bracket ? end + 1 : end);
  if (!rest.empty() && (rest[0] != ':' || rest.find_first_not_of("0123456789", 1) != rest.npos))
    return {};
  return Lower(bracket ? header.substr(1, end - 1) : header.substr(0, end));
}

bool IsAddress(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  return ::inet_pton(AF_INET, host.c_str(), &v4) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

std::string CookieName(uint16_t port) { return fmt::format("weft_{}", port); }

std::string_view CookieOf(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const size_t end = header.find(';');
    std::string_view one = header.substr(0, end);
    header = end == header.npos ? std::string_view() : header.substr(end + 1);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(name) && one.size() > name.size() && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  }
  return {};
}

// The same page without the token in its address.
std::string WithoutToken(const Target& target) {
  std::string url;
  for (const std::string& segment : target.segments) url += "/" + EncodeUrl(segment);
  if (url.empty()) url = "/";
  char separator = '?';
  for (const auto& [key, value] : target.parameters) {
    if (key == "token") continue;
    url += fmt::format("{}{}={}", separator, EncodeUrl(key), EncodeUrl(value));
    separator = '&';
  }
  return url;
}

bool IsApi(const Request& request) {
  return !request.target.segments.empty() && request.target.segments.front() == "api";
}

Reply Refusal(const Request& request, int status, const std::string& why) {
  Reply reply;
  reply.status = status;
  if (IsApi(request)) {
    JsonOut json;
    json.Object().Field("data", nullptr).Key("errors").Array().Object();
    json.Field("code", status).Field("msg", why).End().End().End();
    reply.body = std::move(json).Take();
  } else {
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = why + "\n";
  }
  return reply;
}

}  // namespace

Result<void> CheckToken(std::string_view token) {
  if (token.size() < kShortestToken)
    return Fail(Code::kInvalid,
                fmt::format("the token has {} characters, and needs at least {}; `openssl rand "
                            "-hex 16` makes one",
                            token.size(), kShortestToken));
  const bool plain = std::ranges::all_of(token, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
  if (!plain)
    return Fail(Code::kInvalid,
                "the token may have letters, digits and -._~+/= only; `openssl "
                "rand -hex 16` makes one");
  return {};
}

bool IsLoopback(const ListenAddress& address) {
  in_addr v4{};
  in6_addr v6{};
  if (address.host == "localhost") return true;
  if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return ::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool Access::NamesThisHost(std::string_view header) const {
  const std::string host = HostOf(header);
  return host == "localhost" || host.ends_with(".localhost") || IsAddress(host) ||
         std::ranges::any_of(options_.names,
                             [&](const std::string& name) { return Lower(name) == host; });
}

bool Access::HasToken(const Request& request, uint16_t port) const {
  static constexpr std::string_view kBearer = "bearer ";
  const std::string_view given = request.authorization;
  if (Lower(given.substr(0, kBearer.size())) == kBearer &&
      SameSecret(given.substr(kBearer.size()), options_.token))
    return true;
  return SameSecret(CookieOf(request.cookie, CookieName(port)), options_.token);
}

std::optional<Reply> Access::Refuse(const Request& request, uint16_t port) const {
  if (request.method == "GET" && IsApi(request) == false && !options_.token.empty() &&
      SameSecret(request.target.Get("token"), options_.token)) {
    Reply reply;
    reply.status = 303;
    reply.content_type = "text/plain; charset=utf-8";
    reply.headers = {
        {"Location", WithoutToken(request.target)},
        {"Set-Cookie", fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000",
                                   CookieName(port), options_.token)}};
    return reply;
  }
  if (options_.token.empty() && !NamesThisHost(request.host))
    return Refusal(request, 403,
                   fmt::format("this server is not called '{}': ask by address or as localhost, or "
                               "name it with --host",
                               request.host));
  if (IsApi(request) && (request.fetch_site == "cross-site" || request.fetch_site == "same-site"))
    return Refusal(request, 403, "a page of another site may not ask here");
  if (options_.token.empty() || HasToken(request, port)) return std::nullopt;
  if (request.target.Path() == "/login.css") return std::nullopt;
  Reply reply = Refusal(request, 401,
                        "a token is needed: `Authorization: Bearer TOKEN`, or open the page with "
                        "?token=TOKEN");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!IsApi(request)) {
    reply.content_type = "text/html; charset=utf-8";
    reply.body = kLogin;
  }
  return reply;
}

}  // namespace weft::serve
