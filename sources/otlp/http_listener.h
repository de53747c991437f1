// HttpListener: OTLP and Zipkin spans by HTTP, for programs that report themselves.
//
// POST /v1/traces (application/x-protobuf, application/json) and POST /api/v2/spans (JSON), each
// where it is asked for; gzip or plain. Answers as the specifications say: 400 what cannot be read,
// 404, 405, 413 what is too large (uncompressed), 415 a type or encoding that is not known, 429
// with Retry-After while the pipeline is full, 503 with it while it is ended. Bounded in
// connections that are served at one time and that wait for their next request, bytes of a request,
// and the time until it is here. A pool of threads; the destructor waits for requests that are
// being answered, and a second for those that are still coming.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/base/listen_address.h"
#include "engine/base/log.h"
#include "engine/base/result.h"
#include "sources/otlp/reception.h"

namespace weft::otlp {

class HttpListener {
 public:
  struct Options {
    ListenAddress address;
    bool otlp = false;
    bool zipkin = false;
    uint64_t max_bytes = 16'000'000;
  };
  // kIo where the address cannot be had. The reception and the log outlive it.
  static Result<std::unique_ptr<HttpListener>> Start(const Options& options, Reception& reception,
                                                     Logger& log);
  ~HttpListener();

  const ListenAddress& address() const;  // with the port that port 0 became

 private:
  class Impl;
  explicit HttpListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::otlp
