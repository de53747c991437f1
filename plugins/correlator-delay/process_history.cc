#include "plugins/correlator-delay/process_history.h"

#include <algorithm>

#include "engine/api/plugin_window.h"

namespace weft::plugins::delay {
namespace {

// Differences of times must not overflow, and saved state must hold them; nothing ends before it
// begins. An end of 0 is "not known".
constexpr int64_t kMostNs = (int64_t{1} << 61) - 1;  // the year 2043
int64_t Sane(int64_t ns) { return std::clamp(ns, -kMostNs, kMostNs); }
int64_t EndAfter(int64_t start_ns, int64_t end_ns) {
  return end_ns == 0 ? 0 : std::max(Sane(end_ns), start_ns);
}

// Requests are found by exchange and by span id (as a parent), calls by exchange.
uint64_t BySpan(uint64_t span_id) { return Join(span_id, 0x5350414e); }

}  // namespace

uint16_t NameNumbers::Of(uint64_t name_hash) {
  const auto found = std::ranges::find(hashes_, name_hash);
  if (found != hashes_.end()) return static_cast<uint16_t>(found - hashes_.begin());
  if (hashes_.size() < kMaxNames) hashes_.push_back(name_hash);
  return static_cast<uint16_t>(hashes_.size() - 1);
}

void ProcessHistory::Clear() {
  requests.clear();
  calls.clear();
}

void ProcessHistory::ResetIndex(size_t entries) {
  size_t size = 64;
  while (size < 2 * entries) size *= 2;
  index_keys_.assign(size, 0);
  index_values_.assign(size, kNone);
}

uint32_t* ProcessHistory::Slot(uint64_t key) {
  if (key == 0) key = 1;
  const size_t mask = index_keys_.size() - 1;
  size_t i = Mix(key) & mask;
  while (index_keys_[i] != 0 && index_keys_[i] != key) i = (i + 1) & mask;
  index_keys_[i] = key;
  return &index_values_[i];
}

uint64_t ProcessHistory::HashOf(const weft_spans& view, uint32_t string) {
  uint64_t& hash = string_hash_[string];
  if (hash == 0) {
    hash = 0xcbf29ce484222325ULL;
    const weft_str s = view.strings[string];
    for (uint64_t i = 0; i < s.size; ++i)
      hash = (hash ^ static_cast<unsigned char>(s.data[i])) * 0x100000001b3ULL;
    hash = Mix(hash) | 1;
  }
  return hash;
}

void ProcessHistory::Take(const weft_spans& view) {
  for (Request& r : requests) r.row = kNone;
  for (Call& c : calls) {
    c.row = kNone;
    c.wanted = false;
  }
  size_t before = 0;  // only these can be known, or be parents of such
  for (uint32_t row = 0; row < view.n; ++row)
    before += sdk::RoleOf(view, row) == WEFT_ROLE_BEFORE ? 1 : 0;
  ResetIndex(2 * requests.size() + calls.size() + 2 * before);
  for (uint32_t i = 0; i < requests.size(); ++i) {
    *Slot(requests[i].exchange) = i;
    *Slot(BySpan(requests[i].span_id)) = i;
  }
  for (uint32_t i = 0; i < calls.size(); ++i) *Slot(calls[i].exchange) = i;
  string_hash_.assign(view.n_strings, 0);
  call_of_row.assign(view.n, kNone);
  request_of_row.assign(view.n, kNone);
  window_begin = INT64_MAX;
  window_end = decided_until = INT64_MIN;
  for (uint32_t row = 0; row < view.n; ++row)  // parents first: a call may stand before its request
    if (sdk::IsServer(view, row)) TakeRequest(view, row, sdk::RoleOf(view, row));
  for (uint32_t row = 0; row < view.n; ++row)
    if (sdk::IsClient(view, row)) TakeCall(view, row, sdk::RoleOf(view, row));
}

uint32_t ProcessHistory::Known(uint64_t key) const {
  if (key == 0) key = 1;
  const size_t mask = index_keys_.size() - 1;
  size_t i = Mix(key) & mask;
  while (index_keys_[i] != 0 && index_keys_[i] != key) i = (i + 1) & mask;
  return index_keys_[i] == 0 ? kNone : index_values_[i];
}

void ProcessHistory::TakeRequest(const weft_spans& view, uint32_t row, uint8_t role) {
  uint32_t number = Known(view.exchange[row]);
  if (number == kNone) {
    number = static_cast<uint32_t>(requests.size());
    Request& added = requests.emplace_back();
    added.exchange = view.exchange[row];
    added.span_id = view.span_id[row];
    added.start_ns = Sane(view.start_ns[row]);
    added.operation = operations.Of(HashOf(view, view.operation[row]));
    if (role == WEFT_ROLE_BEFORE) {
      *Slot(added.exchange) = number;
      *Slot(BySpan(added.span_id)) = number;
    }
  }
  Request& r = requests[number];
  r.row = row;
  r.end_ns = EndAfter(r.start_ns, view.end_ns[row]);
  r.ahead = role == WEFT_ROLE_AHEAD;
  if (view.request_tid != nullptr) r.begin_thread = view.request_tid[row];
  if (view.response_tid != nullptr) r.end_thread = view.response_tid[row];
  if (role == WEFT_ROLE_DECIDE) decided_until = std::max(decided_until, r.start_ns);
  request_of_row[row] = number;
}

void ProcessHistory::TakeCall(const weft_spans& view, uint32_t row, uint8_t role) {
  if (role == WEFT_ROLE_BEFORE && (view.parent_id == nullptr || view.parent_id[row] == 0)) return;
  uint32_t number = Known(view.exchange[row]);
  if (number == kNone) {
    number = static_cast<uint32_t>(calls.size());
    const uint32_t peer = view.peer == nullptr ? 0 : view.peer[row];
    const uint64_t name = Join(HashOf(view, peer), HashOf(view, view.operation[row]));
    Call& added = calls.emplace_back();
    added.exchange = view.exchange[row];
    added.start_ns = Sane(view.start_ns[row]);
    added.callee = callees.Of(name);
    if (role == WEFT_ROLE_BEFORE) {
      *Slot(added.exchange) = number;
      added.owner = Known(BySpan(view.parent_id[row]));
      added.settled = true;
    }
  }
  Call& c = calls[number];
  c.row = row;
  c.end_ns = EndAfter(c.start_ns, view.end_ns[row]);
  c.ahead = role == WEFT_ROLE_AHEAD;
  if (view.request_tid != nullptr) c.begin_thread = view.request_tid[row];
  if (view.response_tid != nullptr) c.end_thread = view.response_tid[row];
  c.wanted = role == WEFT_ROLE_DECIDE;
  call_of_row[row] = number;
  if (!c.wanted) return;
  window_begin = std::min(window_begin, c.start_ns);
  window_end = std::max(window_end, c.start_ns);
  decided_until = std::max(decided_until, c.start_ns);
}

void ProcessHistory::Drop(const std::vector<uint32_t>& new_number) {
  for (uint32_t r = 0; r < requests.size(); ++r)
    if (new_number[r] != kNone) requests[new_number[r]] = requests[r];
  requests.resize(static_cast<size_t>(
      std::ranges::count_if(new_number, [](uint32_t number) { return number != kNone; })));
  std::erase_if(calls, [&](Call& c) {
    if (c.ahead || c.owner == kNone || new_number[c.owner] == kNone) return true;
    c.owner = new_number[c.owner];
    return false;
  });
}

}  // namespace weft::plugins::delay
