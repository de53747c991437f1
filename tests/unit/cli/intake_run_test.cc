#include "engine/cli/intake_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using testing::HasSubstr;

TEST(IntakeRun, AnAgentRefusesZipkinsSpansAndSaysWhatToDo) {
  Config config;
  config.otlp.topics = {"otlp_spans"};
  config.zipkin.listen = "127.0.0.1:9411";
  const auto checked = IntakeRun::CheckIntoTopic(config);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::kInvalid);
  EXPECT_THAT(checked.error().message, HasSubstr("sources.zipkin.listen"));
  EXPECT_THAT(checked.error().message, HasSubstr("send OTLP to the agent"));
}

TEST(IntakeRun, AnAgentThatTakesOtlpNeedsATopicForIt) {
  Config config;
  EXPECT_TRUE(IntakeRun::CheckIntoTopic(config));
  config.otlp.listen_http = "127.0.0.1:4318";
  EXPECT_FALSE(IntakeRun::CheckIntoTopic(config));
  config.otlp.topics = {"otlp_spans"};
  EXPECT_TRUE(IntakeRun::CheckIntoTopic(config));
}

}  // namespace
}  // namespace weft::cli
