#include "sources/ebpf/protocols/http1/server_names.h"

#include "engine/base/ascii.h"
#include "sources/ebpf/quick_hash.h"

namespace weft::ebpf::http1 {

const ServerNames::Server& ServerNames::Of(std::string_view text) {
  Slot& slot = slots_[QuickHash(text) % kSlots];
  if (!SameText(slot.text, text)) {
    slot.text.assign(text);
    Read(text, &slot.server);
  }
  return slot.server;
}

void ServerNames::Read(std::string_view text, Server* server) const {
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
  const size_t bracket = text.rfind(']');
  const size_t colon = text.rfind(':');
  std::string_view host = text;
  uint64_t port = 0;
  if (colon != std::string_view::npos &&
      (bracket == std::string_view::npos ? text.find(':') == colon : colon > bracket)) {
    host = text.substr(0, colon);
    port = ParseDecimal(text.substr(colon + 1)).value_or(0);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  server->port = port <= 65535 ? static_cast<uint16_t>(port) : 0;
  server->peer.clear();
  redactor_.Text(host, &server->peer);
  server->address_size = server->peer.size();
  if (server->port != 0 && !host.empty())
    server->peer.append(":").append(std::to_string(server->port));
}

}  // namespace weft::ebpf::http1
