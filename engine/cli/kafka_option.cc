#include "engine/cli/kafka_option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::cli {

void KafkaOption::Declare(Options& options) {
  options.Text("--config", &config_file_, "Configuration file", "FILE");
  options.List("--brokers", &brokers_, "Where the cluster is asked, instead of kafka.brokers",
               "HOST:PORT,...");
}

Result<Config> KafkaOption::Load() const {
  Config config;
  if (!config_file_.empty()) {
    auto loaded = LoadConfigFile(config_file_);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  if (!brokers_.empty()) config.kafka.brokers = brokers_;
  if (config.kafka.brokers.empty())
    return Fail(Code::kInvalid,
                "no brokers: name some with --brokers HOST:PORT, or a file with --config FILE");
  WEFT_TRY(CheckConfig(config));
  auto resolved = transport::ResolveKafkaSettings(config.kafka);
  if (!resolved) return std::unexpected(std::move(resolved.error()));
  config.kafka = std::move(*resolved);
  return config;
}

Result<std::unique_ptr<transport::KafkaAdmin>> KafkaOption::Connect(const Config& config,
                                                                    int64_t timeout_ns) {
  const auto properties = transport::MakeKafkaProperties(config.kafka);
  if (!properties) return std::unexpected(properties.error());
  return transport::KafkaAdmin::Connect(*properties, timeout_ns);
}

std::string KafkaOption::Spelled() const {
  std::string out;
  if (!config_file_.empty()) out += " --config " + config_file_;
  if (!brokers_.empty()) out += fmt::format(" --brokers {}", fmt::join(brokers_, ","));
  return out;
}

}  // namespace weft::cli
