// KnownTraces: traces whose parents are known, reduced to what a correlator must find out: per
// service the requests it got and the calls it made, and which request caused which call.
//
// Made by KnownTracesBuilder from spans of any source, changed by load_change.h, read by the rules
// of baselines.h, the stage run and the score. Plain data; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/api/span_table.h"

namespace weft::eval {

struct KnownSpan {
  uint32_t trace = 0, service = 0, peer = 0, operation = 0;  // numbers of names; trace: of its own
  bool call = false;                                         // else a request
  bool orphan = false;  // a call whose request was taken away: right is to leave it unlinked
  int64_t start_ns = 0, end_ns = 0;
  // The truth: of a call the row of its request, of a request the row of the call that brought it.
  // -1: nobody knows, or it was taken away.
  int32_t parent = -1;
};

struct KnownTraces {
  std::string name;
  std::vector<KnownSpan> spans;
  std::vector<std::string> names;
  uint32_t traces = 0;

  uint64_t calls() const;
};

// Spans in any order, then Build once.
//
// Requests are SERVER and CONSUMER spans, calls CLIENT and PRODUCER spans; INTERNAL spans only
// connect a call to its request. A request whose parent is no call but a span of another service
// gets a call of the same interval in that service. Where a source knows no kinds at all, the spans
// whose parent is of another service, or missing, count as requests, and what lies between a
// request and a single one of another service as a call.
class KnownTracesBuilder {
 public:
  explicit KnownTracesBuilder(std::string name);
  void Add(const api::SpanView& view);
  size_t size() const { return rows_.size(); }
  KnownTraces Build();

 private:
  struct Row {
    uint64_t trace, id, parent_id;
    uint32_t service, operation, peer;
    uint8_t kind;
    int64_t start_ns, end_ns;
    int32_t parent = -1;            // row
    uint32_t foreign_children = 0;  // of other services
    int32_t out = -1;               // row in the result
  };
  uint32_t Name(std::string_view text);
  void ResolveParents();
  bool IsRequest(const Row& row) const;
  bool IsCall(const Row& row) const;
  int32_t RequestAbove(int32_t row, uint32_t service) const;
  void NamePeers();
  void MakeRequests(KnownTraces& out);
  void MakeCalls(KnownTraces& out);

  std::string name_;
  std::vector<Row> rows_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint32_t> number_of_;
  std::unordered_map<uint64_t, uint32_t> trace_of_;
  bool kinds_ = false;
};

}  // namespace weft::eval
