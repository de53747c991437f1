// token: the rare values that a call and a request have in common, as voices.
//
// For each open request: how likely are its values if it caused the call, against chance? Chance is
// the measured frequency of the rarest shared value among requests of that operation; how much
// sharing is to be expected is learned for each (operation, call). What several shared values say
// adds up only as far as they were not seen together before.
#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/plugin.h"
#include "engine/api/plugin_window.h"
#include "plugins/correlator-token/process_tokens.h"
#include "plugins/correlator-token/shared_tokens.h"

namespace weft::plugins::token {
namespace {

using sdk::WantsParent;

// As in the other correlators: beyond this a call is left to others, and counted.
constexpr size_t kMaxOpen = 256;
constexpr float kLimit = 6.0f;    // of what all ways together say
constexpr float kSilent = 0.01f;  // not worth an entry in the list
constexpr float kCertain = 2.0f;  // lead at which a call of this window counts as the request's

uint64_t HashOf(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return Mix(h) | 1;
}

class TokenCorrelator {
 public:
  static constexpr const char* kName = "token";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({"type": "object", "properties": {}})";
  static constexpr uint64_t kColumns = ~uint64_t{WEFT_COLUMN_ATTRIBUTES};

  TokenCorrelator(const sdk::Host& host, const sdk::PluginConfig&) : host_(host) {}

  void Correlate(const weft_spans& w, sdk::Voices& voices) {
    if (!Enter(w)) return;
    TakeEarlierVoices(voices, w.n);
    TakeEarlierCalls(w);
    uint64_t crowded = 0;
    open_.ForEachCall(w, [&](uint32_t call, const std::vector<uint32_t>& open) {
      if (!WantsParent(w, call) || open.empty()) return;
      if (tokens_.Request(call).empty() && tokens_.Response(call).empty()) return;
      if (open.size() > kMaxOpen) {
        ++crowded;
        return;
      }
      Weigh(w, call, open);
      Say(call, open, voices);
      LearnFrom(w, call, open);
      NoteEarlierCall(w, call, open);
    });
    if (crowded > 0) host_.Count("crowded_calls", crowded);
  }

  void Learn(const weft_spans& w, const weft_links& links) {
    if (!Enter(w)) return;
    for (uint32_t row = 0; row < w.n; ++row) {
      if (!sdk::IsServer(w, row) || sdk::RoleOf(w, row) != WEFT_ROLE_DECIDE) continue;
      const uint64_t operation = NameOf(w, w.operation, row);
      process_->CountRequest(operation, kRequest);
      process_->CountRequest(operation, kEarlier);
      for (const uint32_t t : tokens_.Request(row)) process_->CountToken(operation, kRequest, t);
      if (w.end_ns[row] == 0) continue;
      process_->CountRequest(operation, kResponse);
      for (const uint32_t t : tokens_.Response(row)) process_->CountToken(operation, kResponse, t);
    }
    for (uint32_t i = 0; i < links.n; ++i) {
      if (links.parent[i] == WEFT_NONE) continue;
      const uint64_t operation = NameOf(w, w.operation, links.parent[i]);
      for (const uint32_t t : tokens_.Response(links.child[i]))
        process_->CountToken(operation, kEarlier, t);
    }
  }

  bool Save(uint64_t process_id, std::string& out) {
    const auto found = processes_.find(process_id);
    if (found != processes_.end()) found->second.Save(out);
    return true;
  }

  bool Load(uint64_t process_id, std::string_view in) {
    if (in.empty()) {
      processes_.erase(process_id);
      return true;
    }
    return processes_[process_id].Load(in);
  }

  void Forget(uint64_t process_id) { processes_.erase(process_id); }

 private:
  // What one open request has in common with the call, by way.
  struct Match {
    bool asked[kWays] = {};              // there are values that could be shared
    float frequency[kWays] = {1, 1, 1};  // of the rarest shared value; 1: none is
    float log_odds = 0;
  };
  struct Answer {  // to an earlier call
    uint32_t call, next;
  };

  bool Enter(const weft_spans& w) {
    if (w.n == 0 || w.struct_size < offsetof(weft_spans, token) + sizeof w.token ||
        w.token_offset == nullptr)
      return false;
    tokens_.Take(w);
    const bool known = w.processes != nullptr && w.processes->n != 0;
    process_ = &processes_[known ? w.processes->process_id[w.process[0]] : 0];
    name_hash_.assign(w.n_strings, 0);
    if (expected_.size() < w.n_strings) expected_.resize(w.n_strings);
    return true;
  }

