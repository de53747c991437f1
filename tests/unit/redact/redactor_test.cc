#include "engine/redact/redactor.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include <gmock/gmock.h>

#include "tests/support/temp_folder.h"

namespace weft::redact {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Rules> Make(const RedactSettings& settings) {
  auto rules = Rules::Make(settings);
  EXPECT_TRUE(rules) << rules.error().message;
  return rules ? *rules : nullptr;
}

// Rows with attributes, and what is left of them.
class RedactorTest : public testing::Test {
 protected:
  void Row(const std::vector<std::pair<std::string, std::string>>& attributes,
           std::string_view operation = "GET /") {
    const uint32_t row = spans_.AddRow();
    spans_.operation[row] = spans_.Intern(operation);
    for (const auto& [key, value] : attributes) spans_.Attribute(key, std::string_view(value));
  }
  std::map<std::string, std::string> Left(uint32_t row) const {
    std::map<std::string, std::string> out;
    for (uint32_t i = spans_.attr_offset[row]; i < spans_.attr_offset[row + 1]; ++i) {
      const uint32_t pair = spans_.attr[i];
      const auto value = static_cast<uint32_t>(spans_.pairs.value[pair]);
      out[std::string(spans_.strings.Text(spans_.pairs.key[pair]))] =
          spans_.pairs.type[pair] == WEFT_ATTR_STRING ? std::string(spans_.strings.Text(value))
                                                      : std::to_string(value);
    }
    return out;
  }
  void Apply(const RedactSettings& settings) { Redactor(Make(settings), metrics_).Apply(spans_); }

  api::SpanTable spans_;
  Metrics metrics_;
  test::TempFolder folder_;
};

using Attributes = std::map<std::string, std::string>;

TEST_F(RedactorTest, AttributesOfEventsAndLinksGoByTheirKeysToo) {
  std::ofstream(folder_.File("key")) << "0123456789abcdef0123456789abcdef";
  RedactSettings settings;
  settings.deny = {"user.email"};
  settings.hash = {"user.id"};
  settings.hash_key_file = folder_.File("key");
  Row({{"user.id", "7"},
       {"otel.events",
        R"([{"timeUnixNano":"1","name":"paid","attributes":{"user.email":"a@b.c","user.id":7,)"
        R"("password":"p","n":-2,"list":["4111 1111 1111 1111",{"secret":"s","x":1.5}]}},)"
        R"({"timeUnixNano":"2","name":"done"}])"},
       {"otel.links", R"([{"traceId":"00","spanId":"01","traceState":"ot=th:8",)"
                      R"("attributes":{"user.email":"a@b.c"}}])"}});
  Apply(settings);
  const std::string hash = Left(0)["user.id"];
  EXPECT_EQ(Left(0)["otel.events"],
            R"([{"timeUnixNano":"1","name":"paid","attributes":{"user.id":")" + hash +
                R"(","password":"REDACTED","n":-2,"list":["REDACTED",)"
                R"({"secret":"REDACTED","x":1.5}]}},{"timeUnixNano":"2","name":"done"}])");
  EXPECT_EQ(Left(0)["otel.links"],
            R"([{"traceId":"00","spanId":"01","traceState":"ot=th:8","attributes":{}}])");
  EXPECT_EQ(metrics_.Get("redact.dropped").Get(), 2u);
}

TEST_F(RedactorTest, AListOfWhatIsAllowedKeepsEventsWithoutTheirAttributesAndTheTraceState) {
  RedactSettings settings;
  settings.allow = {"http.*"};
  Row({{"otel.events", R"([{"timeUnixNano":"1","name":"x","attributes":{"http.a":"1","b":2}}])"},
       {"w3c.tracestate", "ot=th:8"},
       {"user.id", "7"}});
  Apply(settings);
  EXPECT_EQ(Left(0),
            (Attributes{
                {"otel.events", R"([{"timeUnixNano":"1","name":"x","attributes":{"http.a":"1"}}])"},
                {"w3c.tracestate", "ot=th:8"}}));
}

