#include "engine/eval/known_traces.h"

#include <algorithm>
#include <utility>

#include "engine/base/hash.h"

namespace weft::eval {
namespace {

constexpr int kMaxDepth = 10'000;  // a parent chain that is longer goes round in a circle

uint64_t KeyOf(uint64_t trace, uint64_t span_id) { return HashCombine(trace, span_id); }

}  // namespace

uint64_t KnownTraces::calls() const {
  return static_cast<uint64_t>(std::ranges::count_if(spans, &KnownSpan::call));
}

KnownTracesBuilder::KnownTracesBuilder(std::string name) : name_(std::move(name)) { Name(""); }

uint32_t KnownTracesBuilder::Name(std::string_view text) {
  const auto [at, added] =
      number_of_.try_emplace(std::string(text), static_cast<uint32_t>(names_.size()));
  if (added) names_.push_back(at->first);
  return at->second;
}

void KnownTracesBuilder::Add(const api::SpanView& view) {
  const weft_spans& s = view.spans();
  std::vector<uint32_t> number(s.n_strings, WEFT_NONE);
  const auto name = [&](uint32_t string) {
    if (number[string] == WEFT_NONE) number[string] = Name(view.Text(string));
    return number[string];
  };
  for (uint32_t i = 0; i < s.n; ++i) {
    Row row{};
    row.trace = HashCombine(s.trace_hi[i], s.trace_lo[i]);
    row.id = s.span_id[i];
    row.parent_id = s.parent_id[i];
    row.service = name(s.service[i]);
    row.operation = name(s.operation[i]);
    row.peer = name(s.peer[i]);
    row.kind = s.kind[i];
    row.start_ns = s.start_ns[i];
    row.end_ns = std::max(s.end_ns[i], s.start_ns[i]);
    kinds_ |= row.kind == WEFT_KIND_SERVER;
    trace_of_.try_emplace(row.trace, static_cast<uint32_t>(trace_of_.size()));
    rows_.push_back(row);
  }
}

void KnownTracesBuilder::ResolveParents() {
  std::unordered_map<uint64_t, int32_t> by_id;
  by_id.reserve(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i)
    by_id.try_emplace(KeyOf(rows_[i].trace, rows_[i].id), static_cast<int32_t>(i));
  for (size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (row.parent_id == 0) continue;
    const auto found = by_id.find(KeyOf(row.trace, row.parent_id));
    if (found != by_id.end() && found->second != static_cast<int32_t>(i))
      row.parent = found->second;
  }
  for (const Row& row : rows_) {
    if (row.parent < 0) continue;
    Row& parent = rows_[static_cast<size_t>(row.parent)];
    parent.foreign_children += parent.service != row.service;
  }
}

bool KnownTracesBuilder::IsCall(const Row& row) const {
  if (row.kind == WEFT_KIND_CLIENT || row.kind == WEFT_KIND_PRODUCER) return true;
  return !kinds_ && row.foreign_children == 1 && !IsRequest(row);
}

bool KnownTracesBuilder::IsRequest(const Row& row) const {
  if (row.kind == WEFT_KIND_SERVER || row.kind == WEFT_KIND_CONSUMER) return true;
  if (kinds_ || row.kind == WEFT_KIND_CLIENT || row.kind == WEFT_KIND_PRODUCER) return false;
  return row.parent < 0 || rows_[static_cast<size_t>(row.parent)].service != row.service;
}

// The nearest request from `row` upwards within the service; -1 where the way leaves it.
int32_t KnownTracesBuilder::RequestAbove(int32_t row, uint32_t service) const {
  for (int depth = 0; row >= 0 && depth < kMaxDepth; ++depth) {
    const Row& one = rows_[static_cast<size_t>(row)];
    if (one.service != service) return -1;
    if (IsRequest(one)) return row;
    row = one.parent;
  }
  return -1;
}

// A call goes to the service that its request was seen in; what the caller said comes second.
void KnownTracesBuilder::NamePeers() {
  for (const Row& row : rows_) {
    if (row.parent < 0) continue;
    Row& parent = rows_[static_cast<size_t>(row.parent)];
    if (IsCall(parent) && row.service != parent.service) parent.peer = row.service;
  }
}

void KnownTracesBuilder::MakeRequests(KnownTraces& out) {
  for (Row& row : rows_) {
    if (!IsRequest(row)) continue;
    row.out = static_cast<int32_t>(out.spans.size());
    out.spans.push_back({trace_of_.at(row.trace), row.service, row.peer, row.operation, false,
                         false, row.start_ns, row.end_ns});
  }
}

void KnownTracesBuilder::MakeCalls(KnownTraces& out) {
  const auto add = [&](const Row& of, uint32_t service, uint32_t peer, int32_t cause) {
    KnownSpan call{
        trace_of_.at(of.trace), service, peer, of.operation, true, false, of.start_ns, of.end_ns};
    if (cause >= 0) call.parent = rows_[static_cast<size_t>(cause)].out;
    out.spans.push_back(call);
    return static_cast<int32_t>(out.spans.size()) - 1;
  };
  for (Row& row : rows_)
    if (IsCall(row))
      row.out = add(row, row.service, row.peer, RequestAbove(row.parent, row.service));
  for (const Row& row : rows_) {
    if (!IsRequest(row) || row.parent < 0) continue;
    const Row& parent = rows_[static_cast<size_t>(row.parent)];
    int32_t brought_by = -1;
    if (IsCall(parent))
      brought_by = parent.out;
    else if (parent.service != row.service)
      brought_by = add(row, parent.service, row.service, RequestAbove(row.parent, parent.service));
    out.spans[static_cast<size_t>(row.out)].parent = brought_by;
  }
}

KnownTraces KnownTracesBuilder::Build() {
  ResolveParents();
  NamePeers();
  KnownTraces out;
  out.name = std::move(name_);
  MakeRequests(out);
  MakeCalls(out);
  out.names = std::move(names_);
  out.traces = static_cast<uint32_t>(trace_of_.size());
  return out;
}

}  // namespace weft::eval
