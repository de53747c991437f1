// thread: one soft voice, "the thread that wrote the call had read this request", as strong as it
// has proved to be for this callee of this process (ThreadReliability).
//
// It learns from calls with a single open request, from links that a propagated context fixed, and
// from links that were certain without its own voice. Cost: one sweep over the window, a few
// compares per open request.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/plugin.h"
#include "engine/api/plugin_window.h"
#include "plugins/correlator-thread/thread_reliability.h"

namespace weft::plugins {
namespace {

using sdk::WantsParent;

constexpr size_t kMaxCallees = 2048;       // per process; the rest share one entry. 40 KB saved
constexpr float kCertainWithoutUs = 2.0f;  // log-odds of the other voices
constexpr float kRecentWeight = 0.25f;     // a closed request says less than one that competes
// A voice for each open request of each call: a client that never reads its answers could make them
// any number. Beyond this the call is left to others, and counted.
constexpr size_t kMaxOpen = 256;
constexpr uint32_t kStateVersion = 1;

uint64_t HashOf(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

class ThreadCorrelator {
 public:
  static constexpr const char* kName = "thread";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({"type": "object", "properties": {}})";
  static constexpr uint64_t kColumns =
      WEFT_COLUMN_REQUEST_TID | WEFT_COLUMN_CONNECTION | WEFT_COLUMN_OPERATION | WEFT_COLUMN_PEER;

  ThreadCorrelator(const sdk::Host& host, const sdk::PluginConfig&) : host_(host) {}

  void Correlate(const weft_spans& w, sdk::Voices& voices) {
    noted_ = false;
    if (w.request_tid == nullptr || w.n == 0) return;
    Callees& callees = BeginWindow(w);
    notes_.assign(w.n, {});
    uint64_t crowded = 0;
    const auto speak = [&](uint32_t call, const Rows& open, const Rows& tids) {
      if (!WantsParent(w, call) || w.request_tid[call] == 0 || open.empty()) return;
      if (open.size() > kMaxOpen) {
        ++crowded;
        return;
      }
      notes_[call] = NoteOf(w.request_tid[call], tids);
      Speak(call, open, tids, w.request_tid[call], CalleeOf(w, callees, call).weights, voices);
    };
    open_.ForEachCall(w, w.request_tid, speak);
    if (crowded > 0) host_.Count("crowded_calls", crowded);
    noted_ = true;
  }

  void Learn(const weft_spans& w, const weft_links& links) {
    if (!noted_ || notes_.size() != w.n) return;  // Correlate threw
    Callees& callees = BeginWindow(w);
    for (uint32_t i = 0; i < links.n; ++i) {
      const uint32_t call = links.child[i];
      const uint32_t parent = links.parent[i];
      const Note& note = notes_[call];
      if (parent == WEFT_NONE || note.open == 0 || w.request_tid[parent] == 0) continue;
      const bool match = w.request_tid[parent] == w.request_tid[call];
      const uint32_t other_matches = note.matches - (match ? 1 : 0);
      const Callee& callee = CalleeOf(w, callees, call);
      const bool certain = note.open == 1 || (links.evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0;
      if (!certain &&
          !CertainWithoutUs(match, other_matches != 0, links.confidence[i], callee.weights))
        continue;
      callee.entry->Parent(match, 1.0f);
      if (note.known > 1)
        callee.entry->Others(static_cast<float>(other_matches), static_cast<float>(note.known - 1));
      if (note.open == 1) LearnRecent(w, call, parent, *callee.entry);
    }
  }

  bool Save(uint64_t process_id, std::string& out) {
    const auto found = processes_.find(process_id);
    if (found == processes_.end()) return true;
    Append(out, kStateVersion);
    for (const auto& [callee, counts] : found->second) {
      Append(out, callee);
      Append(out, counts);
    }
    return true;
  }

  bool Load(uint64_t process_id, std::string_view in) {
    constexpr size_t kEntry = sizeof(uint64_t) + sizeof(ThreadReliability);
    Callees callees;
    if (!in.empty()) {
      uint32_t version = 0;
      if (!Take(in, version) || version != kStateVersion || in.size() % kEntry != 0 ||
          in.size() / kEntry > kMaxCallees + 1)
        return false;
      uint64_t callee = 0;
      ThreadReliability counts;
      while (Take(in, callee) && Take(in, counts)) {
        for (const float v :
             {counts.true_match, counts.true_seen, counts.other_match, counts.other_seen})
          if (!(v >= 0 && v < 1e6f)) return false;
        callees[callee] = counts;
      }
    }
    processes_[process_id] = std::move(callees);
    return true;
  }

  void Forget(uint64_t process_id) { processes_.erase(process_id); }

 private:
  using Callees = std::unordered_map<uint64_t, ThreadReliability>;
  using Rows = std::vector<uint32_t>;  // or what a column says of them

  static uint64_t ProcessId(const weft_spans& w) {
    return w.processes == nullptr || w.processes->n == 0
               ? 0
               : w.processes->process_id[w.process == nullptr ? 0 : w.process[0]];
  }

  static ThreadReliability& Entry(Callees& callees, uint64_t callee) {
    const auto found = callees.find(callee);
    if (found != callees.end()) return found->second;
    return callees[callees.size() < kMaxCallees ? callee : 0];
  }

  // What a call saw of the requests that were open then: how many, of how many the thread is known,
  // and how many were on its own. 0 open: nothing was said.
  struct Note {
    uint32_t open = 0, known = 0, matches = 0;
  };

  // What is known of a callee in the window in hand; by index of its name.
  struct Callee {
    uint64_t window = 0;
    ThreadReliability* entry = nullptr;
    ThreadReliability::Voices weights{};  // as the window found them
  };

  Callees& BeginWindow(const weft_spans& w) {
    ++window_;
    if (callees_.size() < w.n_strings) callees_.resize(w.n_strings);
    return processes_[ProcessId(w)];
  }

  const Callee& CalleeOf(const weft_spans& w, Callees& callees, uint32_t call) {
    const uint32_t* column = w.peer != nullptr && w.peer[call] != 0 ? w.peer : w.operation;
    Callee& callee = callees_[column[call]];
    if (callee.window != window_) {
      callee.window = window_;
      callee.entry = &Entry(callees, HashOf(sdk::StringOf(w, column, call)) | 1);
      callee.weights = callee.entry->Weigh();
    }
    return callee;
  }

  static Note NoteOf(uint32_t tid, const Rows& tids) {
    Note note{static_cast<uint32_t>(tids.size()), 0, 0};
    for (const uint32_t theirs : tids) {
      note.known += theirs != 0 ? 1 : 0;
      note.matches += theirs == tid ? 1 : 0;
    }
    return note;
  }

  static float Heard(float says) { return std::abs(says) > 0.01f ? says : 0; }

  // Only differences count, also to "no cause here". So what would be said of most, that they were
  // read by other threads, is said of that instead with the other sign, and the rest beside it.
  void Speak(uint32_t call, const Rows& open, const Rows& tids, uint32_t tid,
             const ThreadReliability::Voices& weights, sdk::Voices& voices) const {
    const Note& note = notes_[call];
    if (note.known == 0) return;
    const float mismatch = Heard(weights.mismatch);
    const auto say = [&](uint32_t candidate, float log_odds, uint32_t evidence) {
      if (log_odds != 0) voices.Say(call, candidate, log_odds, evidence);
    };
    say(WEFT_NONE, -mismatch, WEFT_EVIDENCE_THREAD);
    float match = Heard(weights.match);  // of the latest on the call's thread
    uint32_t left = note.matches + note.open - note.known;
    for (size_t i = open.size(); left != 0;) {
      const uint32_t theirs = tids[--i];
      if (theirs != tid && theirs != 0) continue;
      --left;
      if (theirs == 0) {
        say(open[i], -mismatch, 0);
      } else {
        say(open[i], match - mismatch, WEFT_EVIDENCE_THREAD);
        match = Heard(weights.superseded);
      }
    }
  }

  // Confidence with our own voice taken out: what the other correlators alone would have said.
  static bool CertainWithoutUs(bool parent_matches, bool other_matches, float confidence,
                               const ThreadReliability::Voices& weights) {
    const float span = weights.match - weights.mismatch;
    const float c = std::clamp(confidence, 1e-4f, 1.0f - 1e-4f);
    float others = std::log(c / (1.0f - c));
    if (parent_matches && !other_matches) others -= span;
    if (!parent_matches && other_matches) others += span;
    return others > kCertainWithoutUs;
  }

  // Where no request competed with the parent, recent ones of other connections stand for those.
  // (One connection served by one thread says nothing about sharing.)
  static void LearnRecent(const weft_spans& w, uint32_t call, uint32_t parent,
                          ThreadReliability& entry) {
    if (w.connection == nullptr) return;
    const uint32_t tid = w.request_tid[call];
    uint32_t taken = 0;
    for (uint32_t row = parent; row > 0 && taken < 2 && parent - row < 64;) {
      --row;
      if (!sdk::IsServer(w, row) || w.request_tid[row] == 0 ||
          w.connection[row] == w.connection[parent])
        continue;
      entry.Others(w.request_tid[row] == tid ? kRecentWeight : 0, kRecentWeight);
      ++taken;
    }
  }

  template <class T>
  static void Append(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <class T>
  static bool Take(std::string_view& in, T& value) {
    if (in.size() < sizeof value) return false;
    std::memcpy(&value, in.data(), sizeof value);
    in.remove_prefix(sizeof value);
    return true;
  }

  sdk::Host host_;
  std::unordered_map<uint64_t, Callees> processes_;
  sdk::OpenRequests open_;
  std::vector<Callee> callees_;  // by string index of the window
  std::vector<Note> notes_;      // by row of the window, from Correlate to Learn
  bool noted_ = false;           // all of the window
  uint64_t window_ = 0;
};

}  // namespace
}  // namespace weft::plugins

WEFT_CORRELATOR(weft::plugins::ThreadCorrelator)
