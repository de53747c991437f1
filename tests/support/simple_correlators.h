// Correlators small enough to be obviously right, as in-memory tables: for tests and benchmarks.
//
// ThreadVoice: +4 for every open request that the calling thread read. ContextVoice: fixes the
// request whose trace id the call carries. Both are stateless; `instance` may be null.
#pragma once

#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/stitch/config.h"

namespace weft::testing {

inline int32_t Say(weft_candidates* io, uint32_t child, uint32_t candidate, float log_odds,
                   uint32_t evidence) {
  if (io->n == io->capacity && io->grow(io, io->n + 1) != WEFT_OK) return WEFT_FAILED;
  io->child[io->n] = child;
  io->candidate[io->n] = candidate;
  io->log_odds[io->n] = log_odds;
  io->evidence[io->n++] = evidence;
  return WEFT_OK;
}

inline bool IsServerRow(const weft_spans* s, uint32_t i) {
  return s->kind[i] == WEFT_KIND_SERVER || s->kind[i] == WEFT_KIND_CONSUMER;
}

// Visits every (call to decide, earlier request that `same(call, request)`), newest request first,
// until `visit` answers false. Requests are found by a key, so that this is linear.
template <typename Key>
int32_t Match(const weft_spans* s, weft_candidates* io, float log_odds, uint32_t evidence,
              const Key& key) {
  thread_local std::vector<uint32_t> table, next;
  table.assign(1024, WEFT_NONE);
  next.assign(s->n, WEFT_NONE);
  for (uint32_t i = 0; i < s->n; ++i) {
    const uint64_t k = key(i);
    if (k == 0) continue;
    uint32_t& head = table[(k * 0x9e3779b97f4a7c15ULL) >> 54];
    if (IsServerRow(s, i)) {
      next[i] = head;
      head = i;
      continue;
    }
    if (s->role[i] != WEFT_ROLE_DECIDE) continue;
    int looked = 0;
    for (uint32_t p = head; p != WEFT_NONE && looked < 16; p = next[p], ++looked) {
      const bool open = s->end_ns[p] == 0 || s->end_ns[p] >= s->start_ns[i];
      if (key(p) != k || !open) continue;
      if (Say(io, i, p, log_odds, evidence) != WEFT_OK) return WEFT_FAILED;
      break;
    }
  }
  return WEFT_OK;
}

inline int32_t ThreadCorrelate(void*, const weft_spans* s, weft_candidates* io, weft_error*) {
  return Match(s, io, 4, WEFT_EVIDENCE_THREAD,
               [s](uint32_t i) -> uint64_t { return s->request_tid[i]; });
}

inline int32_t ContextCorrelate(void*, const weft_spans* s, weft_candidates* io, weft_error*) {
  return Match(s, io, 0, WEFT_EVIDENCE_CONTEXT, [s](uint32_t i) -> uint64_t {
    return (s->flags[i] & WEFT_FLAG_CONTEXT) == 0 ? 0
                                                  : s->context_trace_hi[i] ^ s->context_trace_lo[i];
  });
}

inline stitch::ChainLink ThreadVoice() {
  static const weft_correlator table = {
      sizeof(weft_correlator), &ThreadCorrelate, nullptr, nullptr, nullptr, nullptr, 0};
  return {"thread", &table, nullptr};
}

inline stitch::ChainLink ContextVoice() {
  static const weft_correlator table = {
      sizeof(weft_correlator), &ContextCorrelate, nullptr, nullptr, nullptr, nullptr, 0};
  return {"context", &table, nullptr};
}

}  // namespace weft::testing
