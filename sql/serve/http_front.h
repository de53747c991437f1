// HttpFront: takes requests off a port and gives them to a handler, a few at a time.
//
// One request a connection: a request must be here within ten seconds, and be gone within sixty,
// however slowly the other end reads or writes; who comes when too many wait is told to come again.
// The handler is called on the front's threads. The destructor ends it. Only its source knows the
// HTTP library.
#pragma once

#include <functional>
#include <memory>

#include "engine/base/listen_address.h"
#include "engine/base/result.h"
#include "sql/serve/request.h"

namespace weft::serve {

class HttpFront {
 public:
  // With the port that it listens on.
  using Handler = std::function<Reply(const Request&, uint16_t port)>;

  // kIo where the address cannot be had.
  static Result<std::unique_ptr<HttpFront>> Start(const ListenAddress& address, Handler handler);
  ~HttpFront();

  // As bound: with the port that port 0 became.
  const ListenAddress& address() const;

 private:
  class Impl;
  explicit HttpFront(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::serve
