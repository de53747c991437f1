// Runs tests/golden/<protocol>/*.in and compares with *.expect. WEFT_UPDATE_GOLDEN=1 rewrites them.
// Every case is also fed cut at each byte, with each segment lost, and with bodies not captured.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/transcript.h"
#include "tests/unit/sources/protocols/none_wrong.h"

namespace weft::testing {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> Cases() {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::recursive_directory_iterator(WEFT_GOLDEN_DIR))
    if (entry.path().extension() == ".in") cases.push_back(entry.path());
  std::ranges::sort(cases);
  return cases;
}

class Golden : public ::testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    auto parsed = ParseTranscript(ReadText(GetParam()));
    ASSERT_TRUE(parsed.has_value()) << GetParam() << ": " << parsed.error().message;
    transcript_ = std::move(*parsed);
    whole_ = std::ranges::all_of(transcript_.events, [](const Event& e) {
      return e.kind != Event::Kind::kLost && (e.kind != Event::Kind::kBytes || e.n == 0);
    });
  }
  Transcript transcript_;
  bool whole_ = false;  // nothing lost, all captured: what is found must not depend on cuts
};

TEST_P(Golden, GivesTheExpectedExchanges) {
  std::string ledger, text;
  for (const Found& found : Play(transcript_, &ledger)) text += found.text + "\n";
  text += ledger;
  fs::path expect = GetParam();
  expect.replace_extension(".expect");
  if (std::getenv("WEFT_UPDATE_GOLDEN")) {
    std::ofstream(expect, std::ios::binary) << text;
    GTEST_SKIP() << "rewrote " << expect;
  }
  EXPECT_EQ(text, ReadText(expect)) << expect;
}

TEST_P(Golden, IsTheSameCutAtEveryByte) {
  const std::vector<Found> truth = Play(transcript_);
  for (size_t i = 0; i < transcript_.events.size(); ++i) {
    const Event event = transcript_.events[i];
    if (event.kind != Event::Kind::kBytes) continue;
    for (size_t cut = 1; cut < event.bytes.size(); ++cut) {
      Transcript t = transcript_;
      t.events[i].bytes.resize(cut);
      t.events[i].n = 0;
      Event rest = event;
      rest.bytes.erase(0, cut);
      t.events.insert(t.events.begin() + static_cast<ptrdiff_t>(i) + 1, rest);
      const std::vector<Found> found = Play(t);
      const std::string what = "segment " + std::to_string(i) + " cut at " + std::to_string(cut);
      if (whole_) {
        ASSERT_EQ(found.size(), truth.size()) << what;
        for (size_t k = 0; k < found.size(); ++k) ASSERT_EQ(found[k].text, truth[k].text) << what;
      } else {
        ExpectNoneWrong(found, truth, what);
      }
    }
  }
}

TEST_P(Golden, IsTheSameByteByByte) {
  if (!whole_) return;
  const std::vector<Found> truth = Play(transcript_);
  Transcript t = transcript_;
  t.events.clear();
  for (const Event& event : transcript_.events) {
    if (event.kind != Event::Kind::kBytes) {
      t.events.push_back(event);
      continue;
    }
    for (const char c : event.bytes) {
      t.events.push_back(event);
      t.events.back().bytes.assign(1, c);
    }
  }
  const std::vector<Found> found = Play(t);
  ASSERT_EQ(found.size(), truth.size());
  for (size_t k = 0; k < found.size(); ++k) EXPECT_EQ(found[k].text, truth[k].text);
}

TEST_P(Golden, GivesNoWrongPairWhenASegmentIsLost) {
  const std::vector<Found> truth = Play(transcript_);
  for (size_t i = 0; i < transcript_.events.size(); ++i) {
    if (transcript_.events[i].kind != Event::Kind::kBytes) continue;
    for (size_t j = i; j < std::min(i + 3, transcript_.events.size()); ++j) {
      Transcript t = transcript_;
      for (size_t k = i; k <= j; ++k) {
        Event& event = t.events[k];
        if (event.kind != Event::Kind::kBytes) continue;
        event.kind = Event::Kind::kLost;
        event.n += event.bytes.size();
      }
      ExpectNoneWrong(Play(t), truth,
                      "segments " + std::to_string(i) + ".." + std::to_string(j) + " lost");
    }
  }
}

TEST_P(Golden, GivesNoWrongPairWhenLittleIsCaptured) {
  const std::vector<Found> truth = Play(transcript_);
  for (const size_t limit : {16, 40, 64, 100, 200}) {
    Transcript t = transcript_;
    for (Event& event : t.events) {
      if (event.kind != Event::Kind::kBytes || event.bytes.size() <= limit) continue;
      event.n += event.bytes.size() - limit;
      event.bytes.resize(limit);
    }
    ExpectNoneWrong(Play(t), truth, "captured " + std::to_string(limit));
  }
}

TEST_P(Golden, FindsItsPlaceAgainAfterALoss) {
  const std::vector<Found> all = Play(transcript_);
  if (all.empty() || !whole_) return;
  const bool http = all[0].text.find("http.request.method") != std::string::npos;
  const ebpf::Direction requests = all[0].direction;
  const std::string request = http ? "GET /again HTTP/1.1\r\n\r\n" : "*1\r\n$4\r\nINFO\r\n";
  const std::string response = http ? "HTTP/1.1 204 No Content\r\n\r\n" : "$2\r\nok\r\n";
  const auto found_again = [&](Transcript t) {
    for (int round = 0; round < 4; ++round) {
      t.events.push_back({Event::Kind::kWait, requests, "", 200});
      t.events.push_back({Event::Kind::kBytes, requests, request, 0});
      t.events.push_back({Event::Kind::kBytes, ebpf::Opposite(requests), response, 0});
    }
    const std::vector<Found> found = Play(t);
    return !found.empty() && found.back().has_response &&
           found.back().operation == (http ? "GET /again" : "INFO");
  };
  if (!found_again(transcript_)) return;  // ends on purpose: upgrade, close
  for (size_t lost = 0; lost < transcript_.events.size(); ++lost) {
    if (transcript_.events[lost].kind != Event::Kind::kBytes) continue;
    Transcript t = transcript_;
    t.events[lost].kind = Event::Kind::kLost;
    t.events[lost].n += t.events[lost].bytes.size();
    EXPECT_TRUE(found_again(t)) << "segment " << lost << " lost";
  }
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(Cases()), [](const auto& case_info) {
  std::string name =
      case_info.param.parent_path().filename().string() + "_" + case_info.param.stem().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace weft::testing
