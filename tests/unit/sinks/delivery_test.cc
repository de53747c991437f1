// What a backend's answer means: statuses, Retry-After, OTLP's own words.
#include <gtest/gtest.h>

#include "sinks/http/http_post.h"
#include "sinks/otlp/otlp_answer.h"

namespace weft::sinks {
namespace {

using namespace std::string_literals;

constexpr int64_t kSecond = 1'000'000'000;

TEST(Delivery, OnlyWhatOtlpCallsRetryableIsTriedAgain) {
  for (const int status : {200, 202, 204})
    EXPECT_EQ(JudgeStatus({status, "", "", ""}, "").outcome, WEFT_EXPORT_OK) << status;
  for (const int status : {429, 502, 503, 504})
    EXPECT_EQ(JudgeStatus({status, "", "", ""}, "").outcome, WEFT_EXPORT_RETRY) << status;
  for (const int status : {301, 400, 401, 403, 404, 405, 413, 415, 500, 501, 505})
    EXPECT_EQ(JudgeStatus({status, "", "", ""}, "").outcome, WEFT_EXPORT_DROP) << status;
}

TEST(Delivery, TellsTheReceiversWords) {
  EXPECT_EQ(JudgeStatus({400, "", "", ""}, "bad trace id").why, "HTTP 400: bad trace id");
}

TEST(Delivery, RetryAfterIsSecondsOrADate) {
  EXPECT_EQ(RetryAfterNs("7", 0), 7 * kSecond);
  EXPECT_EQ(RetryAfterNs("Thu, 01 Jan 1970 00:01:40 GMT", 40 * kSecond), 60 * kSecond);
  EXPECT_EQ(RetryAfterNs("Thu, 01 Jan 1970 00:00:01 GMT", 40 * kSecond), 0);  // it has passed
  EXPECT_EQ(RetryAfterNs("999999", 0), 3600 * kSecond);
  for (const char* text : {"", "-1", "soon", "1.5", "99999999999999999999"})
    EXPECT_EQ(RetryAfterNs(text, 0), 0) << text;
}

TEST(OtlpAnswer, ReadsPartialSuccess) {
  // partial_success {rejected_spans: 3, error_message: "no"}
  const OtlpAnswer proto = ReadResponse("\x0a\x06\x08\x03\x12\x02no"s, false);
  EXPECT_EQ(proto.rejected, 3u);
  EXPECT_EQ(proto.message, "no");
  const OtlpAnswer json =
      ReadResponse(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}})", true);
  EXPECT_EQ(json.rejected, 3u);
  EXPECT_EQ(json.message, "no");
}

TEST(OtlpAnswer, ReadsTheDelayOfRetryInfo) {
  // details {type_url: "x/google.rpc.RetryInfo", value: RetryInfo {retry_delay {seconds 2, nanos
  // 5}}}
  const std::string type = "x/google.rpc.RetryInfo";
  const std::string value = "\x0a\x04\x08\x02\x10\x05"s;
  const std::string any = "\x0a"s + static_cast<char>(type.size()) + type + "\x12"s +
                          static_cast<char>(value.size()) + value;
  const OtlpAnswer said = ReadStatus("\x08\x08\x1a"s + static_cast<char>(any.size()) + any, false);
  EXPECT_TRUE(said.has_retry_info);
  EXPECT_EQ(said.retry_delay_ns, 2 * kSecond + 5);
}

TEST(OtlpAnswer, WhatCannotBeReadSaysNothing) {
  EXPECT_EQ(ReadResponse("\x0a\xff"s, false).rejected, 0u);
  EXPECT_EQ(ReadResponse("<html>", true).rejected, 0u);
  EXPECT_FALSE(ReadStatus("\x1a\x7f"s, false).has_retry_info);
  EXPECT_EQ(ReadStatus("[1]", true).message, "");
}

}  // namespace
}  // namespace weft::sinks
