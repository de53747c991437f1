#include "engine/transport/kafka_admin.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/transport/kafka_admin_event.h"

namespace weft::transport {
namespace {

void OnLog(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  constexpr int kWarning = 4;  // syslog's
  if (level > kWarning) return;
  auto* log = static_cast<KafkaAdmin::LogTail*>(rd_kafka_opaque(handle));
  std::string_view line(text);
  // "[thrd:...]: " is the library's own business.
  if (const size_t end = line.find("]: "); line.starts_with('[') && end != line.npos)
    line.remove_prefix(end + 3);
  const std::lock_guard lock(log->mutex);
  // Why a connection failed says more than that all brokers are down.
  if (log->newest.empty() || std::string_view(facility) == "FAIL") log->newest = line;
}

// The outcome of an operation on one topic; null where there is none.
template <typename Answer, typename Topics>
const rd_kafka_topic_result_t* OnlyTopic(const Answer* answer, const Topics& topics) {
  if (answer == nullptr) return nullptr;
  size_t count = 0;
  const rd_kafka_topic_result_t** all = topics(answer, &count);
  return count == 1 ? all[0] : nullptr;
}

int FewestReplicas(const rd_kafka_metadata_topic_t& topic) {
  int fewest = topic.partition_cnt > 0 ? INT32_MAX : 0;
  for (int i = 0; i < topic.partition_cnt; ++i)
    fewest = std::min(fewest, topic.partitions[i].replica_cnt);
  return fewest;
}

void ReadConfigs(const rd_kafka_ConfigResource_t& resource, TopicState& state) {
  size_t count = 0;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(&resource, &count);
  for (size_t i = 0; i < count; ++i) {
    const char* name = rd_kafka_ConfigEntry_name(entries[i]);
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value == nullptr) continue;
    state.settings[name] = value;
    if (rd_kafka_ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG)
      state.own[name] = value;
  }
}

}  // namespace

KafkaAdmin::KafkaAdmin(std::unique_ptr<LogTail> log, int timeout_ms)
    : log_(std::move(log)), timeout_ms_(timeout_ms) {}

KafkaAdmin::~KafkaAdmin() {
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

Result<std::unique_ptr<KafkaAdmin>> KafkaAdmin::Connect(const KafkaProperties& properties,
                                                        int64_t timeout_ns) {
  auto log = std::make_unique<LogTail>();
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512];
  // A consumer, for ClockDifferenceNs; it never joins or commits to the group of this name.
  KafkaProperties all{{"client.id", "weft-admin"}};
  all.insert(all.end(), properties.begin(), properties.end());
  all.insert(all.end(), {{"group.id", "weft-admin"}, {"enable.auto.commit", "false"}});
  for (const auto& [key, value] : all)
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), reason, sizeof(reason)) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return Fail(Code::kInvalid, fmt::format("kafka: {} is refused by librdkafka", key));
    }
  rd_kafka_conf_set_log_cb(conf, &OnLog);
  rd_kafka_conf_set_opaque(conf, log.get());
  std::unique_ptr<KafkaAdmin> admin(
      new KafkaAdmin(std::move(log), static_cast<int>(timeout_ns / kMillisecond)));
  admin->handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
  if (admin->handle_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    return Fail(Code::kInvalid, fmt::format("kafka: {}", reason));
  }
  admin->limit_ = KafkaLibraryLimit(properties);
  WEFT_TRY(admin->ReadCluster());
  return admin;
}

Result<void> KafkaAdmin::ReadCluster() {
  // In steps: a password that is refused once will be refused again.
  constexpr int kStepMs = 500;
  const rd_kafka_metadata_t* raw = nullptr;
  auto code = RD_KAFKA_RESP_ERR__TIMED_OUT;
  for (int ms = 0; ms < timeout_ms_ && code != RD_KAFKA_RESP_ERR_NO_ERROR && !Refused();
       ms += kStepMs)
    code = rd_kafka_metadata(handle_, 0, nullptr, &raw, std::min(kStepMs, timeout_ms_ - ms));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(Failed("kafka: no broker answers", code));
  const AdminPtr<const rd_kafka_metadata_t> metadata(raw);
  for (int i = 0; i < metadata->broker_cnt; ++i) {
    const rd_kafka_metadata_broker_t& broker = metadata->brokers[i];
    cluster_.brokers.push_back(fmt::format("{} at {}:{}", broker.id, broker.host, broker.port));
  }
  std::sort(cluster_.brokers.begin(), cluster_.brokers.end());
  if (char* id = rd_kafka_clusterid(handle_, timeout_ms_); id != nullptr) {
    cluster_.id = id;
    rd_kafka_mem_free(handle_, id);
  }
  cluster_.controller = rd_kafka_controllerid(handle_, timeout_ms_);
  return {};
}

Result<TopicStates> KafkaAdmin::ReadTopics(std::span<const std::string> names) {
  // All topics: to ask for one that is not there may make it (auto.create.topics.enable).
  const rd_kafka_metadata_t* raw = nullptr;
  const auto code = rd_kafka_metadata(handle_, 1, nullptr, &raw, timeout_ms_);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(Failed("kafka: the topics cannot be listed", code));
  const AdminPtr<const rd_kafka_metadata_t> metadata(raw);
  TopicStates states;
  std::vector<std::string> there;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
    if (std::find(names.begin(), names.end(), topic.topic) == names.end()) continue;
    if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    TopicState& state = states[topic.topic];
    state.exists = true;
    state.partitions = topic.partition_cnt;
    state.replicas = FewestReplicas(topic);
    for (int p = 0; p < topic.partition_cnt; ++p)
      if (topic.partitions[p].leader < 0) ++state.offline;
    there.emplace_back(topic.topic);
  }
  WEFT_TRY(ReadSettings(there, states));
  return states;
}

