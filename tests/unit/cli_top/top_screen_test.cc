#include "engine/cli/top_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "tests/unit/cli_top/scripted_process.h"

namespace weft::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// An engine after 2 s with 1,000 spans a second.
TopView Working() {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  endpoint.Look(kSecond, 0);
  process.Grow(2000);
  process.lost = 4;
  return endpoint.Look(3 * kSecond, 1'700'000'090 * kSecond);
}

TopView Silent() {
  ScriptedProcess process;
  process.answers = false;
  TopEndpoint endpoint = process.Endpoint();
  endpoint.Look(kSecond, 0);
  TopView view = endpoint.Look(13 * kSecond, 0);
  view.address = "engine-2:9338";
  return view;
}

std::string Text(const std::vector<TopView>& views, int width) {
  OutputStyle style;
  style.width = width;
  return PlainText(TopLines("now", views, style));
}

TEST(TopScreen, ShowsTheWayOfTheSpansTheStagesTheSinksAndWhatWasLost) {
  EXPECT_EQ(Text({Working()}, 110), R"(now

127.0.0.1:9338
  process weft run 1.2.3  up 90s  0.31 cores  84MB
  kernel  seen 1000/s  submitted 1000/s
  agent   observed 1000/s  records 1000/s  published 1000/s  queued 0
  links   spans 1000/s  open windows 3  waiting for callers 40
  traces  open 12  their spans 120  spans 1000/s  kept 1000/s  stored 1000/s
  stage     lag  watermark  partitions  records behind  spans  memory  read     written  commit p99
  stitch  250ms       1.5s           2               -    800   160KB  100KB/s        -           -
  trace   250ms       1.5s           2               -    800   160KB  100KB/s        -           -
  sink    stored  pending  queued  retries  delay p50    p99
  sqlite  1000/s       64  20.5KB        -       1.3s  2.48s
  lost    kernel.ring_full 5  agent.dropped 4 (+2.0/s)
)");
}

TEST(TopScreen, OnANarrowTerminalFactsGoOnBelowAndTablesLoseTheirLastColumns) {
  EXPECT_EQ(Text({Working()}, 48), R"(now

127.0.0.1:9338
  process weft run 1.2.3  up 90s  0.31 cores
          84MB
  kernel  seen 1000/s  submitted 1000/s
  agent   observed 1000/s  records 1000/s
          published 1000/s  queued 0
  links   spans 1000/s  open windows 3
          waiting for callers 40
  traces  open 12  their spans 120  spans 1000/s
          kept 1000/s  stored 1000/s
  stage     lag  watermark  partitions
  stitch  250ms       1.5s           2
  trace   250ms       1.5s           2
  sink    stored  pending  queued  retries
  sqlite  1000/s       64  20.5KB        -
  lost    kernel.ring_full 5
          agent.dropped 4 (+2.0/s)
)");
}

TEST(TopScreen, OfSeveralAnOverviewComesFirst) {
  const std::string text = Text({Working(), Silent()}, 110);
  EXPECT_THAT(text, StartsWith(R"(now
endpoint        state      lost    lag  watermark  observed  stored  open  cores  memory   up
127.0.0.1:9338  run           9  250ms       1.5s    1000/s  1000/s    12   0.31    84MB  90s
engine-2:9338   no answer     -      -          -         -       -     -      -       -    -

)"));
  EXPECT_THAT(text, EndsWith("\nengine-2:9338\n"
                             "          no answer: Connection refused (for 12s)\n"));
}

TEST(TopScreen, BeforeTheSecondReadingThereAreNoRates) {
  ScriptedProcess process;
  const std::string text = Text({process.Endpoint().Look(1, 0)}, 110);
  EXPECT_THAT(text, HasSubstr("open 12"));
  EXPECT_THAT(text, Not(HasSubstr("/s")));
}

TEST(TopScreen, LinesFitAnyTerminal) {
  for (int width = 1; width < 130; ++width)
    for (const ScreenLine& line :
         TopLines("a title", std::vector<TopView>{Working(), Silent()}, {width, false, true}))
      EXPECT_LE(DisplayWidth(line.text), static_cast<size_t>(width)) << line.text;
}

TEST(TopScreen, AFrameIsAsHighAsTheTerminalAndSaysWhatItLeavesOut) {
  const std::vector<ScreenLine> lines = {{"a", ScreenLine::Look::kTitle},
                                         {"b", ScreenLine::Look::kBad},
                                         {"c", ScreenLine::Look::kPlain},
                                         {"d", ScreenLine::Look::kPlain}};
  EXPECT_EQ(PaintFrame(lines, {100, true, true}, 4),
            "\x1b[H\x1b[K\x1b[1ma\x1b[0m\r\n\x1b[K\x1b[31mb\x1b[0m\r\n\x1b[Kc\r\n\x1b[Kd\x1b[J");
  EXPECT_EQ(PaintFrame(lines, {100, false, true}, 3),
            "\x1b[H\x1b[Ka\r\n\x1b[Kb\r\n\x1b[K2 more lines: a taller terminal shows them\x1b[J");
}

}  // namespace
}  // namespace weft::cli
