#include "sql/truth_score.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <unordered_map>

namespace weft::sql {
namespace {

// "r17.2.1" -> 17; values of another form have no root.
bool RootNumber(std::string_view truth, uint64_t* number) {
  const std::string_view root = truth.substr(0, truth.find('.'));
  if (root.size() < 2 || root[0] != 'r') return false;
  const auto parsed = std::from_chars(root.data() + 1, root.data() + root.size(), *number);
  return parsed.ec == std::errc{} && parsed.ptr == root.data() + root.size();
}

std::string_view WithoutLast(std::string_view truth) {
  const size_t dot = truth.rfind('.');
  return dot == truth.npos ? std::string_view{} : truth.substr(0, dot);
}

class Scoring {
 public:
  Scoring(const std::vector<TruthSpan>& spans, RootRange roots) : spans_(spans), roots_(roots) {
    for (const TruthSpan& span : spans_) {
      if (span.server) {
        Moments& moments = open_[span.process];
        moments.begins.push_back(span.start_ns);
        if (!span.open) moments.ends.push_back(span.end_ns);
      }
      if (span.truth.empty()) continue;
      (span.server ? servers_ : clients_)[span.truth].push_back(&span);
    }
    for (auto& [process, moments] : open_) {
      std::sort(moments.begins.begin(), moments.begins.end());
      std::sort(moments.ends.begin(), moments.ends.end());
    }
  }

  TruthScore Run() {
    TruthScore score;
    for (const TruthSpan& span : spans_) {
      uint64_t root = 0;
      if (span.truth.empty() || !RootNumber(span.truth, &root)) continue;
      roots_of_trace_[span.trace].insert(root);
      if (root < roots_.first || root > roots_.last) continue;
      ++score.spans;
      const bool right = span.server ? ScoreServer(span, score) : ScoreClient(span, score);
      Request& request = requests_[root];
      request.right = request.right && right;
      request.traces.insert(span.trace);
    }
    std::set<int64_t> traces;
    for (const auto& [root, request] : requests_) {
      const bool alone =
          request.traces.size() == 1 && roots_of_trace_[*request.traces.begin()].size() == 1;
      score.trace_exact.Add(request.right && alone);
      traces.insert(request.traces.begin(), request.traces.end());
    }
    score.traces = traces.size();
    return score;
  }

 private:
  using Index = std::unordered_map<std::string_view, std::vector<const TruthSpan*>>;
  struct Moments {
    std::vector<int64_t> begins, ends;
  };
  struct Request {
    bool right = true;
    std::set<int64_t> traces;
  };

  bool ScoreClient(const TruthSpan& span, TruthScore& score) {
    const bool right = ClientIsRight(span);
    const bool ambiguous = OpenRequests(span) >= 2;
    const bool unlinked = !right && span.parent_id == 0;
    for (ServiceScore* s : {&score.total, &score.services[span.service]}) {
      s->span.Add(right);
      if (ambiguous) s->ambiguous.Add(right);
      s->unlinked += unlinked;
    }
    return right;
  }

  bool ScoreServer(const TruthSpan& span, TruthScore& score) {
    const TruthSpan* const caller = CallerOf(span);
    const bool right = span.parent_id == (caller ? caller->span_id : 0);
    if (caller)
      for (ServiceScore* s : {&score.total, &score.services[span.service]})
        s->cross_process.Add(right);
    return right;
  }

  // A repeated value (a retry of the caller) leaves several right answers.
  bool ClientIsRight(const TruthSpan& span) const {
    for (const std::string_view truth : {std::string_view(span.truth), WithoutLast(span.truth)}) {
      const auto servers = servers_.find(truth);
      if (truth.empty() || servers == servers_.end()) continue;
      bool any = false;
      for (const TruthSpan* server : servers->second) {
        if (server->process != span.process) continue;
        any = true;
        if (server->span_id == span.parent_id) return true;
      }
      if (any) return false;
    }
    return span.parent_id == 0;
  }

  // Behind a proxy several callers have the value: the nearest is the last that began before.
  const TruthSpan* CallerOf(const TruthSpan& span) const {
    const auto clients = clients_.find(span.truth);
    if (clients == clients_.end()) return nullptr;
    const TruthSpan* caller = nullptr;
    for (const TruthSpan* client : clients->second) {
      if (client->process == span.process || client->start_ns > span.start_ns) continue;
      if (!caller || client->start_ns > caller->start_ns) caller = client;
    }
    return caller;
  }

  int64_t OpenRequests(const TruthSpan& span) const {
    const auto found = open_.find(span.process);
    if (found == open_.end()) return 0;
    const auto& [begins, ends] = found->second;
    return (std::upper_bound(begins.begin(), begins.end(), span.start_ns) - begins.begin()) -
           (std::upper_bound(ends.begin(), ends.end(), span.start_ns) - ends.begin());
  }

  const std::vector<TruthSpan>& spans_;
  const RootRange roots_;
  Index servers_, clients_;
  std::unordered_map<int64_t, Moments> open_;
  std::map<uint64_t, Request> requests_;
  std::unordered_map<int64_t, std::set<uint64_t>> roots_of_trace_;
};

}  // namespace

TruthScore ScoreSpans(const std::vector<TruthSpan>& spans, RootRange roots) {
  return Scoring(spans, roots).Run();
}

namespace {

// Appends the spans of a store; `number` tells its traces from those of others.
Result<void> ReadTruthSpans(const Database& db, int64_t number, std::vector<TruthSpan>* spans) {
  Result<Statement> rows = db.Prepare(
      "SELECT s.id >> 20, s.span_id, s.parent_id, s.start_ns, coalesce(s.duration_ns, 0),"
      " o.kind IN (2, 5), s.flags & 1, coalesce(p.process_id, 0), o.service,"
      " coalesce(json_extract(s.attributes, '$.\"weft.truth\"'),"
      "  json_extract(a.json, '$.\"weft.truth\"'), '')"
      " FROM span_rows s JOIN operations o ON o.id = s.operation"
      " LEFT JOIN connection_rows c ON c.id = s.connection"
      " LEFT JOIN process_rows p ON p.id = c.process"
      " LEFT JOIN attribute_sets a ON a.id = s.attribute_set");
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    TruthSpan s;
    s.trace = number << 44 | rows->Int(0);
    s.span_id = static_cast<uint64_t>(rows->Int(1));
    s.parent_id = static_cast<uint64_t>(rows->Int(2));
    s.start_ns = rows->Int(3);
    s.end_ns = s.start_ns + rows->Int(4);
    s.server = rows->Int(5) != 0;
    s.open = rows->Int(6) != 0;
    s.process = rows->Int(7);
    s.service = rows->Text(8);
    s.truth = rows->Text(9);
    spans->push_back(std::move(s));
  }
}

}  // namespace

Result<TruthScore> ScoreTruth(const StoreSet& stores, RootRange roots) {
  std::vector<TruthSpan> spans;
  for (size_t store = 0; store < stores.size(); ++store)
    WEFT_TRY(ReadTruthSpans(stores[store], static_cast<int64_t>(store), &spans));
  if (std::ranges::all_of(spans, [](const TruthSpan& s) { return s.truth.empty(); }))
    return Fail(Code::kNotFound,
                stores.Name() + ": no span carries ground truth; record with --capture-truth");
  return ScoreSpans(spans, roots);
}

}  // namespace weft::sql
