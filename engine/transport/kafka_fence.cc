#include "engine/transport/kafka_fence.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace weft::transport {
namespace {

constexpr std::string_view kGeneration = "weft generation ", kOf = " of ", kLinks = " links ",
                           kDead = " dead";
constexpr int kAskMs = 2'000;
constexpr int kFenceMs = 5'000;

}  // namespace

std::string OffsetMetadata(uint64_t generation, std::string_view transactional_id,
                           int64_t links_from_ns, const DeadEnds& dead) {
  std::string text = fmt::format("{}{}", kGeneration, generation);
  if (links_from_ns != INT64_MAX) text += fmt::format("{}{}", kLinks, links_from_ns);
  if (!dead.empty()) text += kDead;
  for (const auto& [stream, one] : dead)
    text += fmt::format(" {}:{}:{}", static_cast<int>(stream), one.end, one.append_ns);
  return text + fmt::format("{}{}", kOf, transactional_id);
}

int64_t StoredLinksFrom(std::string_view metadata) {
  int64_t from_ns = INT64_MAX;
  if (!metadata.starts_with(kGeneration)) return from_ns;
  const size_t at = metadata.find_first_not_of("0123456789", kGeneration.size());
  if (at == metadata.npos || !metadata.substr(at).starts_with(kLinks)) return from_ns;
  std::from_chars(metadata.data() + at + kLinks.size(), metadata.data() + metadata.size(), from_ns);
  return from_ns;
}

DeadEnds StoredDead(std::string_view metadata) {
  DeadEnds dead;
  if (!metadata.starts_with(kGeneration)) return dead;
  metadata = metadata.substr(0, metadata.find(kOf));
  const size_t at = metadata.find(kDead);
  if (at == metadata.npos) return dead;
  const char* next = metadata.data() + at + kDead.size();
  const char* const end = metadata.data() + metadata.size();
  const auto number = [&](char before, auto* out) {
    if (next == end || *next != before) return false;
    const auto read = std::from_chars(next + 1, end, *out);
    next = read.ptr;
    return read.ec == std::errc();
  };
  int stream = 0;
  for (DeadEnd one; number(' ', &stream) && number(':', &one.end) && number(':', &one.append_ns);)
    if (stream >= 0 && stream < kStreams) dead[static_cast<Stream>(stream)] = one;
  return dead;
}

uint64_t StoredGeneration(std::string_view metadata) {
  uint64_t generation = 0;
  if (metadata.starts_with(kGeneration))
    std::from_chars(metadata.data() + kGeneration.size(), metadata.data() + metadata.size(),
                    generation);
  return generation;
}

std::string_view StoredOwner(std::string_view metadata) {
  if (!metadata.starts_with(kGeneration)) return {};
  const size_t at = metadata.find(kOf);
  return at == metadata.npos ? std::string_view{} : metadata.substr(at + kOf.size());
}

KafkaFence::KafkaFence(KafkaContext& context, Stage stage, std::string transactional_id)
    : context_(context),
      stage_(stage),
      own_(std::move(transactional_id)),
      fenced_(
          context.metrics.Get(fmt::format("kafka.owners_fenced{{stage={}}}", StageName(stage)))) {}

void KafkaFence::EndLastOwner(uint32_t partition) {
  const std::lock_guard lock(mutex_);
  const std::string where = context_.Name(InputOf(stage_), partition);
  const auto owner = LastOwner(partition);
  Result<void> fenced = owner ? Result<void>() : std::unexpected(owner.error());
  if (owner) {
    // Only of this group and stage: whoever writes there could have any id fenced.
    const bool ours = owner->starts_with(
        fmt::format("{}-{}-", context_.options.settings.group, StageName(stage_)));
    if (!ours || *owner == own_ || done_.contains(*owner)) return;
    fenced = Fence(*owner);
  }
  if (!fenced) {
    context_.log.Write(
        LogLevel::kWarn, "fence",
        fmt::format("{}: an open transaction is waited for: {}", where, fenced.error().message));
    return;
  }
  done_.insert(*owner);
  fenced_.Add();
  context_.log.Write(LogLevel::kWarn, "fence",
                     fmt::format("{}: what {} had left open was ended", where, *owner));
}

// As of the last transaction that ended.
Result<std::string> KafkaFence::LastOwner(uint32_t partition) const {
  const std::string group =
      fmt::format("{}-{}", context_.options.settings.group, StageName(stage_));
  auto client = KafkaClient::Open("fence", RD_KAFKA_CONSUMER, {}, context_.properties,
                                  {{"group.id", group},
                                   {"isolation.level", "read_uncommitted"},
                                   {"enable.auto.commit", "false"}},
                                  {}, context_.log);
  if (!client) return std::unexpected(std::move(client.error()));
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  auto* one = rd_kafka_topic_partition_list_add(list.get(), context_.Topic(InputOf(stage_)).c_str(),
                                                static_cast<int32_t>(partition));
  auto err = rd_kafka_committed((*client)->get(), list.get(), kAskMs);
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) err = one->err;
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(KafkaFailure("its last committed offset", err));
  if (one->metadata == nullptr) return std::string();
  return std::string(StoredOwner({static_cast<const char*>(one->metadata), one->metadata_size}));
}

Result<void> KafkaFence::Fence(const std::string& transactional_id) const {
  auto client = KafkaClient::Open(
      "fence", RD_KAFKA_PRODUCER, {}, context_.properties,
      {{"transactional.id", transactional_id}, {"enable.idempotence", "true"}}, {}, context_.log);
  if (!client) return std::unexpected(std::move(client.error()));
  if (rd_kafka_error_t* error = rd_kafka_init_transactions((*client)->get(), kFenceMs)) {
    const KafkaError owned(error);
    return std::unexpected(KafkaFailure("transactional id " + transactional_id,
                                        rd_kafka_error_code(error), rd_kafka_error_string(error)));
  }
  return {};
}

}  // namespace weft::transport