TEST_F(RedactorTest, ATraceStateIsHashedThatIsAskedForByNameOrWildcardInLinksToo) {
  std::ofstream(folder_.File("key")) << "0123456789abcdef0123456789abcdef";
  for (const char* key : {"w3c.tracestate", "w3c.*", "*"}) {
    spans_ = {};
    RedactSettings settings;
    settings.allow = {"http.*"};
    settings.hash = {key};
    settings.hash_key_file = folder_.File("key");
    Row({{"w3c.tracestate", "user=ann"},
         {"otel.links", R"([{"traceId":"00","spanId":"01","traceState":"user=ann"}])"}});
    Apply(settings);
    const std::string hash = Left(0)["w3c.tracestate"];
    EXPECT_EQ(hash.size(), 16u) << key;
    EXPECT_EQ(Left(0)["otel.links"],
              R"([{"traceId":"00","spanId":"01","traceState":")" + hash + R"("}])");
  }
}

TEST_F(RedactorTest, TheTraceStateOfALinkIsHiddenAndDeniedAsThatOfASpan) {
  const std::string link = R"([{"traceId":"00","spanId":"01","traceState":"u=a@example.com"}])";
  Row({{"otel.links", link}});
  RedactSettings settings;
  settings.values = {"emails"};
  Apply(settings);
  EXPECT_EQ(Left(0)["otel.links"], R"([{"traceId":"00","spanId":"01","traceState":"u=REDACTED"}])");
  spans_ = {};
  Row({{"otel.links", link}});
  settings.deny = {"w3c.tracestate"};
  Apply(settings);
  EXPECT_EQ(Left(0)["otel.links"], R"([{"traceId":"00","spanId":"01"}])");
}

TEST_F(RedactorTest, AWildcardHashesTheAttributesOfEvents) {
  std::ofstream(folder_.File("key")) << "0123456789abcdef0123456789abcdef";
  RedactSettings settings;
  settings.hash = {"*"};
  settings.hash_key_file = folder_.File("key");
  Row({{"id", "7"},
       {"otel.events", R"([{"timeUnixNano":"1","name":"paid","attributes":{"id":"7"}}])"}});
  Apply(settings);
  EXPECT_EQ(Left(0)["otel.events"], R"([{"timeUnixNano":"1","name":"paid","attributes":{"id":")" +
                                        Left(0)["id"] + R"("}}])");
}

TEST_F(RedactorTest, EventsThatAreNoneAreHiddenWhole) {
  Row({{"otel.events", R"({"user.email":)"}});
  Row({{"otel.links", R"({"user.email":"a@b.c"})"}});
  Row({{"otel.events", R"([{"timeUnixNano":"1","name":"x"}])"}});
  Apply({});
  EXPECT_EQ(Left(0)["otel.events"], "REDACTED");
  EXPECT_EQ(Left(1)["otel.links"], "REDACTED");
  EXPECT_EQ(Left(2)["otel.events"], R"([{"timeUnixNano":"1","name":"x"}])");
}

TEST_F(RedactorTest, HidesKnownSecretsByDefault) {
  Row({{"http.request.header.authorization", "x"}, {"url.path", "/a"}, {"db.user", "ann"}},
      "GET /pay?token=abc");
  spans_.Attribute("gen_ai.usage.input_tokens", int64_t{7});
  Row({{"url.query", "key=1&page=2"}, {"card", "4111 1111 1111 1111"}});
  Apply({});
  EXPECT_EQ(Left(0), (Attributes{{"http.request.header.authorization", "REDACTED"},
                                 {"url.path", "/a"},
                                 {"db.user", "ann"},
                                 {"gen_ai.usage.input_tokens", "7"}}));
  EXPECT_EQ(spans_.strings.Text(spans_.operation[0]), "GET /pay?token=REDACTED");
  EXPECT_EQ(Left(1), (Attributes{{"url.query", "key=REDACTED&page=2"}, {"card", "REDACTED"}}));
  EXPECT_EQ(metrics_.Get("redact.hidden").Get(), 4u);
}

TEST_F(RedactorTest, NumbersAreSecretsToo) {
  Row({});
  spans_.Attribute("card", int64_t{4111111111111111});
  spans_.Attribute("otp", int64_t{123456});
  spans_.Attribute("bytes", int64_t{4111111111111112});
  Apply({});
  EXPECT_EQ(Left(0)["card"], "REDACTED");
  EXPECT_EQ(Left(0)["otp"], "REDACTED");
  EXPECT_NE(Left(0)["bytes"], "REDACTED");
}

