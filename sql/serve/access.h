// Access: who may ask, decided before anything is read.
//
// Without a token only a browser or program on this host can connect (the caller listens on
// loopback), but a page of a stranger in that browser could ask in its user's name: by a host name
// that resolves to 127.0.0.1 (DNS rebinding), so the Host header must name this host by address, as
// localhost, or by a name that was configured; or by plain cross-site requests, whose origin a
// browser tells in Sec-Fetch-Site. With a token each request carries it as `Authorization: Bearer`,
// or in a cookie that opening the page with ?token= sets. Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/listen_address.h"
#include "engine/base/result.h"
#include "sql/serve/request.h"

namespace weft::serve {

inline constexpr size_t kShortestToken = 16;

// kInvalid with the reason: too short, or with characters that no header may have.
Result<void> CheckToken(std::string_view token);
// Whether only this host can reach what listens there.
bool IsLoopback(const ListenAddress& address);

class Access {
 public:
  struct Options {
    std::string token;               // "": none
    std::vector<std::string> names;  // by which this host may be called as well
  };
  explicit Access(Options options) : options_(std::move(options)) {}

  // What to answer instead; nothing where the request may go on. `port` is the server's: browsers
  // send a cookie to every port of a host, so its name has it.
  std::optional<Reply> Refuse(const Request& request, uint16_t port) const;

 private:
  bool NamesThisHost(std::string_view host) const;
  bool HasToken(const Request& request, uint16_t port) const;

  Options options_;
};

}  // namespace weft::serve
