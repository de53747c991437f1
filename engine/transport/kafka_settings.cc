#include "engine/transport/kafka_settings.h"

#include <librdkafka/rdkafka.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/kafka_check.h"

namespace weft::transport {
namespace {

constexpr size_t kMaxPasswordBytes = 4096;

// The value of ${NAME}, or the text as it is.
Result<std::string> Expand(std::string_view key, std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = std::min(text.find("${", at), text.size());
    out += text.substr(at, begin - at);
    at = begin;
    if (begin == text.size()) break;
    const size_t end = text.find('}', begin);
    if (end == text.npos) return Fail(Code::kInvalid, fmt::format("{}: '${{' without '}}'", key));
    const std::string name(text.substr(begin + 2, end - begin - 2));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr)
      return Fail(Code::kInvalid,
                  fmt::format("{}: the environment variable {:.80} is not set", key, name));
    out += value;
    at = end + 1;
  }
  return out;
}

Result<std::string> ReadPasswordFile(std::string_view key, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Fail(errno == ENOENT ? Code::kNotFound : Code::kIo,
                fmt::format("{}: {}: {}", key, path, std::strerror(errno)));
  std::string text(kMaxPasswordBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxPasswordBytes)
    return Fail(Code::kInvalid, fmt::format("{}: {}: longer than {} bytes, that is no password",
                                            key, path, kMaxPasswordBytes));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return Fail(Code::kInvalid, fmt::format("{}: {}: is empty", key, path));
  return text;
}

Result<std::string> ReadSecret(const std::string& key, const std::string& value,
                               const std::string& path) {
  return path.empty() ? Expand(key, value) : ReadPasswordFile(key + "_file", path);
}

// Adds one property after the other, as librdkafka accepts them; keeps the first failure.
class PropertyList {
 public:
  // `name` is what the user knows the setting by.
  void Set(const std::string& name, const std::string& key, std::string value) {
    if (failure_ || value.empty()) return;
    char reason[512] = "";
    if (rd_kafka_conf_set(trial_.get(), key.c_str(), value.c_str(), reason, sizeof(reason)) ==
        RD_KAFKA_CONF_OK) {
      properties_.emplace_back(key, std::move(value));
      return;
    }
    // The library's reason repeats the value.
    failure_ = Error{Code::kInvalid, IsKafkaSecret(key)
                                         ? fmt::format("{}: librdkafka refuses the value", name)
                                         : fmt::format("{}: {}", name, reason)};
  }

  void SetSecret(const std::string& name, const std::string& key, Result<std::string> value) {
    if (value)
      Set(name, key, std::move(*value));
    else if (!failure_)
      failure_ = std::move(value.error());
  }

  Result<KafkaProperties> Finish() {
    if (failure_) return std::unexpected(std::move(*failure_));
    return std::move(properties_);
  }

 private:
  std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> trial_{rd_kafka_conf_new(),
                                                                            &rd_kafka_conf_destroy};
  KafkaProperties properties_;
  std::optional<Error> failure_;
};

void SetSecurity(const KafkaSettings& settings, PropertyList& out) {
  out.Set("kafka.security", "security.protocol", settings.security);
  if (settings.security.ends_with("ssl")) {
    out.Set("kafka.tls.ca", "ssl.ca.location", settings.tls_ca);
    out.Set("kafka.tls.certificate", "ssl.certificate.location", settings.tls_certificate);
    out.Set("kafka.tls.key", "ssl.key.location", settings.tls_key);
    const char* name = "kafka.tls.key_password";
    out.SetSecret(name, "ssl.key.password",
                  ReadSecret(name, settings.tls_key_password, settings.tls_key_password_file));
  }
  if (settings.security.starts_with("sasl")) {
    out.Set("kafka.sasl.mechanism", "sasl.mechanism", settings.sasl_mechanism);
    out.Set("kafka.sasl.username", "sasl.username", settings.sasl_username);
    const char* name = "kafka.sasl.password";
    out.SetSecret(name, "sasl.password",
                  ReadSecret(name, settings.sasl_password, settings.sasl_password_file));
  }
}

}  // namespace

Result<KafkaSettings> ResolveKafkaSettings(const KafkaSettings& settings) {
  KafkaSettings out = settings;
  std::optional<Error> failure;
  const auto resolve = [&](std::string_view key, std::string& text) {
    auto value = Expand(key, text);
    if (value)
      text = std::move(*value);
    else if (!failure)
      failure = std::move(value.error());
  };
  for (std::string& broker : out.brokers) resolve("kafka.brokers", broker);
  resolve("kafka.group", out.group);
  resolve("kafka.instance", out.instance);
  resolve("kafka.tls.ca", out.tls_ca);
  resolve("kafka.tls.certificate", out.tls_certificate);
  resolve("kafka.tls.key", out.tls_key);
  resolve("kafka.tls.key_password_file", out.tls_key_password_file);
  resolve("kafka.sasl.username", out.sasl_username);
  resolve("kafka.sasl.password_file", out.sasl_password_file);
  for (auto& [key, value] : out.librdkafka)
    if (!IsKafkaSecret(key)) resolve("kafka.librdkafka." + key, value);
  if (failure) return std::unexpected(std::move(*failure));
  return out;
}

Result<KafkaProperties> MakeKafkaProperties(const KafkaSettings& settings) {
  PropertyList out;
  for (const auto& [key, value] : settings.librdkafka) {
    const std::string name = "kafka.librdkafka." + key;
    if (IsKafkaSecret(key))
      out.SetSecret(name, key, Expand(name, value));
    else
      out.Set(name, key, value);
  }
  out.Set("kafka.brokers", "bootstrap.servers",
          fmt::format("{}", fmt::join(settings.brokers, ",")));
  SetSecurity(settings, out);
  return out.Finish();
}

Result<void> CheckKafkaPassedOn(const KafkaSettings& settings) {
  PropertyList trial;
  for (const auto& [key, value] : settings.librdkafka)
    if (value.find("${") == value.npos) trial.Set("kafka.librdkafka." + key, key, value);
  const auto outcome = trial.Finish();
  if (!outcome) return std::unexpected(outcome.error());
  return {};
}

std::string KafkaLibraryLimit(const KafkaProperties& properties) {
  // Older ones repeat the client's nonce (librdkafka #4895), which brokers refuse since
  // CVE-2024-56128 as if the password were wrong.
  constexpr int kScramWorks = 0x020601ff;
  if (rd_kafka_version() >= kScramWorks) return "";
  for (const auto& [key, value] : properties)
    if (key == "sasl.mechanism" && value.starts_with("SCRAM"))
      return fmt::format(
          "librdkafka {} cannot do {} with Kafka 3.7.2, 4.0 and newer, 2.6.1 can; use "
          "kafka.sasl.mechanism PLAIN with kafka.security sasl_ssl",
          rd_kafka_version_str(), value);
  return "";
}

std::string KafkaPublishingLimit() {
  constexpr int kSequencesWork = 0x020300ff;  // librdkafka #4438
  if (rd_kafka_version() >= kSequencesWork) return "";
  return fmt::format(
      "librdkafka {} may take a broker's end for a fatal error of its own (its #4438); weft then "
      "publishes anew what was not acknowledged, so nothing is lost, but it takes longer: 2.3.0 "
      "and newer need not",
      rd_kafka_version_str());
}

std::string KafkaTopic(const KafkaSettings& settings, Stream stream) {
  constexpr std::string_view kOurs = "weft.";
  return settings.topic_prefix + std::string(StreamName(stream).substr(kOurs.size()));
}

}  // namespace weft::transport