TEST_F(RedactorTest, DropsWhatIsDeniedOrNotAllowed) {
  Row({{"http.method", "GET"}, {"http.secretive", "1"}, {"db.statement", "x"}});
  spans_.AddProcess(1, "h", "s", "e", 7);
  spans_.ProcessAttribute("os.type", "linux");
  spans_.ProcessAttribute("http.flavor", "2");
  Row({});
  Row({{"db.statement", "x"}, {"http.method", "GET"}});
  RedactSettings settings;
  settings.allow = {"http.*"};
  settings.deny = {"http.secretive"};
  Apply(settings);
  EXPECT_EQ(Left(0), (Attributes{{"http.method", "GET"}}));
  EXPECT_EQ(Left(1), (Attributes{}));
  EXPECT_EQ(Left(2), (Attributes{{"http.method", "GET"}}));
  EXPECT_EQ(spans_.processes.attr.size(), 1u);
  EXPECT_EQ(spans_.processes.attr_offset, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(metrics_.Get("redact.dropped").Get(), 3u);
}

TEST_F(RedactorTest, HashesWithAKeySoThatEqualValuesStayEqual) {
  const std::string key = folder_.path() / "key";
  std::ofstream(key) << "000102030405060708090a0b0c0d0e0f\n";
  Row({{"enduser.id", "ann"}});
  Row({{"enduser.id", "bob"}});
  Row({{"enduser.id", "ann"}, {"other", "ann"}});
  RedactSettings settings;
  settings.hash = {"enduser.id"};
  settings.hash_key_file = key;
  Apply(settings);
  EXPECT_EQ(Left(0)["enduser.id"].size(), 16u);
  EXPECT_EQ(Left(0)["enduser.id"], Left(2)["enduser.id"]);
  EXPECT_NE(Left(0)["enduser.id"], Left(1)["enduser.id"]);
  EXPECT_EQ(Left(2)["other"], "ann");
}

TEST_F(RedactorTest, TheUsersPatternsAreHiddenToo) {
  Row({{"note", "order ORD-1234 of eyJhbGciOiJI.eyJzdWIi.SflKxw"}, {"plain", "x"}});
  RedactSettings settings;
  settings.patterns = {"ORD-[0-9]+"};
  Apply(settings);
  EXPECT_EQ(Left(0), (Attributes{{"note", "order REDACTED of REDACTED"}, {"plain", "x"}}));
}

TEST_F(RedactorTest, LeavesEverythingAloneWhereNothingIsAskedFor) {
  RedactSettings settings;
  settings.secrets = false;
  settings.values = {};
  EXPECT_EQ(Make(settings), nullptr);
  Row({{"password", "x"}});
  Apply(settings);
  EXPECT_EQ(Left(0), (Attributes{{"password", "x"}}));
}

TEST_F(RedactorTest, RefusesWhatCannotBeWithTheRemedy) {
  const auto refusal = [](const RedactSettings& settings) {
    const auto rules = Rules::Make(settings);
    return rules ? "" : rules.error().message;
  };
  RedactSettings settings;
  settings.values = {"phones"};
  EXPECT_THAT(refusal(settings), HasSubstr("'phones' is none of tokens, cards, emails"));
  settings = {};
  settings.patterns = {"("};
  EXPECT_THAT(refusal(settings), HasSubstr("redact.patterns: '('"));
  settings.patterns = {"x*"};
  EXPECT_THAT(refusal(settings), HasSubstr("matches the empty text"));
  settings = {};
  settings.hash = {"enduser.id"};
  EXPECT_THAT(refusal(settings), HasSubstr("hash_key_file is missing"));
  settings.deny = {"network.peer.address"};
  EXPECT_THAT(refusal(settings), HasSubstr("'network.peer.address' is a part of every span"));
  settings.deny = {};
  settings.hash = {"otel.links"};
  EXPECT_THAT(refusal(settings), HasSubstr("redact.hash: 'otel.links' is a list"));
  settings.hash = {"enduser.id"};
  settings.hash_key_file = folder_.path() / "nothing";
  EXPECT_THAT(refusal(settings), HasSubstr("cannot be read"));
  std::ofstream(settings.hash_key_file) << "short\n";
  EXPECT_THAT(refusal(settings), HasSubstr("openssl rand -hex 16"));
}

}  // namespace
}  // namespace weft::redact
