// What KafkaAdmin knows of consumer groups, offsets and clocks.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "engine/transport/kafka_admin.h"
#include "engine/transport/kafka_admin_event.h"

namespace weft::transport {
namespace {

AdminPtr<rd_kafka_topic_partition_list_t> AllPartitions(const std::string& topic, int partitions,
                                                        int64_t offset) {
  AdminPtr<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(partitions));
  for (int i = 0; i < partitions; ++i)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i)->offset = offset;
  return list;
}

GroupMember ReadMember(const rd_kafka_MemberDescription_t& member, const std::string& topic) {
  GroupMember out;
  out.client = rd_kafka_MemberDescription_client_id(&member);
  out.host = rd_kafka_MemberDescription_host(&member);
  const auto* assigned =
      rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(&member));
  for (int i = 0; assigned != nullptr && i < assigned->cnt; ++i)
    if (assigned->elems[i].topic == topic)
      out.partitions.push_back(static_cast<uint32_t>(assigned->elems[i].partition));
  std::sort(out.partitions.begin(), out.partitions.end());
  return out;
}

// Of new records that arrive until `deadline_ns`: the least difference.
std::optional<int64_t> LeastDifference(rd_kafka_t* handle, const Clock& clock,
                                       int64_t deadline_ns) {
  std::optional<int64_t> least;
  while (clock.MonotonicNs() < deadline_ns) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(handle, 50);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_timestamp_type_t type;
      const int64_t appended_ns = rd_kafka_message_timestamp(message, &type) * kMillisecond;
      const int64_t difference = clock.UnixNs() - appended_ns;
      if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME && (!least || difference < *least))
        least = difference;
    }
    rd_kafka_message_destroy(message);
  }
  return least;
}

}  // namespace

Result<GroupState> KafkaAdmin::ReadGroup(const std::string& group, const std::string& topic,
                                         int partitions) {
  GroupState out;
  const char* groups[] = {group.c_str()};
  const auto event =
      AskCluster(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout_ms_,
                 [&](const auto* options, auto* queue) {
                   rd_kafka_DescribeConsumerGroups(handle_, groups, 1, options, queue);
                 });
  const auto* result = rd_kafka_event_DescribeConsumerGroups_result(event.get());
  size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** described =
      result == nullptr ? nullptr : rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
  if (count != 1) return std::unexpected(Failed("kafka: group " + group, ErrorOf(event.get())));
  const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(described[0]);
  const auto code = error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
  // Brokers from 4.0 on say so of a group that nobody has joined yet; older ones call it dead.
  if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
    out.state = "Dead";
  } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::unexpected(Failed("kafka: group " + group, code, rd_kafka_error_string(error)));
  } else {
    out.state =
        rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(described[0]));
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(described[0]); ++i)
      out.members.push_back(
          ReadMember(*rd_kafka_ConsumerGroupDescription_member(described[0], i), topic));
  }
  WEFT_TRY(ReadCommitted(group, topic, partitions, out));
  return out;
}

Result<void> KafkaAdmin::ReadCommitted(const std::string& group, const std::string& topic,
                                       int partitions, GroupState& state) {
  state.committed.assign(static_cast<size_t>(partitions), -1);
  const auto list = AllPartitions(topic, partitions, RD_KAFKA_OFFSET_INVALID);
  const AdminPtr<rd_kafka_ListConsumerGroupOffsets_t> question(
      rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), list.get()));
  rd_kafka_ListConsumerGroupOffsets_t* questions[] = {question.get()};
  const auto event =
      AskCluster(handle_, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms_,
                 [&](const auto* options, auto* queue) {
                   rd_kafka_ListConsumerGroupOffsets(handle_, questions, 1, options, queue);
                 });
  const auto* result = rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
  size_t count = 0;
  const rd_kafka_group_result_t** groups =
      result == nullptr ? nullptr : rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
  if (count != 1)
    return std::unexpected(Failed("kafka: offsets of group " + group, ErrorOf(event.get())));
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0]); error != nullptr) {
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return {};
    return std::unexpected(Failed("kafka: offsets of group " + group, rd_kafka_error_code(error),
                                  rd_kafka_error_string(error)));
  }
  const auto* offsets = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; offsets != nullptr && i < offsets->cnt; ++i) {
    const auto& one = offsets->elems[i];
    if (one.partition >= 0 && one.partition < partitions && one.offset >= 0)
      state.committed[static_cast<size_t>(one.partition)] = one.offset;
  }
  return {};
}

Result<std::vector<int64_t>> KafkaAdmin::EndOffsets(const std::string& topic, int partitions) {
  std::vector<int64_t> ends;
  for (int i = 0; i < partitions; ++i) {
    int64_t low = 0, high = 0;
    const auto code =
        rd_kafka_query_watermark_offsets(handle_, topic.c_str(), i, &low, &high, timeout_ms_);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return std::unexpected(Failed(fmt::format("kafka: end of {}/{}", topic, i), code));
    ends.push_back(high);
  }
  return ends;
}

Result<int64_t> KafkaAdmin::ClockDifferenceNs(const std::string& topic, int partitions,
                                              const Clock& clock, int64_t wait_ns) {
  const auto list = AllPartitions(topic, partitions, RD_KAFKA_OFFSET_END);
  rd_kafka_poll_set_consumer(handle_);
  const auto code = rd_kafka_assign(handle_, list.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(Failed("kafka: reading " + topic, code));
  const auto least = LeastDifference(handle_, clock, clock.MonotonicNs() + wait_ns);
  rd_kafka_assign(handle_, nullptr);
  if (!least) return Fail(Code::kNotFound, fmt::format("nothing was written to {}", topic));
  return *least;
}

}  // namespace weft::transport
