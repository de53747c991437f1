#include "sources/ebpf/protocols/trace_headers.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <simdjson.h>
#include <sstream>

namespace weft::ebpf {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

TraceHeaders::Verdict Read(const Headers& headers, TraceContext* context, std::string* state) {
  TraceHeaders reader;
  for (const auto& [name, value] : headers) reader.Add(name, value);
  return reader.Finish(context, state);
}

std::vector<std::string> Split(const std::string& line, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : line) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  }
  return parts;
}

Headers ParseHeaders(const std::string& json) {
  simdjson::dom::parser parser;
  Headers headers;
  for (const simdjson::dom::element pair : parser.parse(json).get_array()) {
    const simdjson::dom::array two = pair.get_array();
    headers.emplace_back(std::string(two.at(0).get_string().value()),
                         std::string(two.at(1).get_string().value()));
  }
  return headers;
}

// The cases of the W3C's own test suite, as far as they are about reading.
TEST(TraceHeaders, AgreesWithTheTestSuiteOfTraceContext) {
  const char* data = std::getenv("WEFT_DATA");
  if (!data) GTEST_SKIP() << "WEFT_DATA is not set: no test data";
  std::ifstream file(std::string(data) + "/w3c-trace-context/propagation_cases.tsv");
  if (!file) GTEST_SKIP() << "no w3c-trace-context in WEFT_DATA";
  std::string line;
  std::getline(file, line);
  int cases = 0;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = Split(line, '\t');
    ASSERT_GE(fields.size(), 9u);
    TraceContext context;
    std::string state;
    const auto verdict = Read(ParseHeaders(fields[5]), &context, &state);
    const std::string what = "case " + fields[0] + " " + fields[1];
    ++cases;
    char id[33];
    std::snprintf(id, sizeof id, "%016lx%016lx", context.trace_hi, context.trace_lo);
    if (fields[6].starts_with("same:")) {
      EXPECT_EQ(verdict, TraceHeaders::Verdict::kValid) << what;
      EXPECT_EQ(id, fields[6].substr(5)) << what;
    } else if (fields[6] == "new") {
      EXPECT_NE(verdict, TraceHeaders::Verdict::kValid) << what;
    }
    simdjson::dom::parser parser;
    for (const auto& [key, value] : parser.parse(fields[7]).get_object()) {
      const std::string member = std::string(key) + "=";
      // Broken traceparents of the suite come with an expectation about tracestate all the same.
      if (verdict != TraceHeaders::Verdict::kValid) continue;
      EXPECT_NE(("," + state).find(member), std::string::npos) << what << ": " << state;
    }
    for (const simdjson::dom::element key : parser.parse(fields[8]).get_array()) {
      const std::string member = std::string(key.get_string().value()) + "=";
      EXPECT_EQ(state.find(member), std::string::npos) << what << ": " << state;
    }
  }
  EXPECT_EQ(cases, 83);
}

TEST(TraceHeaders, ReadsB3InItsSingleHeader) {
  TraceContext context;
  EXPECT_TRUE(
      ParseB3("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", &context));
  EXPECT_EQ(context.trace_hi, 0x80f198ee56343ba8u);
  EXPECT_EQ(context.span_id, 0xe457b5a2e4d86bd1u);
  EXPECT_TRUE(context.sampled);
  EXPECT_TRUE(ParseB3("64fe8b2a57d3eff7-e457b5a2e4d86bd1-0", &context));
  EXPECT_TRUE(context.unsampled);
  EXPECT_TRUE(ParseB3("64fe8b2a57d3eff7-e457b5a2e4d86bd1", &context));
  EXPECT_EQ(context.trace_hi, 0u);
  EXPECT_FALSE(context.sampled || context.unsampled);  // left to the receiver
  EXPECT_TRUE(ParseB3("0", &context));
  EXPECT_FALSE(context.valid());
}

TEST(TraceHeaders, RefusesBrokenB3) {
  TraceContext context;
  for (const char* bad :
       {"", "-", "2", "64fe8b2a57d3eff7", "64fe8b2a57d3eff7-", "64fe8b2a57d3eff7-e457b5a2e4d86bd",
        "64FE8B2A57D3EFF7-e457b5a2e4d86bd1", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-2",
        "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05",
        "0000000000000000-e457b5a2e4d86bd1", "64fe8b2a57d3eff7-0000000000000000",
        "64fe8b2a57d3eff7-e457b5a2e4d86bd1-"})
    EXPECT_FALSE(ParseB3(bad, &context)) << bad;
}

