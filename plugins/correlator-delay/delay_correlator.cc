// delay: finds the request that made a call from timing alone: no call graph, no labels, and thread
// ids only where another correlator of the chain looks at them. See request_model.h for what is
// learned, call_tracker.h for how it decides, process_learner.h for when.
#include <memory>
#include <unordered_map>

#include "engine/api/plugin.h"
#include "plugins/correlator-delay/process_learner.h"
#include "plugins/correlator-delay/state_codec.h"

namespace weft::plugins::delay {
namespace {

class DelayCorrelator {
 public:
  static constexpr const char* kName = "delay";
  static constexpr const char* kVersion = "0.2.0";
  static constexpr uint64_t kColumns = ~uint64_t{WEFT_COLUMN_ATTRIBUTES | WEFT_COLUMN_TOKENS};
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "hypotheses": {"type": "integer", "minimum": 1, "maximum": 64, "default": 8,
                     "description": "how many explanations of an ambiguous spot are kept; 1 is greedy"}
    }
  })";

  DelayCorrelator(const sdk::Host& host, const sdk::PluginConfig& config)
      : host_(host), hypotheses_(static_cast<size_t>(config.Number("hypotheses", 8))) {}

  void Correlate(const weft_spans& window, sdk::Voices& voices) {
    if (window.n == 0) return;
    ProcessLearner& learner = LearnerOf(ProcessId(window));
    try {
      Speak(learner, window, voices);
    } catch (...) {  // Learn will not be called
      learner.Withdrawn();
      throw;
    }
  }

  void Learn(const weft_spans& window, const weft_links& links) {
    if (window.n > 0) LearnerOf(ProcessId(window)).Learned(links);
  }

  bool Save(uint64_t process_id, std::string& state) {
    const auto found = processes_.find(process_id);
    if (found != processes_.end()) state = StateCodec::Save(*found->second);
    return true;
  }

  bool Load(uint64_t process_id, std::string_view state) {
    return StateCodec::Load(state, LearnerOf(process_id));
  }

  void Forget(uint64_t process_id) { processes_.erase(process_id); }

 private:
  void Speak(ProcessLearner& learner, const weft_spans& window, sdk::Voices& voices) {
    earlier_.Take(voices.list(), voices.earlier(), window.n);
    learner.Decide(window, earlier_, tracker_, hypotheses_);
    if (learner.cold()) host_.Count("cold_windows", 1);
    if (learner.behind()) host_.Count("hurried_windows", 1);
    if (learner.behind() && !said_behind_) {
      host_.Warn(
          "a process makes more of its calls at once than can be told apart in time: fewer "
          "hypotheses are followed (plugin.delay.hurried_windows counts its windows)");
      said_behind_ = true;
    }
    if (tracker_.crowded() > 0) host_.Count("crowded_calls", tracker_.crowded());
    const ProcessHistory& history = learner.history();
    for (const CallTracker::Weighed& w : tracker_.weighed()) {
      const uint32_t row = w.request == kNone ? WEFT_NONE : history.requests[w.request].row;
      if (w.request != kNone && row == kNone) continue;  // no longer in the engine's view
      uint32_t evidence = WEFT_EVIDENCE_DELAY;
      if (w.only && w.request != kNone) evidence |= WEFT_EVIDENCE_ONLY;
      voices.Say(history.calls[w.call].row, row, w.log_odds, evidence);
    }
  }

  static uint64_t ProcessId(const weft_spans& w) {
    return w.processes == nullptr || w.processes->n == 0
               ? 0
               : w.processes->process_id[w.process == nullptr ? 0 : w.process[0]];
  }

  ProcessLearner& LearnerOf(uint64_t process_id) {
    auto& learner = processes_[process_id];
    if (learner == nullptr) learner = std::make_unique<ProcessLearner>();
    return *learner;
  }

  sdk::Host host_;
  const size_t hypotheses_;
  CallTracker tracker_;
  bool said_behind_ = false;
  EarlierVoices earlier_;
  std::unordered_map<uint64_t, std::unique_ptr<ProcessLearner>> processes_;
};

}  // namespace
}  // namespace weft::plugins::delay

WEFT_CORRELATOR(weft::plugins::delay::DelayCorrelator)
