// What must hold however a transcript was damaged: no exchange has a response that is not its own.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/transcript.h"

namespace weft::testing {

// Whoever has a response must have the right one.
inline void ExpectNoneWrong(const std::vector<Found>& found, const std::vector<Found>& truth,
                            const std::string& what) {
  for (const Found& f : found) {
    if (!f.has_response) continue;
    const bool right = std::ranges::any_of(truth, [&](const Found& t) {
      return t.request_begin == f.request_begin && t.response_begin == f.response_begin &&
             t.direction == f.direction;
    });
    EXPECT_TRUE(right) << what << ": a wrong pair\n" << f.text;
  }
}

// Cut at every `step`-th byte, with one segment lost or with little captured.
inline void ExpectRobust(const Transcript& transcript, const std::string& what, size_t step = 1) {
  const std::vector<Found> truth = Play(transcript);
  for (size_t i = 0; i < transcript.events.size(); ++i) {
    const Event& event = transcript.events[i];
    if (event.kind != Event::Kind::kBytes) continue;
    const std::string where = what + ", segment " + std::to_string(i);
    for (size_t cut = 1; cut < event.bytes.size(); cut += step) {
      Transcript t = transcript;
      t.events[i].bytes.resize(cut);
      t.events[i].n = 0;
      Event rest = event;
      rest.bytes.erase(0, cut);
      t.events.insert(t.events.begin() + static_cast<ptrdiff_t>(i) + 1, rest);
      ExpectNoneWrong(Play(t), truth, where + " cut at " + std::to_string(cut));
    }
    Transcript t = transcript;
    t.events[i].kind = Event::Kind::kLost;
    t.events[i].n += event.bytes.size();
    ExpectNoneWrong(Play(t), truth, where + " lost");
  }
  for (const size_t limit : {16, 64, 200}) {
    Transcript t = transcript;
    for (Event& event : t.events) {
      if (event.kind != Event::Kind::kBytes || event.bytes.size() <= limit) continue;
      event.n += event.bytes.size() - limit;
      event.bytes.resize(limit);
    }
    ExpectNoneWrong(Play(t), truth, what + ", captured " + std::to_string(limit));
  }
}

}  // namespace weft::testing
