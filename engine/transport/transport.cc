#include "engine/transport/transport.h"

#include <cstring>

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

PayloadPtr CopyPayload(std::string_view bytes) {
  auto payload = std::make_shared<Payload>(bytes.size());
  std::memcpy(payload->data(), bytes.data(), bytes.size());
  return payload;
}

}  // namespace weft::transport
