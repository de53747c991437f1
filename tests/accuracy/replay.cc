#include "tests/accuracy/replay.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/api/ids.h"
#include "engine/api/span_table.h"
#include "engine/base/clock.h"
#include "tests/accuracy/decider.h"

namespace weft::accuracy {
namespace {

constexpr int64_t kWindow = 500 * kMillisecond;
constexpr int64_t kLookAhead = 500 * kMillisecond;

uint64_t SpanIdOf(uint32_t row) { return HashCombine(row, 1); }

// One service: its rows by start, walked window by window.
class ProcessReplay {
 public:
  ProcessReplay(const Recording& recording, uint64_t process_id, std::vector<uint32_t> rows,
                const std::vector<const plugin::PluginInstance*>& chain, Teacher teacher,
                ReplayResult& out)
      : recording_(recording),
        process_id_(process_id),
        rows_(std::move(rows)),
        decider_(chain),
        out_(out),
        parents_(teacher == Teacher::kTruth ? truth_ : out.parents) {
    if (teacher != Teacher::kTruth) return;
    for (const Span& span : recording.spans) truth_.push_back(span.client ? span.parent : -1);
  }

  Result<void> Run() {
    size_t next = 0;
    while (next < rows_.size()) {
      const int64_t begin = Start(next) / kWindow * kWindow;
      WEFT_TRY(Window(begin, next));
      while (next < rows_.size() && Start(next) < begin + kWindow) ++next;
    }
    out_.seconds += decider_.seconds();
    return {};
  }

 private:
  int64_t Start(size_t i) const { return recording_.spans[rows_[i]].start_ns; }

  Result<void> Window(int64_t begin, size_t first) {
    const int64_t end = begin + kWindow, known_until = end + kLookAhead;
    std::erase_if(before_, [&](uint32_t r) {
      const Span& s = recording_.spans[r];
      const Span& owner = s.client ? recording_.spans[static_cast<size_t>(parents_[r])] : s;
      return owner.end_ns < begin;
    });
    api::SpanTable table;
    table.AddProcess(process_id_, "host", "service", "", 1);
    std::vector<uint8_t> roles;
    std::vector<uint32_t> row_of;
    const auto add = [&](uint32_t r, weft_role role) {
      AddRow(table, r, known_until);
      roles.push_back(static_cast<uint8_t>(role));
      row_of.push_back(r);
    };
    for (const uint32_t r : before_) add(r, WEFT_ROLE_BEFORE);
    for (size_t i = first; i < rows_.size() && Start(i) < known_until; ++i)
      add(rows_[i], Start(i) < end ? WEFT_ROLE_DECIDE : WEFT_ROLE_AHEAD);
    api::SpanView view = table.View();
    view.spans_.role = roles.data();
    WEFT_TRY(RunChain(view.spans_, row_of));
    for (uint32_t i = 0; i < view.spans_.n; ++i) {
      if (roles[i] != WEFT_ROLE_DECIDE) continue;
      const uint32_t r = row_of[i];
      if (!recording_.spans[r].client || parents_[r] >= 0) before_.push_back(r);
    }
    return {};
  }

  void AddRow(api::SpanTable& table, uint32_t r, int64_t known_until) {
    const Span& s = recording_.spans[r];
    const uint32_t row = table.AddRow();
    table.span_id[row] = SpanIdOf(r);
    table.exchange[row] = HashCombine(r, 2);
    if (s.client && parents_[r] >= 0)
      table.parent_id[row] = SpanIdOf(static_cast<uint32_t>(parents_[r]));
    table.start_ns[row] = s.start_ns;
    table.end_ns[row] = s.end_ns < known_until ? s.end_ns : 0;
    if (table.end_ns[row] == 0) table.flags[row] = WEFT_FLAG_OPEN;
    table.kind[row] = s.client ? WEFT_KIND_CLIENT : WEFT_KIND_SERVER;
    table.operation[row] = table.Intern(recording_.names[s.operation]);
    if (s.client) table.peer[row] = table.Intern(recording_.names[s.peer]);
    table.request_tid[row] = s.tid;
    table.connection[row] = s.connection;
    for (const uint32_t token : s.tokens)
      if ((token & 1) == 0 || table.end_ns[row] != 0) table.Token(token);
    if (s.context_trace == 0) return;
    table.flags[row] |= WEFT_FLAG_CONTEXT;
    table.context_trace_lo[row] = s.context_trace;
    table.context_span_id[row] = s.context_span;
  }

  Result<void> RunChain(const weft_spans& view, const std::vector<uint32_t>& row_of) {
    const auto links = decider_.Run(view, [&](Links& taught) { Correct(taught, row_of); });
    if (!links) return std::unexpected(links.error());
    for (uint32_t i = 0; i < links->child.size(); ++i) {
      const uint32_t child = row_of[links->child[i]];
      out_.confidence[child] = links->confidence[i];
      if (links->parent[i] != WEFT_NONE)
        out_.parents[child] = static_cast<int32_t>(row_of[links->parent[i]]);
    }
    return {};
  }

  void Correct(Links& links, const std::vector<uint32_t>& row_of) const {
    if (truth_.empty()) return;
    for (size_t i = 0; i < links.child.size(); ++i) {
      const int32_t parent = truth_[row_of[links.child[i]]];
      const auto found = std::ranges::find(row_of, static_cast<uint32_t>(parent));
      links.parent[i] = parent < 0 || found == row_of.end()
                            ? WEFT_NONE
                            : static_cast<uint32_t>(found - row_of.begin());
      links.confidence[i] = 1;
    }
  }

  const Recording& recording_;
  uint64_t process_id_;
  std::vector<uint32_t> rows_;
  Decider decider_;
  ReplayResult& out_;
  eval::Parents truth_;  // where it is told
  const eval::Parents& parents_;
  std::vector<uint32_t> before_;
};

}  // namespace

Result<ReplayResult> Replay(const Recording& recording,
                            const std::vector<const plugin::PluginInstance*>& chain,
                            Teacher teacher) {
  ReplayResult out;
  out.parents.assign(recording.spans.size(), -1);
  out.confidence.assign(recording.spans.size(), 0);
  std::map<uint32_t, std::vector<uint32_t>> by_service;
  for (uint32_t i = 0; i < recording.spans.size(); ++i)
    by_service[recording.spans[i].service].push_back(i);
  for (auto& [service, rows] : by_service) {
    // Equal starts in an order that has nothing to do with the file's.
    std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
      return std::pair(recording.spans[a].start_ns, HashCombine(a, 2)) <
             std::pair(recording.spans[b].start_ns, HashCombine(b, 2));
    });
    ProcessReplay process(recording, service + 1, std::move(rows), chain, teacher, out);
    WEFT_TRY(process.Run());
  }
  return out;
}

}  // namespace weft::accuracy
