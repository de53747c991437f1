#include "tests/integration/simulator/learning_voice.h"

#include <cstring>

#include "engine/base/hash.h"

namespace weft::sim {
namespace {

constexpr float kLoudest = 1.5f;  // less than ThreadVoice says

LearningVoice& Of(void* instance) { return *static_cast<LearningVoice*>(instance); }

uint64_t ProcessOf(const weft_spans& w) { return w.processes->process_id[w.process[0]]; }

int32_t Correlate(void* instance, const weft_spans* w, weft_candidates* io, weft_error*) {
  Of(instance).Correlate(*w, io);
  return WEFT_OK;
}

int32_t Learn(void* instance, const weft_spans* w, const weft_links* links, weft_error*) {
  Of(instance).Learn(*w, *links);
  return WEFT_OK;
}

int32_t Save(void* instance, uint64_t process_id, weft_buffer* state, weft_error*) {
  const auto found = Of(instance).learned.find(process_id);
  if (found == Of(instance).learned.end()) return WEFT_OK;
  return state->append(state->ctx,
                       {reinterpret_cast<const char*>(&found->second), sizeof found->second});
}

int32_t Load(void* instance, uint64_t process_id, weft_str state, weft_error*) {
  uint64_t& learned = Of(instance).learned[process_id];
  if (state.size != sizeof learned) return WEFT_FAILED;
  std::memcpy(&learned, state.data, sizeof learned);
  return WEFT_OK;
}

void Forget(void* instance, uint64_t process_id) { Of(instance).learned.erase(process_id); }

// The exchange of the request that caused an earlier call: span ids may have been provisional.
uint64_t CauseOf(const weft_spans& w, uint32_t row) {
  for (uint32_t r = 0; w.parent_id[row] != 0 && r < w.n; ++r)
    if (w.kind[r] == WEFT_KIND_SERVER && w.span_id[r] == w.parent_id[row]) return w.exchange[r];
  return 0;
}

const weft_correlator kTable{sizeof(weft_correlator), Correlate, Learn, Save, Load, Forget, 0};

}  // namespace

const weft_correlator* LearningVoice::Table() { return &kTable; }

void LearningVoice::Correlate(const weft_spans& w, weft_candidates* io) {
  const uint64_t state = learned[ProcessOf(w)];
  for (uint32_t child = 0; child < w.n; ++child) {
    if (w.role[child] != WEFT_ROLE_DECIDE || w.kind[child] != WEFT_KIND_CLIENT) continue;
    for (uint32_t c = 0; c < w.n; ++c) {
      if (w.kind[c] != WEFT_KIND_SERVER || w.start_ns[c] > w.start_ns[child]) continue;
      if (w.end_ns[c] != 0 && w.end_ns[c] < w.start_ns[child]) continue;
      if (io->n == io->capacity && io->grow(io, io->n + 1) != WEFT_OK) return;
      const uint64_t chance = Mix64(state ^ Mix64(w.exchange[child] ^ Mix64(w.exchange[c])));
      io->child[io->n] = child;
      io->candidate[io->n] = c;
      io->log_odds[io->n] = kLoudest * static_cast<float>(chance % 1024) / 1024;
      io->evidence[io->n] = WEFT_EVIDENCE_DELAY;
      ++io->n;
    }
  }
}

void LearningVoice::Learn(const weft_spans& w, const weft_links& links) {
  uint64_t& state = learned[ProcessOf(w)];
  const auto note = [&state](uint64_t value) { state = Mix64(state ^ value) + 1; };
  for (uint32_t row = 0; row < w.n; ++row) {
    note(w.exchange[row]);
    note(static_cast<uint64_t>(w.start_ns[row]));
    note(static_cast<uint64_t>(w.end_ns[row]));
    note(w.role[row]);
    note(CauseOf(w, row));
    note(w.response_tid[row]);
    note(static_cast<uint64_t>(1e6 * static_cast<double>(w.confidence[row])));
  }
  for (uint32_t i = 0; i < links.n; ++i) {
    note(links.child[i]);
    note(links.parent[i]);
  }
}

}  // namespace weft::sim
