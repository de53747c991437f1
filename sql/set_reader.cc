#include "sql/set_reader.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace weft::sql {
namespace {

// Asks every database; at most one may have it.
template <typename Found, typename Find, typename Describe>
Result<Found> FindOne(const StoreSet& stores, std::string_view prefix, std::string_view what,
                      const Find& find, const Describe& describe) {
  std::vector<Found> all;
  for (size_t store = 0; store < stores.size(); ++store) {
    Result<Found> one = find(stores[store]);
    if (!one && one.error().code == Code::kNotFound) continue;
    if (!one) return one;
    one->store = store;
    all.push_back(std::move(*one));
  }
  if (all.empty())
    return Fail(Code::kNotFound,
                fmt::format("no {} begins with {} in {}", what, prefix, stores.Name()));
  if (all.size() == 1) return std::move(all.front());
  std::vector<std::string> names;
  for (const Found& one : all)
    names.push_back(fmt::format("{}  {}", describe(one), stores[one.store].path()));
  return Ambiguous(prefix, fmt::format("{}s", what), names);
}

}  // namespace

Result<StoredTrace> FindTrace(const StoreSet& stores, std::string_view prefix) {
  return FindOne<StoredTrace>(
      stores, prefix, "trace", [&](const Database& db) { return FindTrace(db, prefix); },
      [](const StoredTrace& trace) { return trace.trace_id; });
}

Result<StoredSpan> FindSpan(const StoreSet& stores, std::string_view prefix) {
  return FindOne<StoredSpan>(
      stores, prefix, "span", [&](const Database& db) { return FindSpan(db, prefix); },
      [](const StoredSpan& s) {
        return fmt::format("{}  {} {}", HexId(s.span_id), s.service, s.operation);
      });
}

Result<StoredSpan> ReadSpan(const StoreSet& stores, uint64_t span_id) {
  for (size_t store = 0; store < stores.size(); ++store) {
    Result<StoredSpan> span = ReadSpan(stores[store], span_id);
    if (!span && span.error().code == Code::kNotFound) continue;
    if (span) span->store = store;
    return span;
  }
  return Fail(Code::kNotFound, "no span " + HexId(span_id));
}

Result<std::vector<StoredTrace>> SearchTraces(const StoreSet& stores, const TraceFilter& filter) {
  std::vector<StoredTrace> all;
  for (size_t store = 0; store < stores.size(); ++store) {
    Result<std::vector<StoredTrace>> some = SearchTraces(stores[store], filter);
    if (!some) return some;
    for (StoredTrace& trace : *some) {
      trace.store = store;
      all.push_back(std::move(trace));
    }
  }
  std::ranges::stable_sort(
      all, [](const StoredTrace& a, const StoredTrace& b) { return a.start_ns > b.start_ns; });
  if (all.size() > filter.limit) all.resize(filter.limit);
  return all;
}

}  // namespace weft::sql
