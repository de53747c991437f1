// TLS and SASL as the configuration has them, against a broker that insists on both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <memory>
#include <mutex>

#include "engine/base/metrics.h"
#include "engine/cli/topic_maker.h"
#include "engine/transport/kafka_admin.h"
#include "engine/transport/kafka_transport.h"
#include "tests/support/certificates.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/requirement.h"
#include "tests/support/temp_folder.h"

namespace weft::transport {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPassword = "s3cret-of-weft";
constexpr const char* kWrong = "wr0ng-guess";

class KeptLog final : public Logger {
 public:
  void Write(LogLevel, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    text_.append(line).append("\n");
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

// One broker for all tests here; clients need a password and a certificate.
class KafkaSecurity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::system("openssl version >/dev/null 2>&1") != 0) {
      missing_ = "no openssl here: .ci/deps kafka (apt-get install openssl)";
      return;
    }
    folder_ = std::make_unique<test::TempFolder>();
    certificates_ = std::make_unique<test::Certificates>(folder_->path());
    certificates_->Sign("broker");
    certificates_->Sign("client", "key-password");
    test::KafkaOptions options;
    options.security = "SASL_SSL";
    options.scram_users = {{"weft", kPassword}};
    const std::string jaas = "org.apache.kafka.common.security.";
    options.properties = {
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
        "listener.name.client.plain.sasl.jaas.config=" + jaas +
            "plain.PlainLoginModule required user_weft=\"" + kPassword + "\";",
        "listener.name.client.scram-sha-256.sasl.jaas.config=" + jaas +
            "scram.ScramLoginModule required;",
        "listener.name.client.ssl.client.auth=required",
        "ssl.keystore.type=PEM",
        "ssl.keystore.location=" + certificates_->File("broker.pem"),
        "ssl.truststore.type=PEM",
        "ssl.truststore.location=" + certificates_->File("ca.pem"),
    };
    auto started = test::KafkaBroker::Start(options);
    if (started)
      broker_ = std::move(*started);
    else if (started.error().code == Code::kUnsupported)
      missing_ = started.error().message;
    else
      FAIL() << started.error().message;
  }
  static void TearDownTestSuite() {
    broker_.reset();
    certificates_.reset();
    folder_.reset();
  }
  void SetUp() override {
    if (!broker_) WEFT_SKIP_OR_FAIL("kafka", missing_);
    setenv("WEFT_TEST_PASSWORD", kPassword, 1);
    setenv("WEFT_TEST_KEY_PASSWORD", "key-password", 1);
  }

  static KafkaSettings Right(const char* mechanism = "PLAIN") {
    KafkaSettings settings;
    settings.brokers = {broker_->bootstrap()};
    settings.security = "sasl_ssl";
    settings.tls_ca = certificates_->File("ca.pem");
    settings.tls_certificate = certificates_->File("client.crt");
    settings.tls_key = certificates_->File("client.key");
    settings.tls_key_password = "${WEFT_TEST_KEY_PASSWORD}";
    settings.sasl_mechanism = mechanism;
    settings.sasl_username = "weft";
    settings.sasl_password = "${WEFT_TEST_PASSWORD}";
    return settings;
  }
  static Result<std::unique_ptr<KafkaAdmin>> Connect(const KafkaSettings& settings) {
    const auto properties = MakeKafkaProperties(settings);
    if (!properties) return std::unexpected(properties.error());
    return KafkaAdmin::Connect(*properties, 4 * kSecond);
  }
  static std::string Refusal(const KafkaSettings& settings) {
    const auto admin = Connect(settings);
    return admin ? "connected" : admin.error().message;
  }

  static std::unique_ptr<test::TempFolder> folder_;
  static std::unique_ptr<test::Certificates> certificates_;
  static std::unique_ptr<test::KafkaBroker> broker_;
  static std::string missing_;
};
std::unique_ptr<test::TempFolder> KafkaSecurity::folder_;
std::unique_ptr<test::Certificates> KafkaSecurity::certificates_;
std::unique_ptr<test::KafkaBroker> KafkaSecurity::broker_;
std::string KafkaSecurity::missing_;

