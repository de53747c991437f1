#include "tests/integration/simulator/thread_voice.h"

namespace weft::sim {
namespace {

int32_t Correlate(void*, const weft_spans* w, weft_candidates* io, weft_error*) {
  for (uint32_t child = 0; child < w->n; ++child) {
    if (w->role[child] != WEFT_ROLE_DECIDE || w->kind[child] != WEFT_KIND_CLIENT) continue;
    for (uint32_t c = 0; c < w->n; ++c) {
      if (w->kind[c] != WEFT_KIND_SERVER || w->request_tid[c] != w->request_tid[child]) continue;
      if (w->start_ns[c] > w->start_ns[child]) continue;
      if (w->end_ns[c] != 0 && w->end_ns[c] < w->start_ns[child]) continue;
      if (io->n == io->capacity && io->grow(io, io->n + 1) != WEFT_OK) return WEFT_FAILED;
      io->child[io->n] = child;
      io->candidate[io->n] = c;
      io->log_odds[io->n] = 4;
      io->evidence[io->n] = WEFT_EVIDENCE_THREAD;
      ++io->n;
    }
  }
  return WEFT_OK;
}

const weft_correlator kTable{
    sizeof(weft_correlator), Correlate, nullptr, nullptr, nullptr, nullptr, 0};

}  // namespace

const weft_correlator* ThreadVoice() { return &kTable; }

}  // namespace weft::sim
