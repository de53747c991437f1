// HttpFront: takes requests off a port and gives them to a handler, a few at a time.
//
// One request a connection: a request, with 64 KB of body at most and that neither packed nor of
// several parts, must be here within ten seconds, and be gone within sixty,
// however slowly the other end reads or writes; who comes when too many wait is told to come again.
// The handler is called on the front's threads. The destructor ends it. Only its source knows the
// HTTP library.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/base/listen_address.h"
#include "engine/base/log.h"
#include "engine/base/result.h"
#include "sql/serve/request.h"

namespace weft::serve {

class HttpFront {
 public:
  // With the port that it listens on.
  using Handler = std::function<Reply(const Request&, uint16_t port)>;
  // Asked before the body is read: what to answer instead, or nothing.
  using Gate = std::function<std::optional<Reply>(const Request&, uint16_t port)>;

  // kIo where the address cannot be had. The log outlives it.
  static Result<std::unique_ptr<HttpFront>> Start(const ListenAddress& address, Gate gate,
                                                  Handler handler, Logger& log);
  ~HttpFront();

  // As bound: with the port that port 0 became.
  const ListenAddress& address() const;

 private:
  class Impl;
  explicit HttpFront(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::serve
