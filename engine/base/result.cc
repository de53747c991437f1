#include "engine/base/result.h"

namespace weft {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not found";
    case Code::kUnsupported: return "unsupported";
    case Code::kDenied: return "denied";
    case Code::kIo: return "i/o";
    case Code::kCorrupt: return "corrupt";
    case Code::kFull: return "full";
    case Code::kCancelled: return "cancelled";
    case Code::kFenced: return "fenced";
    case Code::kInternal: return "internal";
  }
  return "unknown";
}

}  // namespace weft
