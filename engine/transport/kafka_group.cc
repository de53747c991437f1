#include "engine/transport/kafka_group.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace weft::transport {
namespace {

constexpr int kPollMs = 50;

PartitionList Copy(const rd_kafka_topic_partition_list_t& list) {
  return PartitionList(rd_kafka_topic_partition_list_copy(&list));
}

template <typename Visit>
void ForEach(const rd_kafka_topic_partition_list_t& list, Visit visit) {
  for (int i = 0; i < list.cnt; ++i) visit(static_cast<uint32_t>(list.elems[i].partition));
}

}  // namespace

Result<std::unique_ptr<KafkaGroup>> KafkaGroup::Join(KafkaContext& context, Stage stage) {
  std::unique_ptr<KafkaGroup> group(new KafkaGroup(context, stage));
  auto client = KafkaClient::Open(
      fmt::format("{} group", StageName(stage)), RD_KAFKA_CONSUMER,
      {{"session.timeout.ms", "10000"},
       {"heartbeat.interval.ms", "500"},
       // How long the group waits for a member to give a partition back.
       {"max.poll.interval.ms", "60000"}},
      context.properties,
      {{"group.id", fmt::format("{}-{}", context.options.settings.group, StageName(stage))},
       {"partition.assignment.strategy", "cooperative-sticky"},
       {"isolation.level", "read_committed"},
       {"enable.auto.commit", "false"},
       {"enable.auto.offset.store", "false"}},
      {.delivered = {},
       .rebalance = [g = group.get()](auto err, auto* list) { g->OnRebalance(err, list); }},
      context.log);
  if (!client) return std::unexpected(std::move(client.error()));
  group->client_ = std::move(*client);
  rd_kafka_poll_set_consumer(group->client_->get());
  PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), group->input_.c_str(), RD_KAFKA_PARTITION_UA);
  if (auto err = rd_kafka_subscribe(group->client_->get(), topics.get());
      err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(KafkaFailure("subscribe " + group->input_, err));
  group->thread_ = std::thread([g = group.get()] { g->Run(); });
  return group;
}

KafkaGroup::KafkaGroup(KafkaContext& context, Stage stage)
    : context_(context),
      stage_(stage),
      input_(context.Topic(InputOf(stage))),
      rebalances_(
          context.metrics.Get(fmt::format("kafka.rebalances{{stage={}}}", StageName(stage)))),
      lost_(
          context.metrics.Get(fmt::format("kafka.partitions_lost{{stage={}}}", StageName(stage)))),
      assigned_gauge_(
          context.metrics.Get(fmt::format("kafka.partitions{{stage={}}}", StageName(stage)))),
      unread_(context.metrics.Get(
          fmt::format("kafka.partitions_unread{{stage={}}}", StageName(stage)))),
      seats_(context.partitions) {}

KafkaGroup::~KafkaGroup() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  thread_.join();
  AwaitFirstAssignment(client_->get(), context_.clock, assigned_once_);
  closing_ = true;
  FinishRevocation(true);
  rd_kafka_consumer_close(client_->get());
}

void KafkaGroup::Run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (!failure_ && context_.topic_partitions > seats_.size()) {
        Grown();
        changed_.notify_all();
      }
    }
    if (rd_kafka_message_t* message = rd_kafka_consumer_poll(client_->get(), kPollMs)) {
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) OnError(*message);
      rd_kafka_message_destroy(message);
    }
    if (revocation_) FinishRevocation(rd_kafka_assignment_lost(client_->get()) != 0);
  }
}

void KafkaGroup::OnError(const rd_kafka_message_t& message) {
  const Error error =
      KafkaFailure(fmt::format("group {}-{}", context_.options.settings.group, StageName(stage_)),
                   message.err, rd_kafka_message_errstr(&message));
  context_.log.Write(LogLevel::kWarn, "group", "kafka " + error.message);
  // A static member whose id another process took is out for good.
  char why[256];
  const bool fatal =
      rd_kafka_fatal_error(client_->get(), why, sizeof(why)) != RD_KAFKA_RESP_ERR_NO_ERROR;
  if (error.code != Code::kDenied && error.code != Code::kNotFound && !fatal) return;
  const std::lock_guard lock(mutex_);
  failure_ = error;
  changed_.notify_all();
}

void KafkaGroup::OnRebalance(rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t* partitions) {
  rebalances_.Add();
  rd_kafka_t* rk = client_->get();
  if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assigned_once_ = true;
    OnAssigned(*partitions);
    return;
  }
  if (err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    context_.log.Write(LogLevel::kError, "rebalance",
                       fmt::format("kafka rebalance: {}", rd_kafka_err2str(err)));
    rd_kafka_assign(rk, nullptr);
    return;
  }
  revocation_ = Copy(*partitions);
  const bool lost = rd_kafka_assignment_lost(rk) != 0;
  if (!lost && !closing_) {
    const std::lock_guard lock(mutex_);
    ForEach(*partitions, [&](uint32_t p) {
      if (p >= seats_.size()) return;
      seats_[p].leaving = true;
      seats_[p].tell_revoked = seats_[p].held;
      seats_[p].tell_gained = false;
    });
    changed_.notify_all();
  }
  FinishRevocation(lost || closing_);
}

