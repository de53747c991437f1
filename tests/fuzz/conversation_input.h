// How fuzz inputs of the protocols are read: a sequence of operations {op, size, bytes} on one
// conversation. Shared by the targets of all protocols.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::fuzz {

// Checks what must hold for every exchange.
class CheckingSink : public ebpf::ExchangeSink {
 public:
  void OnClosed(const ebpf::Exchange& e) override {
    const auto require = [](bool condition) {
      if (!condition) std::abort();
    };
    require(e.request.begin <= e.request.end);
    require(!e.has_response || e.response.begin <= e.response.end);
    require(!e.operation.empty() && e.operation.size() < 512);
    for (const auto& item : e.attributes.items()) {
      require(!item.key.empty());
      for (char c : e.attributes.Text(item)) require(c >= 0x20 && c < 0x7f);
    }
  }
};

// The first byte says which protocols are on and whether the connection is seen from its beginning;
// then: op (bit 0 direction, bit 1 not captured, bit 2 lost, bit 3 fin), size, and size bytes.
inline void RunConversation(const uint8_t* data, size_t size, bool http1, bool redis) {
  if (size < 1) return;
  ebpf::ProtocolSettings settings;
  settings.http1 = http1;
  settings.redis = redis;
  settings.capture_truth = true;
  settings.redis_arguments = (data[0] & 2) != 0;
  settings.headers = {"x-tenant", "cookie"};
  settings.head_bytes = 2048;
  settings.max_open = 16;
  Metrics metrics;
  const ebpf::ProtocolSet set(settings, metrics);
  CheckingSink sink;
  ebpf::Conversation conversation(set, sink, (data[0] & 1) != 0);
  uint64_t position[2] = {100, 200};
  ebpf::Mark mark{.time_ns = 0, .pid = 1, .tid = 1, .fd = 3};
  for (size_t i = 1; i + 2 <= size;) {
    const uint8_t op = data[i];
    const size_t n = std::min<size_t>(data[i + 1], size - i - 2);
    const auto direction = static_cast<ebpf::Direction>(op & 1);
    uint64_t& at = position[op & 1];
    i += 2;
    mark.time_ns += (op & 0x80) != 0 ? 200'000'000 : 1'000'000;
    if ((op & 4) != 0) at += op >> 4;
    // A copy of exactly that size, so that reading past it is found.
    const std::vector<char> bytes(data + i, data + i + n);
    const uint64_t missing = (op & 2) != 0 ? uint64_t{op} >> 3 : 0;
    conversation.Feed(direction, {at, {bytes.data(), n}, n + missing, mark});
    at += n + missing;
    i += n;
    if ((op & 8) != 0 && (op & 6) == 0) conversation.EndDirection(direction, mark);
    if (conversation.OldestStartNs() < 0) std::abort();
    for (size_t k = 0; k < conversation.open_count(); ++k)
      if (conversation.open(k).operation.empty()) std::abort();
  }
  conversation.End(mark);
  if (conversation.open_count() != 0) std::abort();
}

}  // namespace weft::fuzz