  // Hash of a name, once per name and window.
  uint64_t NameOf(const weft_spans& w, const uint32_t* column, uint32_t row) {
    uint64_t& hash = name_hash_[column[row]];
    if (hash == 0) hash = HashOf(sdk::StringOf(w, column, row));
    return hash;
  }
  uint64_t KindOf(const weft_spans& w, uint32_t call) {
    const uint64_t callee = w.peer == nullptr ? 0 : NameOf(w, w.peer, call);
    return Mix(callee) + NameOf(w, w.operation, call);
  }

  void TakeEarlierVoices(const sdk::Voices& voices, uint32_t rows) {
    const weft_candidates& list = voices.list();
    first_voice_.assign(rows, WEFT_NONE);
    next_voice_.assign(voices.earlier(), WEFT_NONE);
    for (uint32_t i = 0; i < voices.earlier(); ++i) {
      if (list.child[i] >= rows) continue;
      next_voice_[i] = first_voice_[list.child[i]];
      first_voice_[list.child[i]] = i;
    }
    list_ = &list;
  }

  // Odds of each open request by what others said, to sum 1.
  void Odds(uint32_t call, const std::vector<uint32_t>& open) {
    constexpr float kFixed = 100.0f;
    odds_.assign(open.size(), 0);
    for (uint32_t i = first_voice_[call]; i != WEFT_NONE; i = next_voice_[i]) {
      const auto at = std::lower_bound(open.begin(), open.end(), list_->candidate[i]);
      if (at == open.end() || *at != list_->candidate[i]) continue;
      odds_[static_cast<size_t>(at - open.begin())] +=
          (list_->evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0 ? kFixed : list_->log_odds[i];
    }
    const float best = *std::max_element(odds_.begin(), odds_.end());
    float sum = 0;
    for (float& o : odds_) sum += o = std::exp(o - best);
    for (float& o : odds_) o /= sum;
  }

  // Calls of earlier windows whose parent is known: their answers are the parent's to use.
  void TakeEarlierCalls(const weft_spans& w) {
    first_answer_.assign(w.n, WEFT_NONE);
    answers_.clear();
    row_of_span_.clear();
    for (uint32_t row = 0; row < w.n; ++row)
      if (sdk::IsServer(w, row)) row_of_span_[w.span_id[row]] = row;
    if (w.parent_id == nullptr) return;
    for (uint32_t row = 0; row < w.n; ++row) {
      if (!sdk::IsClient(w, row) || w.parent_id[row] == 0 || tokens_.Response(row).empty())
        continue;
      const auto parent = row_of_span_.find(w.parent_id[row]);
      if (parent != row_of_span_.end()) AddAnswer(parent->second, row);
    }
  }
  void AddAnswer(uint32_t request, uint32_t call) {
    answers_.push_back({call, first_answer_[request]});
    first_answer_[request] = static_cast<uint32_t>(answers_.size() - 1);
  }

  // What is known about calls of this kind from requests of an operation, for one call.
  struct Expected {
    uint64_t call = 0;  // serial number: whose it is
    TokenReliability* of[kWays] = {};
    float shares_none[kWays] = {};  // log
  };
  const Expected& ExpectedOf(const weft_spans& w, uint32_t server) {
    Expected& e = expected_[w.operation[server]];
    if (e.call == call_serial_) return e;
    e.call = call_serial_;
    const uint64_t operation = NameOf(w, w.operation, server);
    for (uint32_t way = 0; way < kWays; ++way) {
      e.of[way] = &process_->Reliability(operation, kind_, static_cast<Way>(way));
      e.shares_none[way] = std::log(e.of[way]->SharesNone());
    }
    return e;
  }

  void Weigh(const weft_spans& w, uint32_t call, const std::vector<uint32_t>& open) {
    ++call_serial_;
    kind_ = KindOf(w, call);
    matches_.assign(open.size(), Match{});
    for (size_t i = 0; i < open.size(); ++i) {
      Match& m = matches_[i];
      Compare(w, call, open[i], m);
      const Expected& expected = ExpectedOf(w, open[i]);
      for (uint32_t way = 0; way < kWays; ++way) {
        if (!m.asked[way]) continue;
        m.log_odds += m.frequency[way] < 1 ? std::log(expected.of[way]->Shares(m.frequency[way]))
                                           : expected.shares_none[way];
      }
      m.log_odds = std::clamp(m.log_odds, -kLimit, kLimit);
    }
  }

  void Compare(const weft_spans& w, uint32_t call, uint32_t server, Match& m) {
    const auto asked = tokens_.Request(server);
    const auto see = [&](Way way, std::span<const uint32_t> a, std::span<const uint32_t> b) {
      SharedTokens::ForEachShared(a, b, [&](uint32_t t) {
        // An id that was in the request comes back in many answers: it has spoken already.
        if (way != kRequest && std::ranges::find(asked, t) != asked.end()) return;
        const bool counted = sdk::RoleOf(w, server) == WEFT_ROLE_BEFORE;
        m.frequency[way] = std::min(
            m.frequency[way], process_->Frequency(NameOf(w, w.operation, server), way, t, counted));
      });
    };
    const uint64_t asks = tokens_.RequestBits(call), answers = tokens_.ResponseBits(call);
    m.asked[kRequest] = asks != 0;
    if ((asks & tokens_.RequestBits(server)) != 0) see(kRequest, tokens_.Request(call), asked);
    if (w.end_ns[server] != 0) {
      const uint64_t response = tokens_.ResponseBits(server);
      m.asked[kResponse] = true;
      if ((asks & response) != 0) see(kResponse, tokens_.Request(call), tokens_.Response(server));
      if ((answers & response) != 0)
        see(kResponse, tokens_.Response(call), tokens_.Response(server));
    }
    for (uint32_t a = first_answer_[server]; a != WEFT_NONE; a = answers_[a].next) {
      const uint32_t earlier = answers_[a].call;
      if (earlier == call || w.end_ns[earlier] == 0 || w.end_ns[earlier] > w.start_ns[call])
        continue;
      m.asked[kEarlier] = true;
      if ((asks & tokens_.ResponseBits(earlier)) != 0)
        see(kEarlier, tokens_.Request(call), tokens_.Response(earlier));
    }
  }

  // Where no request shares anything, that is no reason to believe that there is no parent: values
  // may have been beyond what was captured.
  void Say(uint32_t call, const std::vector<uint32_t>& open, sdk::Voices& voices) const {
    float best = -kLimit;
    for (const Match& m : matches_) best = std::max(best, m.log_odds);
    const float offset = std::min(best, 0.0f);
    for (size_t i = 0; i < open.size(); ++i) {
      const float says = matches_[i].log_odds - offset;
      const bool shares = *std::ranges::min_element(matches_[i].frequency) < 1;
      if (std::abs(says) > kSilent)
        voices.Say(call, open[i], says, shares ? WEFT_EVIDENCE_TOKEN : 0);
    }
  }

  void LearnFrom(const weft_spans& w, uint32_t call, const std::vector<uint32_t>& open) {
    Odds(call, open);
    float sum = 0;
    for (size_t i = 0; i < open.size(); ++i) sum += odds_[i] *= std::exp(matches_[i].log_odds);
    if (!(sum > 0)) return;
    for (size_t i = 0; i < open.size(); ++i) {
      const float weight = odds_[i] /= sum;
      if (weight < 1e-3f) continue;
      const Expected& expected = ExpectedOf(w, open[i]);
      for (uint32_t way = 0; way < kWays; ++way) {
        if (!matches_[i].asked[way]) continue;
        const float f = matches_[i].frequency[way];
        expected.of[way]->Learn(weight, f < 1 ? expected.of[way]->Explained(f) : 0);
      }
    }
  }

  void NoteEarlierCall(const weft_spans& w, uint32_t call, const std::vector<uint32_t>& open) {
    if (tokens_.Response(call).empty() || w.end_ns[call] == 0) return;
    const auto best = std::max_element(odds_.begin(), odds_.end());
    if (*best / (1 - *best + 1e-6f) > std::exp(kCertain))
      AddAnswer(open[static_cast<size_t>(best - odds_.begin())], call);
  }

  sdk::Host host_;
  std::unordered_map<uint64_t, ProcessTokens> processes_;
  ProcessTokens* process_ = nullptr;  // of the window
  sdk::OpenRequests open_;
  SharedTokens tokens_;
  std::vector<uint64_t> name_hash_;  // by string index of the window
  const weft_candidates* list_ = nullptr;
  std::vector<uint32_t> first_voice_, next_voice_;
  std::unordered_map<uint64_t, uint32_t> row_of_span_;
  std::vector<uint32_t> first_answer_;
  std::vector<Answer> answers_;
  uint64_t kind_ = 0, call_serial_ = 0;  // of the call that is weighed
  std::vector<Expected> expected_;       // by string index of the operation
  std::vector<Match> matches_;           // by place in `open`
  std::vector<float> odds_;
};

}  // namespace
}  // namespace weft::plugins::token

WEFT_CORRELATOR(weft::plugins::token::TokenCorrelator)
