// Delivery: what became of one message that was sent to a backend, in the words of the exporter's
// contract, and what the backend said besides. A value; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/api/plugin_abi.h"

namespace weft::sinks {

struct Delivery {
  weft_outcome outcome = WEFT_EXPORT_OK;
  std::string why = {};        // of anything but OK; of OK: what the receiver remarked
  int64_t retry_after_ns = 0;  // of RETRY: the pause that it asks for; 0: none
  uint64_t refused = 0;        // of OK: so many spans of the message it did not take, for good

  static Delivery Retry(std::string why, int64_t after_ns = 0) {
    return {WEFT_EXPORT_RETRY, std::move(why), after_ns, 0};
  }
  static Delivery Drop(std::string why) { return {WEFT_EXPORT_DROP, std::move(why), 0, 0}; }
};

}  // namespace weft::sinks
