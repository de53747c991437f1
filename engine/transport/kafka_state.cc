// KafkaTransport::VisitState: weft.state as it stands, for tools that own nothing.
#include <map>

#include <fmt/format.h>

#include "engine/transport/kafka_reader.h"
#include "engine/transport/kafka_transport.h"
#include "engine/transport/kafka_watch.h"

namespace weft::transport {
namespace {

constexpr size_t kBytes = size_t{4} << 20;
constexpr int64_t kPatience = 15 * kSecond;  // without any progress
constexpr int64_t kSlice = 20 * kMillisecond;

}  // namespace

Result<void> KafkaTransport::VisitState(const std::function<void(const Record&)>& visit) {
  auto reader = KafkaReader::Open(*context_, Stage::kTrace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  for (uint32_t p = 0; p < context_->partitions; ++p) {
    auto begin = watch_->Earliest(Stream::kState, p);
    if (!begin) return std::unexpected(std::move(begin.error()));
    auto end = watch_->End(Stream::kState, p);
    if (!end) return std::unexpected(std::move(end.error()));
    ReadSignal readable;
    auto partition = (*reader)->Start(Stream::kState, p, *begin, &readable);
    if (!partition) return std::unexpected(std::move(partition.error()));
    std::map<uint64_t, Record> newest;
    std::vector<Record> records;
    std::vector<Unreadable> unreadable;
    int64_t deadline = context_->clock.MonotonicNs() + kPatience;
    while ((*partition)->position() < *end) {
      records.clear();
      const uint64_t before = (*partition)->position();
      WEFT_TRY((*partition)->Read(kBytes, &records, &unreadable));
      for (Record& record : records) newest[record.key] = std::move(record);
      const int64_t now = context_->clock.MonotonicNs();
      if ((*partition)->position() != before) {
        deadline = now + kPatience;
        continue;
      }
      if (now >= deadline)
        return Fail(Code::kIo,
                    fmt::format("{}: reading stands at offset {} of {}",
                                context_->Name(Stream::kState, p), (*partition)->position(), *end));
      readable.WaitFor(kSlice);
    }
    for (const auto& [key, record] : newest)
      if (record.payload != nullptr) visit(record);
  }
  return {};
}

}  // namespace weft::transport
