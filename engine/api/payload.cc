#include "engine/api/payload.h"

namespace weft::api {

PayloadPtr CopyPayload(std::string_view bytes) {
  auto payload = std::make_shared<Payload>(Payload::Unwritten{}, bytes.size());
  if (!bytes.empty()) std::memcpy(payload->data(), bytes.data(), bytes.size());
  return payload;
}

}  // namespace weft::api
