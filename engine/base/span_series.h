// SpanSeries: what all traffic says of itself, before any trace is sampled out: requests, errors
// and durations of each operation, and of each edge between services.
//
// Stage 2 collects a batch's spans into one Change per series and adds those: one lock per batch.
// At most `limit` series; what comes beyond goes to one series of overflow, and a series that
// nobody has added to for kIdleNs makes room. Off until a limit is set. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/histogram.h"

namespace weft {

class SpanSeries {
 public:
  static constexpr int64_t kIdleNs = 15 * 60 * kSecond;

  // Of an operation. Kind and status as in the plugin ABI.
  struct Operation {
    std::string service, operation;
    uint8_t kind = 0, status = 0;
    auto operator<=>(const Operation&) const = default;
  };
  enum class Connection : uint8_t { kTraced, kDatabase, kMessaging, kVirtualNode };
  struct Edge {
    std::string client, server;
    Connection connection = Connection::kTraced;
    auto operator<=>(const Edge&) const = default;
  };
  // A trace to look at for a duration, at most one of each bucket: the latest.
  struct Exemplar {
    uint64_t trace_hi = 0, trace_lo = 0;
    int64_t duration_ns = 0, at_unix_ns = 0;  // 0: none
  };
  struct Durations {
    Histogram::Values values;
    std::array<Exemplar, Histogram::kBuckets> exemplar;
    void Observe(int64_t ns, const Exemplar* exemplar_or_null);
    void Add(const Durations& other);
    uint64_t count() const;
  };
  struct OperationChange {
    Durations durations;
  };
  struct EdgeChange {
    Durations client, server;  // as each side saw it; a side that was not seen has none
    uint64_t requests = 0, failed = 0;
  };

  // 0: off.
  void SetLimit(size_t limit) { limit_ = limit; }
  bool on() const { return limit_ > 0; }

  // `now_ns`: any clock that does not stand still, the same for all calls.
  void Add(const std::vector<std::pair<Operation, OperationChange>>& operations,
           const std::vector<std::pair<Edge, EdgeChange>>& edges, int64_t now_ns);

  // In order. An overflow series has empty names, and is the last.
  struct Snapshot {
    std::vector<std::pair<Operation, OperationChange>> operations;
    std::vector<std::pair<Edge, EdgeChange>> edges;
  };
  Snapshot Read() const;

 private:
  template <typename Change>
  struct Entry {
    Change change;
    int64_t last_ns = 0;
  };
  template <typename Key, typename Change>
  using Map = std::map<Key, Entry<Change>>;

  template <typename Key, typename Change>
  Change& Find(Map<Key, Change>& map, const Key& key, int64_t now_ns);
  void DropIdle(int64_t now_ns);

  size_t limit_ = 0;
  mutable std::mutex mutex_;
  Map<Operation, OperationChange> operations_;
  Map<Edge, EdgeChange> edges_;
  int64_t dropped_idle_ns_ = 0;
};

}  // namespace weft
