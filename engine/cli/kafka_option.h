// KafkaOption: which cluster a command asks: --config and --brokers.
//
// One command owns one; the members live as long as the parse needs them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/config.h"
#include "engine/cli/command.h"
#include "engine/transport/kafka_admin.h"

namespace weft::cli {

class KafkaOption {
 public:
  void Declare(Options& options);
  bool given() const { return !config_file_.empty() || !brokers_.empty(); }

  const std::string& config_file() const { return config_file_; }
  // The file (or the defaults) with --brokers on top; its kafka section is resolved.
  Result<Config> Load() const;
  // Ends after `timeout_ns` at the latest if no broker answers.
  static Result<std::unique_ptr<transport::KafkaAdmin>> Connect(const Config& config,
                                                                int64_t timeout_ns = 10 * kSecond);
  // " --config weft.yaml --brokers a:9092": for the commands that messages suggest.
  std::string Spelled() const;

 private:
  std::string config_file_;
  std::vector<std::string> brokers_;
};

}  // namespace weft::cli
