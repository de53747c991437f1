// TopEndpoint: one process that `weft top` looks at: asks it, remembers the reading before, and
// knows since when it does not answer.
//
// An endpoint that goes away, comes back or is restarted is an ordinary state, not an error. One
// thread at a time; the fetch function, which may block, is called by Look alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/cli/top_figures.h"
#include "engine/telemetry/http_server.h"

namespace weft::cli {

// What the screen shows of it.
struct TopView {
  std::string address;
  bool looked = false;
  std::string trouble;  // "": it answers
  int64_t trouble_ns = 0;
  std::string waits_for;  // what /readyz says; "": ready
  int64_t up_ns = 0;
  TopFigures figures;  // of the last answer; none while there is trouble
};

class TopEndpoint {
 public:
  using Fetch = std::function<Result<telemetry::HttpResponse>(std::string_view path)>;
  TopEndpoint(std::string address, Fetch fetch);

  // "127.0.0.1:9338", ":9338" (this host), "http://[::1]:9338/metrics". kInvalid: what is right.
  static Result<ListenAddress> ParseAddress(std::string_view text);

  // The clock's time before asking.
  TopView Look(int64_t monotonic_ns, int64_t unix_ns);

 private:
  // Empty: well.
  std::string Ask(int64_t monotonic_ns, TopView* view);

  std::string address_;
  Fetch fetch_;
  std::optional<telemetry::MetricsReading> before_;
  int64_t before_ns_ = 0;
  std::optional<int64_t> trouble_since_ns_;
};

}  // namespace weft::cli
