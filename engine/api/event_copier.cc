#include "engine/api/event_copier.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <string_view>

namespace weft::api {
namespace {

// at(row) of some rows, for vectors: appended in one pass, where resize() would write zeros first.
template <typename T, typename At>
struct RowValues {
  using iterator_category = std::random_access_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = const T*;
  using reference = T;
  T operator*() const { return static_cast<T>(at(*row)); }
  RowValues& operator++() { return ++row, *this; }
  RowValues& operator--() { return --row, *this; }
  RowValues& operator+=(difference_type n) { return row += n, *this; }
  difference_type operator-(const RowValues& other) const { return row - other.row; }
  bool operator==(const RowValues& other) const { return row == other.row; }
  At at;
  const uint32_t* row;
};

template <typename T, typename At>
void AppendValues(At at, const uint32_t* rows, size_t n, std::vector<T>& out) {
  out.insert(out.end(), RowValues<T, At>{at, rows}, RowValues<T, At>{at, rows + n});
}

template <typename T>
void Append(const PackedColumn& from, const uint32_t* rows, size_t n, std::vector<T>& out) {
  if (from.AllZero()) return out.resize(out.size() + n);
  from.Widen([&](auto at) { AppendValues(at, rows, n, out); });
}

float FloatOf(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

}  // namespace

void EventCopier::Begin(const EventColumns& from, SpanTable& to, Repeats repeats) {
  from_ = &from;
  to_ = &to;
  repeats_ = repeats;
  if (++stamp_ == 0) {
    for (auto* map : {&strings_, &pairs_, &processes_}) map->assign(map->size(), {});
    stamp_ = 1;
  }
  if (strings_.size() < from.n_strings) strings_.resize(from.n_strings);
  if (pairs_.size() < from.n_pairs) pairs_.resize(from.n_pairs);
  if (processes_.size() < from.processes.n) processes_.resize(from.processes.n);
  strings_[0] = {stamp_, 0};
}

uint32_t EventCopier::NewString(uint32_t index) {
  const uint32_t mapped = to_->strings.Intern(from_->Text(index));
  strings_[index] = {stamp_, mapped};
  return mapped;
}

uint32_t EventCopier::NewPair(uint32_t index) {
  const uint32_t key = MapString(static_cast<uint32_t>(from_->pair_key[index]));
  const auto type = static_cast<uint8_t>(from_->pair_type[index]);
  uint64_t value = from_->pair_value[index];
  uint32_t mapped = 0;
  if (repeats_ == Repeats::kOnce) {
    if (type == WEFT_ATTR_STRING) value = MapString(static_cast<uint32_t>(value));
    mapped = to_->pairs.Intern(key, type, value);
  } else {
    if (type == WEFT_ATTR_STRING) {
      Mapped& text = strings_[value];
      if (text.stamp != stamp_)
        text = {stamp_, to_->strings.Append(from_->Text(static_cast<uint32_t>(value)))};
      value = text.index;
    }
    mapped = to_->pairs.Append(key, type, value);
  }
  pairs_[index] = {stamp_, mapped};
  return mapped;
}

uint32_t EventCopier::MapProcess(uint32_t index) {
  const Mapped& m = processes_[index];
  return m.stamp == stamp_ ? m.index : NewProcess(index);
}

uint32_t EventCopier::NewProcess(uint32_t index) {
  const weft_processes& p = from_->processes;
  ProcessTable& out = to_->processes;
  const uint32_t mapped = out.Find(p.process_id[index]);
  if (mapped == out.size()) {
    out.process_id.push_back(p.process_id[index]);
    out.host.push_back(MapString(p.host[index]));
    out.service.push_back(MapString(p.service[index]));
    out.executable.push_back(MapString(p.executable[index]));
    out.pid.push_back(p.pid[index]);
    if (p.attr_offset != nullptr)
      for (uint32_t a = p.attr_offset[index]; a < p.attr_offset[index + 1]; ++a)
        out.attr.push_back(MapPair(p.attr[a]));
    out.attr_offset.push_back(static_cast<uint32_t>(out.attr.size()));
  }
  processes_[index] = {stamp_, mapped};
  return mapped;
}

void EventCopier::AppendStrings(const uint32_t* rows, size_t n, uint32_t first) {
  const auto append = [&](const PackedColumn& from, std::vector<uint32_t>& out) {
    if (from.AllZero()) return out.resize(first + n);
    from.Widen([&](auto at) {
      AppendValues([&](uint32_t row) { return MapString(static_cast<uint32_t>(at(row))); }, rows, n,
                   out);
    });
  };
#define WEFT_COLUMN(type, name, unused) append(from_->name, to_->name);
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  from_->process.Widen([&](auto at) {
    for (size_t i = 0; i < n; ++i)
      to_->process[first + i] = MapProcess(static_cast<uint32_t>(at(rows[i])));
  });
  if (from_->service.present()) return;
  for (size_t i = 0; i < n; ++i)
    to_->service[first + i] = to_->processes.service[to_->process[first + i]];
}

// Columns that a table has only once some row needs them.
void EventCopier::AppendRare(const uint32_t* rows, size_t n, uint32_t first) {
  if (!to_->token_offset.empty()) to_->token_offset.resize(first + n + 1, to_->token_offset.back());
  const bool truth = from_->truth.present();
  if (truth || !to_->truth.empty()) to_->truth.resize(first + n, 0);
  for (size_t i = 0; truth && i < n; ++i)
    if (const auto t = static_cast<uint32_t>(from_->truth[rows[i]]); t != 0)
      to_->truth[first + i] = to_->truth_strings.Intern(from_->Truth(t));
  const bool option = from_->option_id.present();
  if (option || !to_->option_id.empty()) to_->option_id.resize(first + n, 0);
  if (option) from_->option_id.Gather(rows, n, to_->option_id.data() + first);
}

uint32_t EventCopier::AppendColumns(const uint32_t* rows, size_t n, Columns columns) {
  SpanTable& t = *to_;
  const uint32_t first = t.n();
  const bool all = columns == Columns::kAll;
  for (auto* decided : {&t.span_id, &t.parent_id, &t.trace_hi, &t.trace_lo})
    decided->resize(first + n);
  for (auto* time : {&t.start_ns, &t.end_ns}) time->resize(first + n);
  t.confidence.resize(first + n);
  t.evidence.resize(first + n);
  t.process.resize(first + n);
  if (all) {
    from_->parent_id.Gather(rows, n, t.parent_id.data() + first);
    from_->trace_hi.Gather(rows, n, t.trace_hi.data() + first);
    from_->start_ns.Gather(rows, n, t.start_ns.data() + first);
    for (size_t i = 0; i < n; ++i) {
      t.span_id[first + i] = from_->SpanIdOf(rows[i]);
      t.trace_lo[first + i] = from_->TraceLoOf(rows[i]);
      t.end_ns[first + i] = from_->EndOf(rows[i]);
      t.confidence[first + i] = FloatOf(from_->confidence[rows[i]]);
    }
    from_->evidence.Gather(rows, n, t.evidence.data() + first);
  }
  Append(from_->exchange, rows, n, t.exchange);
  Append(from_->connection, rows, n, t.connection);
  Append(from_->wire_id, rows, n, t.wire_id);
  Append(from_->kind, rows, n, t.kind);
  Append(from_->status, rows, n, t.status);
  Append(from_->protocol, rows, n, t.protocol);
  Append(from_->flags, rows, n, t.flags);
  Append(from_->local_port, rows, n, t.local_port);
  Append(from_->remote_port, rows, n, t.remote_port);
  Append(from_->fd, rows, n, t.fd);
  Append(from_->request_tid, rows, n, t.request_tid);
  Append(from_->response_tid, rows, n, t.response_tid);
  Append(from_->request_bytes, rows, n, t.request_bytes);
  Append(from_->response_bytes, rows, n, t.response_bytes);
  Append(from_->context_trace_hi, rows, n, t.context_trace_hi);
  Append(from_->context_trace_lo, rows, n, t.context_trace_lo);
  Append(from_->context_span_id, rows, n, t.context_span_id);
  AppendStrings(rows, n, first);
  AppendRare(rows, n, first);
  return first;
}

// What follows from other columns; FillColumns has the rest.
void EventCopier::FillDerived(const uint32_t* rows, const uint32_t* places, size_t n) {
  SpanTable& t = *to_;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t place = places[i];
    t.span_id[place] = from_->SpanIdOf(rows[i]);
    t.trace_lo[place] = from_->TraceLoOf(rows[i]);
    t.end_ns[place] = from_->EndOf(rows[i]);
    t.confidence[place] = FloatOf(from_->confidence[rows[i]]);
    t.process[place] = MapProcess(static_cast<uint32_t>(from_->process[rows[i]]));
  }
  if (!from_->service.present())
    for (size_t i = 0; i < n; ++i) t.service[places[i]] = t.processes.service[t.process[places[i]]];
  if (from_->truth.present()) t.truth.resize(t.n(), 0);
  for (size_t i = 0; from_->truth.present() && i < n; ++i)
    if (const auto text = static_cast<uint32_t>(from_->truth[rows[i]]); text != 0)
      t.truth[places[i]] = t.truth_strings.Intern(from_->Truth(text));
  if (from_->option_id.present()) t.option_id.resize(t.n(), 0);
  if (from_->option_id.present()) from_->option_id.Scatter(rows, places, n, t.option_id.data());
}

void EventCopier::FillColumns(const uint32_t* rows, const uint32_t* places, size_t n) {
  const auto scatter = [&](const PackedColumn& from, auto& out) {
    if (!from.AllZero()) from.Scatter(rows, places, n, out.data());
  };
  const auto strings = [&](const PackedColumn& from, std::vector<uint32_t>& out) {
    if (from.AllZero()) return;
    from.Widen([&](auto at) {
      for (size_t i = 0; i < n; ++i) out[places[i]] = MapString(static_cast<uint32_t>(at(rows[i])));
    });
  };
  constexpr auto kDerived = [](std::string_view name) {
    return name == "span_id" || name == "trace_lo" || name == "end_ns" || name == "process";
  };
#define WEFT_COLUMN(type, name, unused) \
  if constexpr (!kDerived(#name)) scatter(from_->name, to_->name);
  WEFT_EVENT_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
#define WEFT_COLUMN(type, name, unused) strings(from_->name, to_->name);
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  scatter(from_->evidence, to_->evidence);
  FillDerived(rows, places, n);
}

void EventCopier::AppendLists(uint32_t row) {
  SpanTable& t = *to_;
  if (from_->attr_offset.present()) {
    const size_t begin = from_->attr_offset[row];
    const size_t n = from_->attr_offset[size_t{row} + 1] - begin;
    const size_t at = t.attr.size();
    t.attr.resize(at + n);
    uint32_t* const out = t.attr.data() + at;
    from_->attr.Widen([&](auto pair) {
      for (size_t i = 0; i < n; ++i) out[i] = MapPair(static_cast<uint32_t>(pair(begin + i)));
    });
  }
  t.attr_offset.push_back(static_cast<uint32_t>(t.attr.size()));
  AppendCandidates(row);
}

void EventCopier::AppendCandidates(uint32_t row) {
  SpanTable& t = *to_;
  if (from_->candidate_offset.present())
    for (uint64_t c = from_->candidate_offset[row]; c < from_->candidate_offset[size_t{row} + 1];
         ++c) {
      t.candidate_span_id.push_back(from_->candidate_span_id[c]);
      t.candidate_log_odds.push_back(FloatOf(from_->candidate_log_odds[c]));
      t.candidate_evidence.push_back(static_cast<uint32_t>(from_->candidate_evidence[c]));
    }
  t.candidate_offset.push_back(static_cast<uint32_t>(t.candidate_span_id.size()));
}

void EventCopier::AppendAttributes(const uint32_t* rows, size_t n) {
  SpanTable& t = *to_;
  const size_t first = t.attr_offset.size();
  const size_t before = t.attr.size();
  t.attr_offset.resize(first + n, static_cast<uint32_t>(before));
  if (!from_->attr_offset.present()) return;
  size_t size = before;
  from_->attr_offset.Widen([&](auto at) {
    for (size_t i = 0; i < n; ++i) {
      size += at(size_t{rows[i]} + 1) - at(rows[i]);
      t.attr_offset[first + i] = static_cast<uint32_t>(size);
    }
  });
  t.attr.resize(size);
  if (new_pairs_.size() < size - before) new_pairs_.resize(size - before);
  uint32_t* const begin = t.attr.data() + before;
  const uint32_t* const ends = t.attr_offset.data() + first;
  size_t n_new = 0;
  // The record's numbers first. Without a branch: nobody could predict which of them are new.
  from_->attr.Widen([&](auto pair) {
    Mapped* const known = pairs_.data();
    const uint32_t stamp = stamp_;
    uint32_t *to = begin, *fresh = new_pairs_.data();
    for (size_t i = 0; i < n; ++i) {
      const uint32_t* const end = begin + (ends[i] - before);
      for (size_t a = from_->attr_offset[rows[i]]; to != end; ++a, ++to) {
        const auto number = static_cast<uint32_t>(pair(a));
        *to = *fresh = number;
        fresh += known[number].stamp != stamp;
        known[number].stamp = stamp;
      }
    }
    n_new = static_cast<size_t>(fresh - new_pairs_.data());
  });
  NewPairs(n_new);
  const Mapped* const known = pairs_.data();
  for (size_t i = 0; i < size - before; ++i) begin[i] = known[begin[i]].index;
}

// The first n of new_pairs_.
void EventCopier::NewPairs(size_t n) {
  keys_.resize(n);
  types_.resize(n);
  values_.resize(n);
  from_->pair_key.Widen([&](auto at) {
    for (size_t i = 0; i < n; ++i) keys_[i] = MapString(static_cast<uint32_t>(at(new_pairs_[i])));
  });
  from_->pair_type.Gather(new_pairs_.data(), n, types_.data());
  from_->pair_value.Gather(new_pairs_.data(), n, values_.data());
  NewTexts(n);
  PairTable& out = to_->pairs;
  if (repeats_ == Repeats::kOnce) {
    for (size_t i = 0; i < n; ++i)
      pairs_[new_pairs_[i]].index = out.Intern(keys_[i], types_[i], values_[i]);
    return;
  }
  for (size_t i = 0; i < n; ++i)
    pairs_[new_pairs_[i]].index = out.size() + static_cast<uint32_t>(i);
  out.key.insert(out.key.end(), keys_.begin(), keys_.end());
  out.type.insert(out.type.end(), types_.begin(), types_.end());
  out.value.insert(out.value.end(), values_.begin(), values_.end());
}

// Those of values_ that are texts.
void EventCopier::NewTexts(size_t n) {
  Dictionary& out = to_->strings;
  from_->string_offset.Widen([&](auto at) {
    const auto text_at = [&](size_t index) {
      const size_t begin = at(index);
      return std::string_view(from_->string_bytes + begin, at(index + 1) - begin);
    };
    new_texts_.clear();
    for (size_t i = 0; i < n; ++i) {
      if (types_[i] != WEFT_ATTR_STRING) continue;
      Mapped& text = strings_[values_[i]];
      if (text.stamp != stamp_) {
        if (repeats_ == Repeats::kOnce) {
          text = {stamp_, out.Intern(text_at(values_[i]))};
        } else {
          text = {stamp_, out.size() + static_cast<uint32_t>(new_texts_.size())};
          new_texts_.push_back(static_cast<uint32_t>(values_[i]));
        }
      }
      values_[i] = text.index;
    }
    out.AppendAll(new_texts_.size(), [&](size_t i) { return text_at(new_texts_[i]); });
  });
}

void EventCopier::Copy(const uint32_t* rows, size_t n) {
  // One at a time: tokens go to the newest row only.
  for (size_t i = 0; i < n; ++i) {
    AppendColumns(rows + i, 1, Columns::kAll);
    AppendLists(rows[i]);
    if (!from_->token_offset.present()) continue;
    for (uint64_t k = from_->token_offset[rows[i]]; k < from_->token_offset[size_t{rows[i]} + 1];
         ++k)
      to_->Token(static_cast<uint32_t>(from_->token[k]));
  }
}

void EventCopier::CopyAll() {
  std::vector<uint32_t> rows(from_->n);
  std::iota(rows.begin(), rows.end(), 0);
  Copy(rows.data(), rows.size());
}

}  // namespace weft::api