void KafkaGroup::OnAssigned(const rd_kafka_topic_partition_list_t& partitions) {
  PartitionList list = Copy(partitions);
  // From somewhere, so that no committed offset is fetched; nothing is read here.
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
  if (auto* error = rd_kafka_incremental_assign(client_->get(), list.get())) {
    const KafkaError owned(error);
    context_.log.Write(LogLevel::kError, "assign",
                       fmt::format("kafka assign: {}", rd_kafka_error_string(error)));
  }
  rd_kafka_pause_partitions(client_->get(), list.get());
  const std::lock_guard lock(mutex_);
  ForEach(partitions, [&](uint32_t p) {
    if (p >= seats_.size()) return unread_.Add(), Grown();
    seats_[p].assigned = true;
    if (!seats_[p].held) GiveTenure(&seats_[p]);
  });
  changed_.notify_all();
}

// With another number of partitions than the others have, a member would ask and answer elsewhere.
void KafkaGroup::Grown() {
  failure_ =
      Error{Code::kInvalid,
            fmt::format("{} has been given more partitions than the {} that it had when this "
                        "engine started: start all engines, and then all agents, again",
                        input_, seats_.size())};
}

void KafkaGroup::GiveTenure(Seat* seat) {
  seat->tenure = ++tenures_;
  seat->tell_gained = true;
}

void KafkaGroup::FinishRevocation(bool at_once) {
  if (!revocation_) return;
  {
    const std::lock_guard lock(mutex_);
    bool held = false;
    ForEach(*revocation_, [&](uint32_t p) { held |= p < seats_.size() && seats_[p].held; });
    if (held && !at_once) return;
    ForEach(*revocation_, [&](uint32_t p) {
      if (p >= seats_.size()) return;
      Seat& seat = seats_[p];
      seat.tenure = 0;
      seat.assigned = seat.leaving = seat.tell_gained = seat.tell_revoked = false;
      if (seat.held) lost_.Add();
      seat.tell_lost = seat.held;
    });
    changed_.notify_all();
  }
  // Only now may this member be in a later generation; see the header.
  const PartitionList list = std::move(revocation_);
  if (auto* error = rd_kafka_incremental_unassign(client_->get(), list.get())) {
    const KafkaError owned(error);
    context_.log.Write(LogLevel::kWarn, "unassign",
                       fmt::format("kafka unassign: {}", rd_kafka_error_string(error)));
  }
}

Result<Assignment> KafkaGroup::Wait(int64_t deadline_ns) {
  const int64_t wait_ns = context_.WaitNs(deadline_ns);
  std::unique_lock lock(mutex_);
  const auto news = [this] {
    return failure_ || std::ranges::any_of(seats_, [](const Seat& s) {
             return (s.tell_gained && !s.held) || s.tell_revoked || s.tell_lost;
           });
  };
  changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), news);
  if (failure_) return std::unexpected(*std::exchange(failure_, std::nullopt));
  Assignment assignment;
  uint64_t mine = 0;
  for (uint32_t p = 0; p < seats_.size(); ++p) {
    Seat& s = seats_[p];
    if (s.tell_lost)
      assignment.lost.push_back(p);
    else if (s.tell_revoked)
      assignment.revoked.push_back(p);
    else if (s.tell_gained && !s.held)
      assignment.gained.push_back(p), s.held = true, s.tell_gained = false;
    s.tell_lost = s.tell_revoked = false;
    mine += s.tenure != 0;
  }
  assigned_gauge_.Set(mine);
  return assignment;
}

void KafkaGroup::Release(std::span<const uint32_t> partitions) {
  const std::lock_guard lock(mutex_);
  for (const uint32_t p : partitions) {
    Seat& seat = seats_[p];
    if (!seat.held) continue;
    seat.held = false;
    seat.tenure = 0;
    if (seat.assigned && !seat.leaving) GiveTenure(&seat);
  }
  changed_.notify_all();
}

uint64_t KafkaGroup::Tenure(uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  return seats_[partition].tenure;
}

GroupMetadata KafkaGroup::Metadata() const { return TakeGroupMetadata(client_->get()); }

Result<KafkaGroup::Committed> KafkaGroup::CommittedOffset(uint32_t partition,
                                                          int64_t wait_ns) const {
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  auto* one = rd_kafka_topic_partition_list_add(list.get(), input_.c_str(),
                                                static_cast<int32_t>(partition));
  const auto err = AskBrokers(context_.clock, wait_ns, [&](int timeout_ms) {
    const auto asked = rd_kafka_committed(client_->get(), list.get(), timeout_ms);
    return asked != RD_KAFKA_RESP_ERR_NO_ERROR ? asked : one->err;
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(
        KafkaFailure(fmt::format("{} [{}]: committed offset", input_, partition), err));
  Committed committed;
  if (one->offset >= 0) committed.offset = static_cast<uint64_t>(one->offset);
  if (one->metadata != nullptr)
    committed.metadata.assign(static_cast<const char*>(one->metadata), one->metadata_size);
  return committed;
}

}  // namespace weft::transport
