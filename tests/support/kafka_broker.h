// KafkaBroker: one real Apache Kafka broker, or a cluster, for a test; its own data, on free ports.
//
// Runs tests/support/kafka/kafka_cluster.py, which fetches Kafka once and starts the brokers; they
// end with this object, or with the test process however it ends. Brokers count from 1. Logs and
// data stay where the test has failed, and their folder is printed. One thread.
//   Start (Kill | Stop | Start of one broker)* destructor
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace weft::test {

struct KafkaOptions {
  int brokers = 1;
  // Lines of server.properties, "key=value"; they win over the fixture's own.
  std::vector<std::string> properties = {};
  // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL: a further listener, which bootstrap() then names.
  std::string security = "PLAINTEXT";
  std::vector<std::pair<std::string, std::string>> scram_users =
      {};           // name, password (SCRAM-SHA-256)
  int heap_mb = 0;  // 0: 384 for one, else 256 each
};

class KafkaBroker {
 public:
  // Returns when every broker answers. kUnsupported: Kafka cannot be had on this machine (the test
  // skips, see WEFT_START_KAFKA); any other code: it does not work.
  static Result<std::unique_ptr<KafkaBroker>> Start(const KafkaOptions& options = {});
  ~KafkaBroker();
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  const std::string& bootstrap() const { return bootstrap_; }
  // Without TLS and SASL, whatever the options say.
  const std::string& plain_bootstrap() const { return plain_bootstrap_; }
  // Has broker-N.log and broker-N.properties.
  const std::string& folder() const { return folder_; }

  Result<void> Kill(int broker = 1);     // SIGKILL
  Result<void> Stop(int broker = 1);     // in good order; returns when it has ended
  Result<void> Start(int broker);        // again, with its data and port; returns when it answers
  Result<void> Restart(int broker = 1);  // Stop, Start

 private:
  KafkaBroker() = default;
  Result<void> Spawn(const KafkaOptions& options);
  Result<void> Command(std::string_view line);
  Result<std::string> ReadLine();

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string unread_, bootstrap_, plain_bootstrap_, folder_;
};

}  // namespace weft::test

// Requires: used in the body of a test or of SetUp; requirement.h is included. Declares `name` as a
// running broker, or skips (fails where WEFT_REQUIRE names kafka).
#define WEFT_START_KAFKA(name, ...)                                                 \
  auto name##_started = ::weft::test::KafkaBroker::Start(__VA_ARGS__);              \
  if (!name##_started && name##_started.error().code == ::weft::Code::kUnsupported) \
    WEFT_SKIP_OR_FAIL("kafka", name##_started.error().message);                     \
  ASSERT_TRUE(name##_started) << name##_started.error().message;                    \
  auto& name = **name##_started
