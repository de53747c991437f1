#include "engine/transport/kafka_client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/base/kafka_check.h"

namespace weft::transport {
namespace {

constexpr int64_t kQuiet = 10 * kSecond;
constexpr int64_t kFirstAssignment = 3 * kSecond;

struct Remedy {
  rd_kafka_resp_err_t code;
  Code ours;
  std::string_view text;
};
constexpr std::array kRemedies = {
    Remedy{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Code::kNotFound,
           "make the topics with `weft topics create`"},
    Remedy{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Code::kNotFound,
           "make the topics with `weft topics create`"},
    Remedy{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Code::kNotFound,
           "`weft topics check` says what is wrong with the topics"},
    Remedy{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Code::kInvalid,
           "raise the topic's max.message.bytes, see `weft topics check`"},
    Remedy{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Code::kDenied,
           "the user needs READ, WRITE and DESCRIBE on the topic"},
    Remedy{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Code::kDenied,
           "the user needs READ on the group (kafka.group)"},
    Remedy{RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Code::kDenied,
           "the user needs WRITE and DESCRIBE on the transactional id"},
    Remedy{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Code::kDenied,
           "the user needs IDEMPOTENT_WRITE on the cluster"},
    Remedy{RD_KAFKA_RESP_ERR__AUTHENTICATION, Code::kDenied,
           "check kafka.security and the user and password of kafka.sasl"},
    Remedy{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Code::kDenied,
           "check the user and password of kafka.sasl"},
    Remedy{RD_KAFKA_RESP_ERR__FENCED, Code::kIo,
           "does another process have the same kafka.instance?"},
    Remedy{RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Code::kIo,
           "does another process have the same group.instance.id?"},
    Remedy{RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, Code::kIo,
           "are the brokers of kafka.brokers up, and can this host reach them?"},
    Remedy{RD_KAFKA_RESP_ERR__TRANSPORT, Code::kIo,
           "are the brokers of kafka.brokers up, and can this host reach them?"},
    Remedy{RD_KAFKA_RESP_ERR__TIMED_OUT, Code::kIo,
           "are the brokers of kafka.brokers up, and can this host reach them?"},
};

}  // namespace

Error KafkaFailure(std::string_view what, rd_kafka_resp_err_t code, std::string_view detail) {
  const std::string_view words = detail.empty() ? rd_kafka_err2str(code) : detail;
  for (const Remedy& remedy : kRemedies)
    if (remedy.code == code)
      return {remedy.ours, fmt::format("{}: {} ({})", what, words, remedy.text)};
  return {Code::kIo, fmt::format("{}: {}", what, words)};
}

GroupMetadata TakeGroupMetadata(rd_kafka_t* consumer) {
  GroupMetadata metadata(rd_kafka_consumer_group_metadata(consumer));
  // Asked after it was taken: who was thrown out before that has no name now, or a new one and no
  // partitions.
  char* member = rd_kafka_memberid(consumer);
  const bool joined = member != nullptr && *member != '\0';
  rd_kafka_mem_free(consumer, member);
  if (!joined || rd_kafka_assignment_lost(consumer) != 0) return nullptr;
  return metadata;
}

void AwaitFirstAssignment(rd_kafka_t* consumer, const Clock& clock, const bool& assigned) {
  const int64_t deadline = clock.MonotonicNs() + kFirstAssignment;
  while (!assigned && clock.MonotonicNs() < deadline) {
    char* member = rd_kafka_memberid(consumer);
    const bool joining = member != nullptr && *member != '\0';
    rd_kafka_mem_free(consumer, member);
    if (!joining) return;
    if (rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 50))
      rd_kafka_message_destroy(message);
  }
}

