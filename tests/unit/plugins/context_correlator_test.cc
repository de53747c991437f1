#include <gmock/gmock.h>

#include "engine/api/span_table.h"
#include "tests/accuracy/decider.h"
#include "tests/unit/plugins/plugin_fixture.h"

namespace weft {
namespace {

// Rows are added in order of start; every row may carry a context and an X-Request-ID.
class ContextCorrelator : public PluginFixture {
 protected:
  ContextCorrelator() { table_.AddProcess(1, "host", "shop", "", 1); }

  uint32_t Row(weft_kind kind, int64_t start, int64_t end, uint64_t trace = 0, uint64_t span = 0,
               std::string_view request_id = "") {
    const uint32_t row = table_.AddRow();
    table_.kind[row] = static_cast<uint8_t>(kind);
    table_.start_ns[row] = start;
    table_.end_ns[row] = end;
    if (trace != 0) table_.flags[row] = WEFT_FLAG_CONTEXT;
    table_.context_trace_hi[row] = table_.context_trace_lo[row] = trace;
    table_.context_span_id[row] = span;
    table_.request_id[row] = table_.Intern(request_id);
    return row;
  }
  uint32_t Server(int64_t start, int64_t end, uint64_t trace = 0, uint64_t span = 0,
                  std::string_view request_id = "") {
    return Row(WEFT_KIND_SERVER, start, end, trace, span, request_id);
  }
  uint32_t Call(int64_t start, uint64_t trace = 0, uint64_t span = 0,
                std::string_view request_id = "") {
    return Row(WEFT_KIND_CLIENT, start, start + 5, trace, span, request_id);
  }

  struct Voice {
    uint32_t child, candidate, evidence;
    float log_odds;
    bool operator==(const Voice&) const = default;
  };
  std::vector<Voice> Voices(std::string_view config = "{}") {
    accuracy::Decider decider({&Make(plugin::Kind::kCorrelator, "context", config)});
    auto view = table_.View();
    const std::vector<uint8_t> roles(table_.n(), WEFT_ROLE_DECIDE);
    view.spans_.role = roles.data();
    EXPECT_TRUE(decider.Run(view.spans()));
    std::vector<Voice> out;
    const auto& v = decider.voices();
    for (uint32_t i = 0; i < v.n; ++i)
      out.push_back({v.child[i], v.candidate[i], v.evidence[i], v.log_odds[i]});
    return out;
  }
  api::SpanTable table_;
};

MATCHER_P3(Says, child, candidate, evidence, "") {
  return arg.child == child && arg.candidate == candidate && arg.evidence == uint32_t{evidence};
}

TEST_F(ContextCorrelator, FixesTheOnlyOpenRequestOfTheTrace) {
  Server(1, 100, 0xa, 1);
  const auto mine = Server(2, 100, 0xb, 2);
  const auto call = Call(10, 0xb, 77);
  EXPECT_THAT(Voices(), testing::ElementsAre(Says(call, mine, WEFT_EVIDENCE_CONTEXT)));
}

TEST_F(ContextCorrelator, TellsRequestsOfOneTraceApartByTheSpanIdThatIsPassedOn) {
  Server(1, 100, 0xa, 1);
  const auto mine = Server(2, 100, 0xa, 2);
  const auto call = Call(10, 0xa, 2);
  EXPECT_THAT(Voices(), testing::ElementsAre(Says(call, mine, WEFT_EVIDENCE_CONTEXT)));
}

TEST_F(ContextCorrelator, FixesNothingAmongSeveralRequestsOfOneTrace) {
  const auto a = Server(1, 100, 0xa, 1);
  const auto b = Server(2, 100, 0xa, 2);
  Server(3, 100, 0xc, 2);
  const auto call = Call(10, 0xa, 77);
  EXPECT_THAT(Voices(), testing::UnorderedElementsAre(Says(call, a, WEFT_EVIDENCE_TOKEN),
                                                      Says(call, b, WEFT_EVIDENCE_TOKEN)));
}

TEST_F(ContextCorrelator, IgnoresRequestsThatHadEnded) {
  Server(1, 5, 0xa, 1);
  Call(10, 0xa, 1);
  EXPECT_THAT(Voices(), testing::IsEmpty());
}

TEST_F(ContextCorrelator, TakesAUniqueRequestIdAsStrongButSoftEvidence) {
  Server(1, 100, 0, 0, "id-1");
  const auto mine = Server(2, 100, 0, 0, "id-2");
  const auto call = Call(10, 0, 0, "id-2");
  const auto voices = Voices();
  ASSERT_THAT(voices, testing::ElementsAre(Says(call, mine, WEFT_EVIDENCE_TOKEN)));
  EXPECT_FLOAT_EQ(voices[0].log_odds, 6.0f);
}

TEST_F(ContextCorrelator, IgnoresARequestIdThatTwoRequestsShare) {
  Server(1, 100, 0, 0, "id-1");
  Server(2, 100, 0, 0, "id-1");
  Call(10, 0, 0, "id-1");
  EXPECT_THAT(Voices(), testing::IsEmpty());
}

TEST_F(ContextCorrelator, LeavesRequestIdsAloneWhenSwitchedOff) {
  Server(1, 100, 0, 0, "id-1");
  Call(10, 0, 0, "id-1");
  EXPECT_THAT(Voices(R"({"request_id": false})"), testing::IsEmpty());
}

TEST_F(ContextCorrelator, IsSilentWithoutAnyContext) {
  Server(1, 100);
  Call(10);
  EXPECT_THAT(Voices(), testing::IsEmpty());
}

}  // namespace
}  // namespace weft