TEST(TraceHeaders, PrefersTraceparentAndDoesNotFallBackFromABrokenOne) {
  TraceContext context;
  std::string state;
  const std::pair<std::string, std::string> b3{"b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1"};
  EXPECT_EQ(Read({b3, {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
                 &context, &state),
            TraceHeaders::Verdict::kValid);
  EXPECT_EQ(context.span_id, 0x00f067aa0ba902b7u);
  EXPECT_EQ(Read({b3, {"traceparent", "00-short"}}, &context, &state),
            TraceHeaders::Verdict::kInvalid);
  EXPECT_EQ(Read({b3}, &context, &state), TraceHeaders::Verdict::kValid);
}

TEST(TraceHeaders, NeedsBothIdsOfTheB3Headers) {
  TraceContext context;
  std::string state;
  EXPECT_EQ(Read({{"X-B3-TraceId", "a3ce929d0e0e4736"}}, &context, &state),
            TraceHeaders::Verdict::kInvalid);
  EXPECT_EQ(Read({{"X-B3-Sampled", "0"}}, &context, &state), TraceHeaders::Verdict::kNone);
  EXPECT_EQ(Read({{"x-b3-traceid", "a3ce929d0e0e4736"}, {"x-b3-spanid", "00f067aa0ba902b7"}},
                 &context, &state),
            TraceHeaders::Verdict::kValid);
}

TEST(TraceHeaders, KeepsToTheLimitsOfTracestate) {
  std::string members = "a0=1";
  for (int i = 1; i < 32; ++i) members += ",a" + std::to_string(i) + "=1";
  EXPECT_TRUE(ValidTracestate(members));
  EXPECT_FALSE(ValidTracestate(members + ",b=1"));
  EXPECT_TRUE(ValidTracestate(std::string(256, 'k') + "=" + std::string(256, 'v')));
  EXPECT_FALSE(ValidTracestate(std::string(257, 'k') + "=v"));
  EXPECT_FALSE(ValidTracestate("k=" + std::string(257, 'v')));
}

TEST(TraceHeaders, IgnoresABadTracestateAndSaysSo) {
  TraceHeaders reader;
  reader.Add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  reader.Add("tracestate", "not a member");
  TraceContext context;
  std::string state;
  EXPECT_EQ(reader.Finish(&context, &state), TraceHeaders::Verdict::kValid);
  EXPECT_EQ(state, "");
  EXPECT_TRUE(reader.BadState());
}

TEST(TraceHeaders, RefusesB3HeadersOfWhichOneIsBroken) {
  const Headers good = {{"x-b3-traceid", "a3ce929d0e0e4736"}, {"x-b3-spanid", "00f067aa0ba902b7"}};
  for (const auto& bad : Headers{{"X-B3-ParentSpanId", "nope"}, {"x-b3-sampled", "maybe"}}) {
    Headers headers = good;
    headers.push_back(bad);
    TraceContext context;
    std::string state;
    EXPECT_EQ(Read(headers, &context, &state), TraceHeaders::Verdict::kInvalid) << bad.first;
  }
}

TEST(TraceHeaders, KnowTheLowerCaseHexDigitsFromEveryOtherByteInEveryPlace) {
  const std::string valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  TraceContext context;
  ASSERT_TRUE(ParseTraceparent(valid, &context));
  EXPECT_EQ(context.trace_hi, 0x0af7651916cd43ddu);
  EXPECT_EQ(context.trace_lo, 0x8448eb211c80319cu);
  EXPECT_EQ(context.span_id, 0xb7ad6b7169203331u);
  for (size_t at = 3; at < 35; ++at)
    for (int c = 0; c < 256; ++c) {
      std::string changed = valid;
      changed[at] = static_cast<char>(c);
      const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      EXPECT_EQ(ParseTraceparent(changed, &context), digit) << at << " " << c;
    }
}

}  // namespace
}  // namespace weft::ebpf
