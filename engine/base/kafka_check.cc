#include "engine/base/kafka_check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace weft {
namespace {

constexpr std::string_view kOffsets =
    "weft commits offsets itself, in one transaction with what they stand for";
constexpr std::string_view kDelivery = "nothing may be lost or doubled on the way";
constexpr std::string_view kTopics = "weft chooses each record's partition";

// Settings of librdkafka that are not the user's; why, or where else they are set.
constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"bootstrap.servers", "set kafka.brokers"},
    {"metadata.broker.list", "set kafka.brokers"},
    {"security.protocol", "set kafka.security"},
    {"ssl.ca.location", "set kafka.tls.ca"},
    {"ssl.certificate.location", "set kafka.tls.certificate"},
    {"ssl.key.location", "set kafka.tls.key"},
    {"ssl.key.password", "set kafka.tls.key_password_file"},
    {"sasl.mechanism", "set kafka.sasl.mechanism"},
    {"sasl.mechanisms", "set kafka.sasl.mechanism"},
    {"sasl.username", "set kafka.sasl.username"},
    {"sasl.password", "set kafka.sasl.password_file"},
    {"group.id", "set kafka.group"},
    {"group.instance.id", "a member that keeps its name would not be fenced when it is replaced"},
    {"group.protocol", "weft speaks the classic protocol"},
    {"partition.assignment.strategy", "weft's stages need cooperative-sticky"},
    {"enable.auto.commit", kOffsets},
    {"auto.commit.enable", kOffsets},
    {"auto.commit.interval.ms", kOffsets},
    {"enable.auto.offset.store", kOffsets},
    {"offset.store.method", kOffsets},
    {"auto.offset.reset", "weft decides where reading begins"},
    {"enable.partition.eof", "weft needs to know when a log has been read back"},
    {"isolation.level", "stage 2 must not read what was aborted"},
    {"transactional.id", "weft names its transactions itself; set kafka.instance"},
    {"transaction.timeout.ms", "an open transaction of a dead member holds the readers up so long"},
    {"enable.idempotence", kDelivery},
    {"enable.gapless.guarantee", kDelivery},
    {"acks", kDelivery},
    {"request.required.acks", kDelivery},
    {"max.in.flight", kDelivery},
    {"max.in.flight.requests.per.connection", kDelivery},
    {"partitioner", kTopics},
    {"plugin.library.paths", "weft loads no code for librdkafka"},
};

constexpr std::string_view kSecretWords[] = {"password", "secret", ".key.pem",
                                             "oauthbearer.config"};

bool HasNoSecret(std::string_view text) { return text.empty() || IsVariable(text); }

struct Checker {
  const Config& config;
  const KafkaSettings& kafka = config.kafka;
  std::vector<std::string> mistakes = {};

  void Add(std::string mistake) { mistakes.push_back(std::move(mistake)); }

  void Places() {
    if (config.transport.kind == "kafka" && kafka.brokers.empty())
      Add("kafka.brokers: none, but transport.kind is kafka; say [host:9092]");
    for (const std::string& broker : kafka.brokers)
      if (broker.find_first_of(" \t,;") != broker.npos)
        Add(fmt::format("kafka.brokers: '{:.80}' is not host:port", broker));
    if (kafka.group.empty()) Add("kafka.group: empty");
    if (!std::all_of(kafka.topic_prefix.begin(), kafka.topic_prefix.end(), IsTopicCharacter))
      Add(fmt::format("kafka.topic_prefix: '{:.80}' is more than a-z, A-Z, 0-9, '.', '_' and '-'",
                      kafka.topic_prefix));
    if (kafka.topic_prefix.size() > 200) Add("kafka.topic_prefix: longer than 200 characters");
  }

  static bool IsTopicCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  }

  void Password(std::string_view key, const std::string& value, const std::string& file) {
    if (!HasNoSecret(value))
      Add(
          fmt::format("{0}: a secret does not belong into this file; write ${{NAME}} for an "
                      "environment variable, or set {0}_file",
                      key));
    else if (!value.empty() && !file.empty())
      Add(fmt::format("{0} and {0}_file are both there; one of them is enough", key));
  }

  void Tls() {
    const bool used = kafka.security.ends_with("ssl");
    const bool some = !(kafka.tls_ca.empty() && kafka.tls_certificate.empty());
    if (some && !used)
      Add(fmt::format("kafka.tls is set, but kafka.security is {}: nothing would be encrypted",
                      kafka.security));
    if (kafka.tls_certificate.empty() != kafka.tls_key.empty())
      Add("kafka.tls: certificate and key go together, one of them is missing");
    Password("kafka.tls.key_password", kafka.tls_key_password, kafka.tls_key_password_file);
  }

  void Sasl() {
    const bool used = kafka.security.starts_with("sasl");
    const bool secret = !(kafka.sasl_password.empty() && kafka.sasl_password_file.empty());
    if (!used && (secret || !kafka.sasl_username.empty()))
      Add(fmt::format("kafka.sasl is set, but kafka.security is {}: nobody would ask for it",
                      kafka.security));
    const bool by_name =
        kafka.sasl_mechanism == "PLAIN" || kafka.sasl_mechanism.starts_with("SCRAM");
    if (used && by_name && (kafka.sasl_username.empty() || !secret))
      Add(fmt::format("kafka.sasl: {} needs username and password_file", kafka.sasl_mechanism));
    Password("kafka.sasl.password", kafka.sasl_password, kafka.sasl_password_file);
  }

  void PassedOn() {
    for (const auto& [key, value] : kafka.librdkafka) {
      const auto* refused =
          std::find_if(std::begin(kRefused), std::end(kRefused),
                       [&, k = std::string_view(key)](const auto& r) { return r.first == k; });
      if (refused != std::end(kRefused))
        Add(fmt::format("kafka.librdkafka: '{}' is not for you to set: {}", key, refused->second));
      else if (IsKafkaSecret(key) && !HasNoSecret(value))
        Add(fmt::format(
            "kafka.librdkafka: '{:.80}' is a secret; write ${{NAME}} for an environment "
            "variable",
            key));
    }
  }
};

}  // namespace

bool IsVariable(std::string_view text) {
  if (text.size() < 4 || !text.starts_with("${") || !text.ends_with("}")) return false;
  const std::string_view name = text.substr(2, text.size() - 3);
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool IsKafkaSecret(std::string_view key) {
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](std::string_view word) { return key.find(word) != key.npos; });
}

std::vector<std::string> KafkaMistakes(const Config& config) {
  Checker checker{config};
  checker.Places();
  checker.Tls();
  checker.Sasl();
  checker.PassedOn();
  return std::move(checker.mistakes);
}

}  // namespace weft