Result<void> KafkaAdmin::ReadSettings(std::span<const std::string> names, TopicStates& states) {
  if (names.empty()) return {};
  std::vector<AdminPtr<rd_kafka_ConfigResource_t>> owned;
  std::vector<rd_kafka_ConfigResource_t*> asked;
  for (const std::string& name : names) {
    owned.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    asked.push_back(owned.back().get());
  }
  const auto event =
      AskCluster(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms_,
                 [&](const auto* options, auto* queue) {
                   rd_kafka_DescribeConfigs(handle_, asked.data(), asked.size(), options, queue);
                 });
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  if (result == nullptr)
    return std::unexpected(
        Failed("kafka: the topics' settings cannot be read", ErrorOf(event.get())));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(result, &count);
  for (size_t i = 0; i < count; ++i) {
    const std::string name = rd_kafka_ConfigResource_name(resources[i]);
    const auto code = rd_kafka_ConfigResource_error(resources[i]);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      states.erase(name);  // so new that not every broker knows it
      continue;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return std::unexpected(Failed("kafka: the settings of topic " + name, code,
                                    rd_kafka_ConfigResource_error_string(resources[i])));
    ReadConfigs(*resources[i], states[name]);
  }
  return {};
}

Result<bool> KafkaAdmin::CreateTopic(const std::string& name, int partitions, int replicas,
                                     const std::map<std::string, std::string>& settings) {
  char reason[512] = "";
  const AdminPtr<rd_kafka_NewTopic_t> topic(
      rd_kafka_NewTopic_new(name.c_str(), partitions, replicas, reason, sizeof(reason)));
  if (topic == nullptr) return Fail(Code::kInvalid, fmt::format("topic {}: {}", name, reason));
  for (const auto& [key, value] : settings)
    rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  const auto event = AskCluster(handle_, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms_,
                                [&](const auto* options, auto* queue) {
                                  rd_kafka_CreateTopics(handle_, topics, 1, options, queue);
                                });
  const auto* one = OnlyTopic(rd_kafka_event_CreateTopics_result(event.get()),
                              rd_kafka_CreateTopics_result_topics);
  if (one == nullptr) return std::unexpected(Failed("topic " + name, ErrorOf(event.get())));
  const auto code = rd_kafka_topic_result_error(one);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return false;
  return std::unexpected(Failed("topic " + name, code, rd_kafka_topic_result_error_string(one)));
}

Result<void> KafkaAdmin::SetPartitions(const std::string& name, int partitions) {
  char reason[512] = "";
  const AdminPtr<rd_kafka_NewPartitions_t> wish(rd_kafka_NewPartitions_new(
      name.c_str(), static_cast<size_t>(partitions), reason, sizeof(reason)));
  if (wish == nullptr) return Fail(Code::kInvalid, fmt::format("topic {}: {}", name, reason));
  rd_kafka_NewPartitions_t* wishes[] = {wish.get()};
  const auto event = AskCluster(handle_, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, timeout_ms_,
                                [&](const auto* options, auto* queue) {
                                  rd_kafka_CreatePartitions(handle_, wishes, 1, options, queue);
                                });
  const auto* one = OnlyTopic(rd_kafka_event_CreatePartitions_result(event.get()),
                              rd_kafka_CreatePartitions_result_topics);
  if (one == nullptr) return std::unexpected(Failed("topic " + name, ErrorOf(event.get())));
  if (const auto code = rd_kafka_topic_result_error(one))
    return std::unexpected(Failed("topic " + name, code, rd_kafka_topic_result_error_string(one)));
  return {};
}

Result<void> KafkaAdmin::SetSettings(const std::string& name,
                                     const std::map<std::string, std::string>& settings) {
  const AdminPtr<rd_kafka_ConfigResource_t> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  for (const auto& [key, value] : settings)
    rd_kafka_ConfigResource_set_config(resource.get(), key.c_str(), value.c_str());
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  const auto event = AskCluster(handle_, RD_KAFKA_ADMIN_OP_ALTERCONFIGS, timeout_ms_,
                                [&](const auto* options, auto* queue) {
                                  rd_kafka_AlterConfigs(handle_, resources, 1, options, queue);
                                });
  const auto* result = rd_kafka_event_AlterConfigs_result(event.get());
  size_t count = 0;
  const rd_kafka_ConfigResource_t** changed =
      result == nullptr ? nullptr : rd_kafka_AlterConfigs_result_resources(result, &count);
  if (count != 1) return std::unexpected(Failed("settings of topic " + name, ErrorOf(event.get())));
  if (const auto code = rd_kafka_ConfigResource_error(changed[0]))
    return std::unexpected(Failed("settings of topic " + name, code,
                                  rd_kafka_ConfigResource_error_string(changed[0])));
  return {};
}

bool KafkaAdmin::Refused() const {
  const std::lock_guard lock(log_->mutex);
  return log_->newest.find("SASL authentication error") != std::string::npos;
}

Error KafkaAdmin::Failed(const std::string& what, int code, const char* detail) const {
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  std::string text =
      fmt::format("{}: {}", what, detail != nullptr ? detail : rd_kafka_err2str(error));
  bool denied = error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
                error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
  if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
      error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    denied |= Refused();
    const std::lock_guard lock(log_->mutex);
    if (!log_->newest.empty()) text += fmt::format(" ({})", log_->newest);
    if (denied && !limit_.empty()) text += "; " + limit_;
  }
  return {denied ? Code::kDenied : Code::kIo, std::move(text)};
}

}  // namespace weft::transport
