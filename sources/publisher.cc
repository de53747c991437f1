#include "sources/publisher.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>

#include "engine/api/codec.h"
#include "engine/base/hash.h"

namespace weft::sources {

namespace {

uint32_t FirstPartition(std::string_view host_id, uint32_t partitions) {
  return PartitionOf(HashText(host_id), partitions);
}

uint32_t ShardPartition(uint32_t first, uint64_t process_id, uint32_t partitions) {
  return static_cast<uint32_t>((first + Mix64(process_id) % kShardsPerHost) % partitions);
}

}  // namespace

uint32_t EventPartition(std::string_view host_id, uint64_t process_id, uint32_t partitions) {
  return ShardPartition(FirstPartition(host_id, partitions), process_id, partitions);
}

Publisher::Publisher(AgentIdentity identity, Options options, transport::Publisher& transport,
                     const Clock& clock, Metrics& metrics)
    : identity_(std::move(identity)),
      first_partition_(FirstPartition(identity_.host_id, transport.partitions())),
      options_(options),
      transport_(transport),
      clock_(clock),
      observed_(metrics.Get("agent.observed")),
      batches_(metrics.Get("agent.batches")),
      batches_dropped_(metrics.Get("agent.batches_dropped")),
      announced_(metrics.Get("agent.announced")),
      receipt_(std::make_shared<PublishReceipt>(metrics)) {
  shards_.reserve(kShardsPerHost);
}

Publisher::Shard& Publisher::ShardOf(uint64_t process_id) {
  const uint32_t partition = ShardPartition(first_partition_, process_id, transport_.partitions());
  for (Shard& shard : shards_)
    if (shard.partition == partition) return shard;
  Shard& shard = shards_.emplace_back();
  shard.partition = partition;
  shard.sealed_ns = clock_.MonotonicNs();
  return shard;
}

api::SpanTable& Publisher::AddRow(const ProcessRecord& process) {
  Shard& shard = ShardOf(process.id);
  api::SpanTable& table = shard.table;
  if (shard.last_row == WEFT_NONE || shard.last_process != process.id) {
    const auto [known, added] = shard.process_rows.Insert(process.id);
    if (added) {
      *known = table.AddProcess(process.id, identity_.host_name, process.service_name,
                                process.executable, process.pid);
      for (const auto& [key, value] : process.attributes) table.ProcessAttribute(key, value);
    }
    shard.last_process = process.id;
    shard.last_row = *known;
  }
  const uint32_t row = table.AddRow();
  table.process[row] = shard.last_row;
  table.service[row] = table.processes.service[shard.last_row];
  return table;
}

void Publisher::Seal(Shard* shard, int64_t now, int64_t watermark_ns, bool last) {
  uint32_t closed = 0;
  for (const uint32_t flags : shard->table.flags) closed += (flags & WEFT_FLAG_OPEN) == 0;
  api::EventHeader header;
  header.host_id = identity_.host_id;
  header.host_name = identity_.host_name;
  header.agent_id = identity_.agent_id;
  header.boot_id = identity_.boot_id;
  header.sequence = ++shard->sequence;
  header.now_ns = now;
  header.watermark_ns = last ? std::numeric_limits<int64_t>::max() : watermark_ns;
  header.unix_offset_ns = UnixOffset();
  header.last = last;
  header.observed_before = shard->observed;
  shard->observed += closed;
  header.addresses = addresses_;
  if (shard->table.empty() || last) header.ledger = ledger_;

  transport::OutRecord record;
  record.stream = transport::Stream::kEvents;
  record.partition = shard->partition;
  record.type = transport::RecordType::kEventBatch;
  record.key = identity_.agent_id;
  record.payload = api::EncodeEvents(header, shard->table);
  record.observations = closed;
  record.ticket = closed;
  record.receipt = receipt_;
  observed_.Add(closed);
  receipt_->Seal(closed);
  announced_.Add(shard->table.n() - closed);
  batches_.Add();
  queued_bytes_ += record.payload->bytes().size();
  queue_.push_back(std::move(record));

  shard->written = true;
  shard->sealed_ns = now;
  shard->table.Clear();
  shard->process_rows.Clear();
  shard->last_row = WEFT_NONE;
}

// One offset for all batches until somebody sets the clock: both clocks are slewed alike, and what
// passes between reading one and the other would else shift a batch's spans against another's.
int64_t Publisher::UnixOffset() {
  constexpr int64_t kStepNs = kMillisecond;
  int64_t best = 0, narrowest = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < 3; ++i) {
    const int64_t before = clock_.MonotonicNs();
    const int64_t unix_now = clock_.UnixNs();
    const int64_t width = clock_.MonotonicNs() - before;
    if (width >= narrowest) continue;
    narrowest = width;
    best = unix_now - before - width / 2;
  }
  if (!unix_offset_ns_ || std::abs(best - *unix_offset_ns_) > std::max(kStepNs, narrowest))
    unix_offset_ns_ = best;
  return *unix_offset_ns_;
}

void Publisher::DropOldest() {
  const transport::OutRecord& oldest = queue_.front();
  oldest.Settle(false);
  batches_dropped_.Add();
  queued_bytes_ -= oldest.payload->bytes().size();
  queue_.pop_front();
}

bool Publisher::Offer(int64_t deadline_ns) {
  while (!queue_.empty()) {
    const size_t bytes = queue_.front().payload->bytes().size();
    if (!transport_.Publish(queue_.front(), deadline_ns).has_value()) return false;
    queued_bytes_ -= bytes;
    queue_.pop_front();
  }
  return true;
}

void Publisher::Tick(int64_t watermark_ns) {
  const int64_t now = clock_.MonotonicNs();
  for (Shard& shard : shards_) {
    const int64_t age = now - shard.sealed_ns;
    const bool due = shard.table.empty()
                         ? shard.written && age >= options_.heartbeat_ns
                         : age >= options_.interval_ns || shard.table.n() >= options_.max_rows;
    if (due) Seal(&shard, now, watermark_ns, false);
  }
  if (queue_.empty()) return;
  Offer(transport_.LogTimeNs());
  while (queued_bytes_ > AllowedNow(options_.share, options_.queue_bytes)) DropOldest();
}

Result<void> Publisher::Finish() {
  const int64_t now = clock_.MonotonicNs();
  for (Shard& shard : shards_)
    if (shard.written || !shard.table.empty()) Seal(&shard, now, 0, true);
  if (Offer(transport_.LogTimeNs() + options_.finish_wait_ns)) return {};
  const size_t left = queue_.size();
  while (!queue_.empty()) DropOldest();
  return Fail(Code::kFull, "the transport did not take the last " + std::to_string(left) +
                               " batches in time; their observations are counted as dropped");
}

}  // namespace weft::sources
