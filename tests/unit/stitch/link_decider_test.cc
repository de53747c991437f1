#include "engine/stitch/link_decider.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "engine/api/ids.h"

namespace weft::stitch {
namespace {

constexpr float kNoNumbers[] = {NAN, INFINITY, -INFINITY};

// A window and what is said of it, at random: requests and calls, some of them both sides of one
// exchange; voices in any order, of rows that may not be open, too.
struct RandomWindow {
  explicit RandomWindow(uint64_t seed) : random(seed) {
    const uint32_t n = 1 + Below(60);
    int64_t now = 1'000;
    uint64_t wire = 100;
    bool paired = true;
    for (uint32_t row = 0; row < n; ++row) {
      const uint8_t before = row == 0 ? 0 : kind.back();
      const bool server = Below(2) == 0;
      now += Below(3);
      // With the row before it one exchange.
      paired = !paired && server != (before == WEFT_KIND_SERVER) && Below(3) == 0;
      if (!paired) ++wire;
      start.push_back(now);
      end.push_back(Below(5) == 0 ? 0 : now + Below(60));
      kind.push_back(server ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT);
      role.push_back(Below(4) == 0 ? WEFT_ROLE_BEFORE : WEFT_ROLE_DECIDE);
      span_id.push_back(api::SpanId(wire, server ? api::Side::kServer : api::Side::kClient));
    }
    const uint32_t style = Below(3);
    for (uint32_t row = 0; row < n && style != 0; ++row) {
      if (Below(4) == 0) continue;
      for (uint32_t other = 0; other < n; ++other)
        if (style == 2 ? kind[other] == WEFT_KIND_SERVER : Below(20) == 0) Say(row, other);
      if (Below(3) == 0) Say(row, WEFT_NONE);
    }
    for (uint32_t i = Below(5); i > 0; --i) Say(Below(n), Below(n));
  }
  void Say(uint32_t call, uint32_t request) {
    child.push_back(call);
    candidate.push_back(request);
    log_odds.push_back(Below(50) == 0 ? kNoNumbers[Below(3)] : static_cast<float>(Below(9)) - 4);
    evidence.push_back(Below(40) == 0 ? uint32_t{WEFT_EVIDENCE_CONTEXT} : 1u << (2 + Below(3)));
  }
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random() % limit); }

  weft_spans View() const {
    weft_spans view{};
    view.struct_size = sizeof view;
    view.n = static_cast<uint32_t>(start.size());
    view.span_id = span_id.data();
    view.start_ns = start.data();
    view.end_ns = end.data();
    view.kind = kind.data();
    view.role = role.data();
    return view;
  }
  weft_candidates Voices() {
    const auto n = static_cast<uint32_t>(child.size());
    return {
        sizeof(weft_candidates), n,       n,      child.data(), candidate.data(), log_odds.data(),
        evidence.data(),         nullptr, nullptr};
  }

  std::mt19937_64 random;
  std::vector<uint64_t> span_id;
  std::vector<int64_t> start, end;
  std::vector<uint8_t> kind, role;
  std::vector<uint32_t> child, candidate, evidence;
  std::vector<float> log_odds;
};

// The rules, as they are written down, one call at a time.
struct Expected {
  std::vector<WeighedCandidate> ranked;  // all that count, best first
  uint32_t open = 0;
  double confidence = 0;
  uint32_t parent = WEFT_NONE, evidence = 0;

