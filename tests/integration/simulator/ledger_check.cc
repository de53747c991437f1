#include "tests/integration/simulator/ledger_check.h"

#include <fmt/format.h>

#include "engine/api/ledger_record.h"

namespace weft::sim {

std::string CheckLedger(const World& world, const transport::MemoryTransport& transport) {
  uint64_t sent = 0;
  for (const Seal& seal : world.script)
    for (const Observation& o : seal.rows) sent += !o.open;
  uint64_t sealed = 0, received = 0, emitted = 0, settled = 0;
  for (uint32_t p = 0; p < transport.partitions(); ++p) {
    for (const transport::Record& record : transport.Held(transport::Stream::kState, p)) {
      if (record.type != transport::RecordType::kStageLedger) continue;
      const auto ledger = api::DecodeStageLedger(record.payload);
      if (!ledger) return "a ledger cannot be read";
      if (ledger->stage == 2) {
        for (const auto& [name, count] : ledger->counts) settled += count;
        continue;
      }
      const uint64_t in = ledger->Count("received") + ledger->Count("forced");
      const uint64_t out = ledger->Count("emitted") + ledger->Count("duplicates");
      if (in != out)
        return fmt::format("partition {}: received {} + forced {} != emitted {} + duplicates {}", p,
                           ledger->Count("received"), ledger->Count("forced"),
                           ledger->Count("emitted"), ledger->Count("duplicates"));
      received += ledger->Count("received");
      emitted += ledger->Count("emitted");
      sealed += ledger->Count("gone_sealed");
      for (const api::AgentTally& agent : ledger->agents) sealed += agent.sealed;
    }
  }
  if (sealed != sent) return fmt::format("sent {}, but agents sealed {}", sent, sealed);
  if (received != sent) return fmt::format("sent {}, but received {}", sent, received);
  if (settled != emitted) return fmt::format("emitted {}, but settled {}", emitted, settled);
  return "";
}

}  // namespace weft::sim