rd_kafka_resp_err_t AskBrokers(const Clock& clock, int64_t wait_ns,
                               const std::function<rd_kafka_resp_err_t(int)>& ask) {
  const int64_t deadline = clock.MonotonicNs() + wait_ns;
  while (true) {
    const int64_t left_ms = (deadline - clock.MonotonicNs()) / kMillisecond;
    const rd_kafka_resp_err_t err = ask(static_cast<int>(std::clamp<int64_t>(left_ms, 1, 5'000)));
    switch (err) {
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR__WAIT_COORD:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
      case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:  // not yet known by all brokers
      case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
      case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
      case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
      case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT: break;
      default: return err;
    }
    if (clock.MonotonicNs() >= deadline) return err;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

KafkaLog::KafkaLog(const KafkaProperties& properties, const Clock& clock, Metrics& metrics,
                   Logger& logger)
    : clock_(clock), logger_(logger), warnings_(metrics.Get("kafka.warnings")) {
  for (const auto& [key, value] : properties)
    if (IsKafkaSecret(key) && !value.empty()) secrets_.push_back(value);
}

std::string KafkaLog::Redact(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets_)
    for (size_t at = 0; (at = out.find(secret, at)) != out.npos; at += 3)
      out.replace(at, secret.size(), "***");
  return out;
}

void KafkaLog::Write(LogLevel level, std::string_view kind, std::string_view line) {
  if (level >= LogLevel::kWarn) warnings_.Add();
  uint64_t suppressed = 0;
  if (level > LogLevel::kDebug) {  // whoever sets kafka.librdkafka.debug wants it all
    const std::lock_guard lock(mutex_);
    auto it = kinds_.find(kind);
    if (it == kinds_.end()) it = kinds_.emplace(kind, Kind()).first;
    const int64_t now = clock_.MonotonicNs();
    if (it->second.last_ns != INT64_MIN && now - it->second.last_ns < kQuiet) {
      ++it->second.suppressed;
      return;
    }
    it->second.last_ns = now;
    suppressed = std::exchange(it->second.suppressed, 0);
  }
  std::string text = Redact(line);
  if (suppressed > 0) text += fmt::format(" ({} like it before)", suppressed);
  logger_.Write(level, text);
}

Result<std::unique_ptr<KafkaClient>> KafkaClient::Open(std::string what, rd_kafka_type_t type,
                                                       const KafkaProperties& defaults,
                                                       const KafkaProperties& common,
                                                       const KafkaProperties& owned,
                                                       Callbacks callbacks, KafkaLog& log) {
  std::unique_ptr<KafkaClient> client(new KafkaClient(std::move(what), std::move(callbacks), log));
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512];
  const KafkaProperties ours = {{"log.connection.close", "false"},
                                {"reconnect.backoff.max.ms", "1000"},
                                {"topic.metadata.refresh.interval.ms", "60000"}};
  for (const KafkaProperties* list : {&ours, &defaults, &common, &owned})
    for (const auto& [key, value] : *list) {
      if (type == RD_KAFKA_PRODUCER && key == "group.instance.id") continue;  // for consumers
      if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), text, sizeof(text)) ==
          RD_KAFKA_CONF_OK)
        continue;
      rd_kafka_conf_destroy(conf);
      return Fail(Code::kInvalid, "kafka: " + log.Redact(text));
    }
  rd_kafka_conf_set_opaque(conf, client.get());
  rd_kafka_conf_set_log_cb(conf, &KafkaClient::OnLog);
  if (client->callbacks_.delivered) rd_kafka_conf_set_dr_msg_cb(conf, &KafkaClient::OnDelivery);
  if (client->callbacks_.rebalance) rd_kafka_conf_set_rebalance_cb(conf, &KafkaClient::OnRebalance);
  client->handle_ = rd_kafka_new(type, conf, text, sizeof(text));
  if (client->handle_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    return Fail(Code::kInvalid, "kafka: " + log.Redact(text));
  }
  return client;
}

KafkaClient::~KafkaClient() {
  if (handle_ == nullptr) return;
  for (auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic);
  // What the group should know was said before (see KafkaGroup): no implicit calls here.
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

rd_kafka_topic_t* KafkaClient::Topic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  rd_kafka_topic_t*& topic = topics_[name];
  if (topic == nullptr) topic = rd_kafka_topic_new(handle_, name.c_str(), nullptr);
  return topic;
}

void KafkaClient::OnLog(const rd_kafka_t* rk, int level, const char* facility, const char* text) {
  const auto* self = static_cast<const KafkaClient*>(rd_kafka_opaque(rk));
  if (self == nullptr) return;
  // Its errors are what it goes on from: a lost connection, a transaction to be aborted.
  const LogLevel ours = level <= 2   ? LogLevel::kError
                        : level <= 4 ? LogLevel::kWarn
                        : level <= 6 ? LogLevel::kInfo
                                     : LogLevel::kDebug;
  // All clients see the same brokers: one of them is enough to say that they are down.
  self->log_.Write(ours, facility, fmt::format("kafka {}: {}", self->what_, text));
}

void KafkaClient::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  static_cast<KafkaClient*>(opaque)->callbacks_.delivered(*message);
}

void KafkaClient::OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  static_cast<KafkaClient*>(opaque)->callbacks_.rebalance(err, partitions);
}

}  // namespace weft::transport