  Expected(const RandomWindow& w, uint32_t call, const StitchConfig& config) {
    struct Heard {
      float total = 0;
      uint32_t evidence = 0;
      bool named = false;
    };
    std::map<uint32_t, Heard> candidates;
    for (uint32_t row = 0; row < w.start.size(); ++row) {
      const bool other_side = api::WireIdOf(w.span_id[row], api::Side::kServer) ==
                              api::WireIdOf(w.span_id[call], api::Side::kClient);
      if (w.kind[row] == WEFT_KIND_SERVER && w.start[row] <= w.start[call] &&
          (w.end[row] == 0 || w.end[row] >= w.start[call]) && !other_side)
        candidates[row];
    }
    open = static_cast<uint32_t>(candidates.size());
    if (open == 0) return;
    double none = config.none_log_odds;
    for (size_t i = 0; i < w.child.size(); ++i) {
      if (w.child[i] != call || !std::isfinite(w.log_odds[i])) continue;
      if (w.candidate[i] == WEFT_NONE) none += w.log_odds[i];
      const auto found = candidates.find(w.candidate[i]);
      if (found == candidates.end()) continue;
      found->second.total += w.log_odds[i];
      found->second.evidence |= w.evidence[i];
      found->second.named = true;
    }
    Rank(candidates);
    const WeighedCandidate& best = ranked[0];
    const bool fixed = best.evidence & WEFT_EVIDENCE_CONTEXT;
    const double top = std::max<double>(best.log_odds, none);
    double sum = std::exp(none - top);
    for (const auto& [row, heard] : candidates) sum += std::exp(heard.total - top);
    confidence = fixed ? 1 : std::exp(best.log_odds - top) / sum;
    if (!fixed && best.log_odds < none) return;
    parent = best.row;
    evidence = best.evidence | (open == 1 ? WEFT_EVIDENCE_ONLY : 0);
  }

 private:
  // Of those that no voice named the latest only, where one is fixed or nobody was named.
  template <typename Candidates>
  void Rank(const Candidates& candidates) {
    bool fixed = false, any = false;
    for (const auto& [row, heard] : candidates) {
      fixed |= (heard.evidence & WEFT_EVIDENCE_CONTEXT) != 0;
      any |= heard.named;
    }
    bool silent = false;
    for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
      if (!it->second.named && silent && (fixed || !any)) continue;
      silent |= !it->second.named;
      ranked.push_back({it->first, it->second.total, it->second.evidence});
    }
    std::ranges::stable_sort(ranked, [](const WeighedCandidate& a, const WeighedCandidate& b) {
      const bool first = a.evidence & WEFT_EVIDENCE_CONTEXT;
      const bool second = b.evidence & WEFT_EVIDENCE_CONTEXT;
      return first != second ? first : a.log_odds > b.log_odds;
    });
  }
};

TEST(LinkDecider, DecidesAsTheRulesSay) {
  const StitchConfig config;
  LinkDecider decider(config);
  uint64_t calls = 0, linked = 0;
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    SCOPED_TRACE(seed);
    RandomWindow w(seed);
    const weft_spans view = w.View();
    decider.Decide(view, w.Voices());
    for (const LinkDecision& d : decider.decisions()) {
      ++calls;
      const Expected expected(w, d.child, config);
      ASSERT_EQ(d.parent, expected.parent);
      ASSERT_EQ(d.n_candidates, expected.open);
      ASSERT_EQ(d.evidence, expected.evidence);
      ASSERT_NEAR(d.confidence, expected.confidence, 1e-5);
      if (d.parent != WEFT_NONE) ++linked;
      const bool told = expected.ranked.size() > 1 || d.parent == WEFT_NONE;
      const size_t most = LinkDecider::kMaxWeighed;
      ASSERT_EQ(d.n_weighed, told ? std::min(expected.ranked.size(), most) : 0);
      for (uint32_t i = 0; i < d.n_weighed; ++i) {
        const WeighedCandidate& is = decider.weighed()[d.first_weighed + i];
        ASSERT_EQ(is.row, expected.ranked[i].row);
        ASSERT_EQ(is.log_odds, expected.ranked[i].log_odds);
        ASSERT_EQ(is.evidence, expected.ranked[i].evidence);
      }
    }
  }
  EXPECT_GT(calls, 20'000u);
  EXPECT_GT(linked, calls / 2);
}

}  // namespace
}  // namespace weft::stitch
