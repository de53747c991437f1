#include "engine/transport/transport.h"

namespace weft::transport {

std::string_view StreamName(Stream stream) {
  switch (stream) {
    case Stream::kEvents: return "weft.events";
    case Stream::kLinks: return "weft.links";
    case Stream::kSpans: return "weft.spans";
    case Stream::kLabels: return "weft.labels";
    case Stream::kDecisions: return "weft.decisions";
    case Stream::kState: return "weft.state";
    case Stream::kDead: return "weft.dead";
  }
  return "unknown";
}

}  // namespace weft::transport
