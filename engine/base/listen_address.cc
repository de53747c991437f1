#include "engine/base/listen_address.h"

#include <charconv>

#include <fmt/format.h>

namespace weft {

Result<ListenAddress> ListenAddress::Parse(std::string_view text) {
  const auto wrong = [text] {
    return Fail(
        Code::kInvalid,
        fmt::format("'{:.80}' is not an address such as 127.0.0.1:9338, [::1]:9338 or :9338 "
                    "(all addresses)",
                    text));
  };
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return wrong();
  ListenAddress out;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (error != std::errc() || rest != end) return wrong();
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find_first_of(":[] /") != host.npos)
    return wrong();
  out.host = host.empty() ? "0.0.0.0" : host;
  return out;
}

std::string ListenAddress::Text() const {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                     : fmt::format("[{}]:{}", host, port);
}

}  // namespace weft