TEST_F(KafkaSecurity, WithCertificateAndPasswordRecordsArePublished) {
  Config config;
  config.kafka = Right();
  const auto admin = Connect(config.kafka);
  ASSERT_TRUE(admin) << admin.error().message;
  const SystemClock clock;
  const auto made = cli::MakeTopics(config, **admin, {.partitions = 2}, clock);
  ASSERT_TRUE(made) << made.error().message;
  Metrics metrics;
  KeptLog log;
  KafkaOptions options;
  options.settings = config.kafka;
  {
    const auto agent = KafkaTransport::Open(options, clock, metrics, log);
    ASSERT_TRUE(agent) << agent.error().message;
    EXPECT_TRUE((*agent)->Publish({.payload = api::CopyPayload("heartbeat")}, INT64_MAX));
  }
  const auto ends = (*admin)->EndOffsets("weft.events", 2);
  ASSERT_TRUE(ends) << ends.error().message;
  EXPECT_EQ((*ends)[0], 1);
  EXPECT_THAT(log.text(), Not(HasSubstr(kPassword)));
}

TEST_F(KafkaSecurity, ScramWorksOrTheLibraryIsNamedThatCannot) {
  const auto admin = Connect(Right("SCRAM-SHA-256"));
  const std::string reason = admin ? "connected" : admin.error().message;

  const bool works = rd_kafka_version() >= 0x020601ff;
  EXPECT_THAT(reason, HasSubstr(works ? "connected" : "librdkafka 2."));
  EXPECT_THAT(reason, Not(HasSubstr(kPassword)));
}

TEST_F(KafkaSecurity, AWrongPasswordIsSaidToBeOneAndIsNotShown) {
  setenv("WEFT_TEST_PASSWORD", kWrong, 1);
  for (const char* mechanism : {"SCRAM-SHA-256", "PLAIN"}) {
    SCOPED_TRACE(mechanism);
    const auto admin = Connect(Right(mechanism));
    ASSERT_FALSE(admin);
    EXPECT_EQ(admin.error().code, Code::kDenied);
    EXPECT_THAT(admin.error().message, HasSubstr("uthentication failed"));
    EXPECT_THAT(admin.error().message, Not(HasSubstr(kWrong)));

    const SystemClock clock;
    Metrics metrics;
    KeptLog log;
    KafkaOptions options;
    options.settings = Right(mechanism);
    const auto agent = KafkaTransport::Open(options, clock, metrics, log);
    ASSERT_FALSE(agent);
    EXPECT_THAT(agent.error().message + log.text(), HasSubstr("uthentication failed"));
    EXPECT_THAT(agent.error().message + log.text(), Not(HasSubstr(kWrong)));
  }
}

TEST_F(KafkaSecurity, ABrokerWithACertificateOfSomebodyElseIsNotBelieved) {
  const test::TempFolder other;
  const test::Certificates stranger(other.path());
  KafkaSettings settings = Right();
  settings.tls_ca = stranger.File("ca.pem");

  EXPECT_THAT(Refusal(settings), HasSubstr("certificate"));
}

TEST_F(KafkaSecurity, WithoutACertificateOfItsOwnTheClientIsTurnedAway) {
  KafkaSettings settings = Right();
  settings.tls_certificate = settings.tls_key = settings.tls_key_password = "";

  EXPECT_THAT(Refusal(settings), HasSubstr("no broker answers"));
}

TEST_F(KafkaSecurity, AWrongPasswordOfTheKeyNamesTheKeyAndIsNotShown) {
  setenv("WEFT_TEST_KEY_PASSWORD", kWrong, 1);

  const std::string refusal = Refusal(Right());

  EXPECT_THAT(refusal, HasSubstr("ssl.key.location"));
  EXPECT_THAT(refusal, Not(HasSubstr(kWrong)));
}

TEST_F(KafkaSecurity, WithoutTlsNobodyUnderstandsTheOther) {
  KafkaSettings settings;
  settings.brokers = {broker_->bootstrap()};

  EXPECT_THAT(Refusal(settings), HasSubstr("no broker answers"));
}

}  // namespace
}  // namespace weft::transport
