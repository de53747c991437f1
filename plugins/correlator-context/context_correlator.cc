// context: links a call to a request by what both carry in their payload.
//
// A trace context in the call (traceparent, B3) that names the trace of exactly one open request,
// or the span id that this request itself carried, fixes the owner: the program passed it on. When
// several open requests belong to that trace (a caller that fans out into the same service twice)
// and no span id singles one out, they all get the same strong voice, and the other correlators
// settle it among them. An equal X-Request-ID is strong but not proof: programs also
// copy it into log shippers and background jobs.
//
// Cost: one pass over the requests into an open-addressing index, one look-up per call.
#include <algorithm>
#include <vector>

#include "engine/api/plugin.h"

namespace {

constexpr float kSameTrace = 8.0f;  // one of a few: as good as certain that it is among them
constexpr float kRequestIdUnique = 6.0f;
constexpr float kFixed = 20.0f;  // the engine looks at the evidence bit, people at this

bool IsServer(uint8_t kind) { return kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER; }
bool IsClient(uint8_t kind) { return kind == WEFT_KIND_CLIENT || kind == WEFT_KIND_PRODUCER; }

// Rows by key: chains of rows in insertion order reversed, no allocation in steady state.
class RowIndex {
 public:
  void Reset(uint32_t rows) {
    size_t size = 16;
    while (size < 2u * rows) size *= 2;
    head_.assign(size, WEFT_NONE);
    next_.assign(rows, WEFT_NONE);
  }
  void Add(uint64_t key, uint32_t row) {
    uint32_t& head = head_[Slot(key)];
    next_[row] = head;
    head = row;
  }
  // Calls f(row) for each row of the slot; keys may collide, f compares.
  template <class F>
  void Each(uint64_t key, F&& f) const {
    for (uint32_t row = head_[Slot(key)]; row != WEFT_NONE; row = next_[row]) f(row);
  }

 private:
  size_t Slot(uint64_t key) const {
    return static_cast<size_t>((key * 0x9e3779b97f4a7c15ULL) >> 32) & (head_.size() - 1);
  }
  std::vector<uint32_t> head_, next_;
};

class ContextCorrelator {
 public:
  static constexpr const char* kName = "context";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr uint64_t kColumns = WEFT_COLUMN_CONTEXT | WEFT_COLUMN_REQUEST_ID;
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "request_id": {"type": "boolean", "default": true,
                     "description": "use X-Request-ID as soft evidence"}
    }
  })";

  ContextCorrelator(const weft::sdk::Host& host, const weft::sdk::PluginConfig& config)
      : host_(host), use_request_id_(config.Flag("request_id", true)) {}

  void Correlate(const weft_spans& w, weft::sdk::Voices& voices) {
    const bool traces = w.context_trace_lo != nullptr && w.context_trace_hi != nullptr;
    const bool request_ids = use_request_id_ && w.request_id != nullptr;
    if (!traces && !request_ids) return;
    if (!Index(w, traces, request_ids)) return;
    uint64_t fixed = 0;
    for (uint32_t row = 0; row < w.n; ++row) {
      if (!IsClient(w.kind[row]) || (w.role != nullptr && w.role[row] != WEFT_ROLE_DECIDE))
        continue;
      if (traces && (w.flags[row] & WEFT_FLAG_CONTEXT) != 0 && ByTrace(w, row, voices)) ++fixed;
      if (request_ids && w.request_id[row] != 0) ByRequestId(w, row, voices);
    }
    host_.Count("fixed", fixed);
  }

 private:
  // False when no request carries anything, the usual case for uninstrumented programs.
  bool Index(const weft_spans& w, bool traces, bool request_ids) {
    bool any = false;
    for (uint32_t row = 0; row < w.n && !any; ++row)
      any = (w.flags[row] & WEFT_FLAG_CONTEXT) != 0 || (request_ids && w.request_id[row] != 0);
    if (!any) return false;
    by_trace_.Reset(w.n);
    by_request_id_.Reset(w.n);
    for (uint32_t row = 0; row < w.n; ++row) {
      if (!IsServer(w.kind[row])) continue;
      if (traces && (w.flags[row] & WEFT_FLAG_CONTEXT) != 0)
        by_trace_.Add(w.context_trace_lo[row], row);
      if (request_ids && w.request_id[row] != 0) by_request_id_.Add(w.request_id[row], row);
    }
    return true;
  }

  static bool OpenAt(const weft_spans& w, uint32_t server, int64_t when) {
    return w.start_ns[server] <= when && (w.end_ns[server] == 0 || w.end_ns[server] >= when);
  }

  // True when the owner was fixed.
  bool ByTrace(const weft_spans& w, uint32_t call, weft::sdk::Voices& voices) {
    uint32_t same_span = WEFT_NONE;
    matches_.clear();
    by_trace_.Each(w.context_trace_lo[call], [&](uint32_t server) {
      if (w.context_trace_lo[server] != w.context_trace_lo[call] ||
          w.context_trace_hi[server] != w.context_trace_hi[call] ||
          w.process[server] != w.process[call] || !OpenAt(w, server, w.start_ns[call]))
        return;
      matches_.push_back(server);
      // A program that passes the header on unchanged repeats the span id it was called with.
      if (w.context_span_id != nullptr && w.context_span_id[server] == w.context_span_id[call])
        same_span = same_span == WEFT_NONE ? server : WEFT_NONE - 1;
    });
    if (matches_.empty()) return false;
    const bool single_span = same_span != WEFT_NONE && same_span != WEFT_NONE - 1;
    if (matches_.size() == 1 || single_span) {
      const uint32_t owner = single_span ? same_span : matches_.front();
      voices.Say(call, owner, kFixed, WEFT_EVIDENCE_CONTEXT);
      return true;
    }
    // Not CONTEXT, which would fix: it is one of several requests of that trace.
    for (uint32_t server : matches_) voices.Say(call, server, kSameTrace, WEFT_EVIDENCE_TOKEN);
    return false;
  }

  void ByRequestId(const weft_spans& w, uint32_t call, weft::sdk::Voices& voices) {
    uint32_t match = WEFT_NONE, n = 0;
    by_request_id_.Each(w.request_id[call], [&](uint32_t server) {
      if (w.request_id[server] != w.request_id[call] || w.process[server] != w.process[call] ||
          !OpenAt(w, server, w.start_ns[call]))
        return;
      match = server;
      ++n;
    });
    if (n == 1) voices.Say(call, match, kRequestIdUnique, WEFT_EVIDENCE_TOKEN);
  }

  weft::sdk::Host host_;
  bool use_request_id_;
  RowIndex by_trace_, by_request_id_;
  std::vector<uint32_t> matches_;
};

}  // namespace

WEFT_CORRELATOR(ContextCorrelator)
