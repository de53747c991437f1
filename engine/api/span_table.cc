#include "engine/api/span_table.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "engine/base/text_words.h"

namespace weft::api {
namespace {

template <typename T>
size_t Bytes(const std::vector<T>& v) {
  return v.capacity() * sizeof(T);
}

}  // namespace

SpanView& SpanView::operator=(SpanView&& other) noexcept {
  spans_ = other.spans_;
  pairs_ = other.pairs_;
  processes_ = other.processes_;
  strings_ = std::move(other.strings_);
  truth_strings_ = std::move(other.truth_strings_);
  Seal();
  return *this;
}

void SpanView::Seal() {
  spans_.struct_size = sizeof(weft_spans);
  pairs_.struct_size = sizeof(weft_pairs);
  processes_.struct_size = sizeof(weft_processes);
  spans_.pairs = &pairs_;
  spans_.processes = &processes_;
  spans_.strings = strings_.data();
  spans_.n_strings = static_cast<uint32_t>(strings_.size());
  spans_.truth_strings = truth_strings_.empty() ? nullptr : truth_strings_.data();
  spans_.n_truth_strings = static_cast<uint32_t>(truth_strings_.size());
}

uint32_t ProcessTable::Find(uint64_t id) {
  constexpr uint32_t kFew = 32;
  if (size() <= kFew)
    return static_cast<uint32_t>(std::find(process_id.begin(), process_id.end(), id) -
                                 process_id.begin());
  for (; indexed_ < size(); ++indexed_)
    if (const auto [number, fresh] = by_id_.Insert(process_id[indexed_]); fresh) *number = indexed_;
  const uint32_t* number = by_id_.Find(id);
  return number == nullptr ? size() : *number;
}

uint32_t SpanTable::AddRow() {
#define WEFT_COLUMN(type, name, unused) name.push_back(type{});
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  attr_offset.push_back(attr_offset.back());
  candidate_offset.push_back(candidate_offset.back());
  if (!truth.empty()) truth.push_back(0);
  if (!token_offset.empty()) token_offset.push_back(token_offset.back());
  if (!option_id.empty()) option_id.push_back(0);
  return n() - 1;
}

uint32_t SpanTable::AppendRows(size_t count) {
  const size_t first = span_id.size();
#define WEFT_COLUMN(type, name, unused) name.resize(first + count);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  if (!truth.empty()) truth.resize(first + count);
  if (!token_offset.empty()) token_offset.resize(first + count + 1, token_offset.back());
  if (!option_id.empty()) option_id.resize(first + count);
  return static_cast<uint32_t>(first);
}

void SpanTable::DropRows(uint32_t rows) {
#define WEFT_COLUMN(type, name, unused) name.resize(rows);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  attr_offset.resize(rows + 1);
  attr.resize(attr_offset.back());
  candidate_offset.resize(rows + 1);
  candidate_evidence.resize(candidate_offset.back());
  candidate_span_id.resize(candidate_offset.back());
  candidate_log_odds.resize(candidate_offset.back());
  if (!truth.empty()) truth.resize(rows);
  if (!option_id.empty()) option_id.resize(rows);
  if (token_offset.empty()) return;
  token_offset.resize(rows + 1);
  token.resize(token_offset.back());
}

void SpanTable::Clear() {
#define WEFT_COLUMN(type, name, unused) name.clear();
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  attr_offset.assign(1, 0);
  attr.clear();
  candidate_offset.assign(1, 0);
  candidate_span_id.clear();
  candidate_log_odds.clear();
  candidate_evidence.clear();
  truth.clear();
  token_offset.clear();
  token.clear();
  option_id.clear();
  strings.Clear();
  pairs.Clear();
  processes = ProcessTable{};
  truth_strings.Clear();
  known_.Forget();
  ++clears_;
}

size_t SpanTable::MemoryBytes() const {
  size_t sum = 0;
#define WEFT_COLUMN(type, name, unused) sum += Bytes(name);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  sum += Bytes(attr_offset) + Bytes(attr) + Bytes(candidate_offset) + Bytes(candidate_span_id) +
         Bytes(candidate_log_odds) + Bytes(candidate_evidence) + Bytes(truth) +
         Bytes(token_offset) + Bytes(token) + Bytes(option_id);
  sum += strings.MemoryBytes() + truth_strings.MemoryBytes();
  sum += Bytes(pairs.key) * 2 + Bytes(pairs.type) + Bytes(pairs.value);
  sum += Bytes(processes.process_id) + Bytes(processes.attr) + 5 * Bytes(processes.host);
  return sum;
}

void SpanTable::AttributePair(uint32_t pair) {
  attr.push_back(pair);
  attr_offset.back() = static_cast<uint32_t>(attr.size());
}

uint32_t SpanTable::StaticPair(std::string_view key, std::string_view value) {
  KnownPair& known = PairSlot(key, Glance(value));
  if (known.key == key.data() && known.type == WEFT_ATTR_STRING &&
      SameText(strings.Text(static_cast<uint32_t>(known.value)), value))
    return known.pair;
  const uint32_t text = strings.Intern(value);
  const uint32_t pair = pairs.Intern(StaticKey(key), WEFT_ATTR_STRING, text);
  known = {key.data(), text, pair, WEFT_ATTR_STRING};
  return pair;
}

uint32_t SpanTable::StaticPair(std::string_view key, int64_t value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  KnownPair& known = PairSlot(key, bits);
  if (known.key == key.data() && known.type == WEFT_ATTR_INT && known.value == bits)
    return known.pair;
  const uint32_t pair = pairs.Intern(StaticKey(key), WEFT_ATTR_INT, bits);
  known = {key.data(), bits, pair, WEFT_ATTR_INT};
  return pair;
}

void SpanTable::StaticAttribute(std::string_view key, std::string_view value) {
  AttributePair(StaticPair(key, value));
}

void SpanTable::StaticAttribute(std::string_view key, int64_t value) {
  AttributePair(StaticPair(key, value));
}

void SpanTable::Attribute(std::string_view key, std::string_view value) {
  AttributePair(pairs.Intern(strings.Intern(key), WEFT_ATTR_STRING, strings.Intern(value)));
}

void SpanTable::Attribute(std::string_view key, int64_t value) {
  AttributePair(pairs.Intern(strings.Intern(key), WEFT_ATTR_INT, std::bit_cast<uint64_t>(value)));
}

void SpanTable::Attribute(std::string_view key, double value) {
  AttributePair(
      pairs.Intern(strings.Intern(key), WEFT_ATTR_DOUBLE, std::bit_cast<uint64_t>(value)));
}

void SpanTable::Attribute(std::string_view key, bool value) {
  AttributePair(pairs.Intern(strings.Intern(key), WEFT_ATTR_BOOL, value ? 1 : 0));
}

void SpanTable::Truth(std::string_view value) {
  truth.resize(n(), 0);
  truth.back() = truth_strings.Intern(value);
}

void SpanTable::Token(uint32_t hash) {
  if (token_offset.empty()) token_offset.assign(n() + 1, 0);
  token.push_back(hash);
  token_offset.back() = static_cast<uint32_t>(token.size());
}

void SpanTable::OptionId(uint64_t id) {
  option_id.resize(n(), 0);
  option_id.back() = id;
}

void SpanTable::Candidate(uint64_t candidate_id, float log_odds, uint32_t evidence_bits) {
  candidate_span_id.push_back(candidate_id);
  candidate_log_odds.push_back(log_odds);
  candidate_evidence.push_back(evidence_bits);
  candidate_offset.back() = static_cast<uint32_t>(candidate_span_id.size());
}

uint32_t SpanTable::AddProcess(uint64_t id, std::string_view host, std::string_view service_name,
                               std::string_view executable, uint32_t pid) {
  processes.process_id.push_back(id);
  processes.host.push_back(strings.Intern(host));
  processes.service.push_back(strings.Intern(service_name));
  processes.executable.push_back(strings.Intern(executable));
  processes.pid.push_back(pid);
  processes.attr_offset.push_back(processes.attr_offset.back());
  return processes.size() - 1;
}

void SpanTable::ProcessAttribute(std::string_view key, std::string_view value) {
  processes.attr.push_back(
      pairs.Intern(strings.Intern(key), WEFT_ATTR_STRING, strings.Intern(value)));
  processes.attr_offset.back() = static_cast<uint32_t>(processes.attr.size());
}

SpanView SpanTable::View() const {
  SpanView view;
  weft_spans& s = view.spans_;
  s.n = n();
#define WEFT_COLUMN(type, name, unused) s.name = name.data();
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  s.attr_offset = attr_offset.data();
  s.attr = attr.data();
  s.candidate_offset = candidate_offset.data();
  s.candidate_span_id = candidate_span_id.data();
  s.candidate_log_odds = candidate_log_odds.data();
  s.candidate_evidence = candidate_evidence.data();
  s.truth = truth.empty() ? nullptr : truth.data();
  s.token_offset = token_offset.empty() ? nullptr : token_offset.data();
  s.token = token_offset.empty() ? nullptr : token.data();
  s.option_id = option_id.empty() ? nullptr : option_id.data();
  view.pairs_ = {sizeof(weft_pairs), pairs.size(), pairs.key.data(), pairs.type.data(),
                 pairs.value.data()};
  view.processes_ = {sizeof(weft_processes),      processes.size(),
                     processes.process_id.data(), processes.host.data(),
                     processes.service.data(),    processes.executable.data(),
                     processes.pid.data(),        processes.attr_offset.data(),
                     processes.attr.data()};
  view.strings_.reserve(strings.size());
  for (uint32_t i = 0; i < strings.size(); ++i) view.strings_.push_back(Str(strings.Text(i)));
  if (!truth.empty())
    for (uint32_t i = 0; i < truth_strings.size(); ++i)
      view.truth_strings_.push_back(Str(truth_strings.Text(i)));
  view.Seal();
  return view;
}

RowCopier::RowCopier(const weft_spans& from, SpanTable& to, Repeats repeats)
    : from_(from),
      to_(to),
      repeats_(repeats),
      string_map_(from.n_strings, WEFT_NONE),
      pair_map_(from.pairs ? from.pairs->n : 0, WEFT_NONE),
      process_map_(from.processes ? from.processes->n : 0, WEFT_NONE) {
  if (!string_map_.empty()) string_map_[0] = 0;
}

uint32_t RowCopier::NewString(uint32_t index) {
  return string_map_[index] = to_.strings.Intern(TextOf(index));
}

uint32_t RowCopier::NewPair(uint32_t index) {
  const weft_pairs& p = *from_.pairs;
  const uint32_t key = MapString(p.key[index]);
  const uint8_t type = p.type[index];
  uint64_t value = p.value[index];
  if (repeats_ == Repeats::kOnce) {
    if (type == WEFT_ATTR_STRING) value = MapString(static_cast<uint32_t>(value));
    return pair_map_[index] = to_.pairs.Intern(key, type, value);
  }
  if (type == WEFT_ATTR_STRING) {
    uint32_t& text = string_map_[value];
    if (text == WEFT_NONE) text = to_.strings.Append(TextOf(static_cast<uint32_t>(value)));
    value = text;
  }
  return pair_map_[index] = to_.pairs.Append(key, type, value);
}

uint32_t RowCopier::MapProcess(uint32_t index) {
  uint32_t& mapped = process_map_[index];
  if (mapped != WEFT_NONE) return mapped;
  const weft_processes& p = *from_.processes;
  ProcessTable& out = to_.processes;
  mapped = out.Find(p.process_id[index]);
  if (mapped != out.size()) return mapped;
  out.process_id.push_back(p.process_id[index]);
  out.host.push_back(p.host ? MapString(p.host[index]) : 0);
  out.service.push_back(p.service ? MapString(p.service[index]) : 0);
  out.executable.push_back(p.executable ? MapString(p.executable[index]) : 0);
  out.pid.push_back(p.pid ? p.pid[index] : 0);
  if (p.attr_offset)
    for (uint32_t a = p.attr_offset[index]; a < p.attr_offset[index + 1]; ++a)
      out.attr.push_back(MapPair(p.attr[a]));
  out.attr_offset.push_back(static_cast<uint32_t>(out.attr.size()));
  return mapped = out.size() - 1;
}

uint32_t RowCopier::Copy(uint32_t row) {
  const uint32_t copy = to_.AppendRows(1);
  FillColumns(&row, &copy, 1);
  AppendLists(row);
  if (from_.token_offset != nullptr)
    for (uint32_t t = from_.token_offset[row]; t < from_.token_offset[row + 1]; ++t)
      to_.Token(from_.token[t]);
  return copy;
}

void RowCopier::FillColumns(const uint32_t* rows, const uint32_t* places, size_t n) {
#define WEFT_COLUMN(type, name, unused)                                  \
  if (from_.name != nullptr) {                                           \
    type* const out = to_.name.data();                                   \
    for (size_t i = 0; i < n; ++i) out[places[i]] = from_.name[rows[i]]; \
  }
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
#define WEFT_COLUMN(type, name, unused)                                             \
  if (from_.name != nullptr) {                                                      \
    type* const out = to_.name.data();                                              \
    for (size_t i = 0; i < n; ++i) out[places[i]] = MapString(from_.name[rows[i]]); \
  }
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  if (!process_map_.empty())
    for (size_t i = 0; i < n; ++i) to_.process[places[i]] = MapProcess(from_.process[rows[i]]);
  if (from_.truth != nullptr) {
    to_.truth.resize(to_.n(), 0);
    for (size_t i = 0; i < n; ++i)
      if (const uint32_t t = from_.truth[rows[i]]; t != 0)
        to_.truth[places[i]] = to_.truth_strings.Intern(View(from_.truth_strings[t]));
  }
  if (from_.option_id != nullptr) {
    to_.option_id.resize(to_.n(), 0);
    for (size_t i = 0; i < n; ++i) to_.option_id[places[i]] = from_.option_id[rows[i]];
  }
}

void RowCopier::Append(const uint32_t* rows, size_t n) {
  std::vector<uint32_t> places(n);
  std::iota(places.begin(), places.end(), to_.AppendRows(n));
  FillColumns(rows, places.data(), n);
  for (size_t i = 0; i < n; ++i) AppendLists(rows[i]);
}

void RowCopier::AppendLists(uint32_t row) {
  if (from_.attr_offset) {
    const uint32_t* const first = from_.attr + from_.attr_offset[row];
    const size_t n = from_.attr_offset[row + 1] - from_.attr_offset[row];
    const size_t at = to_.attr.size();
    to_.attr.resize(at + n);
    for (size_t i = 0; i < n; ++i) to_.attr[at + i] = MapPair(first[i]);
  }
  to_.attr_offset.push_back(static_cast<uint32_t>(to_.attr.size()));
  if (from_.candidate_offset)
    for (uint32_t c = from_.candidate_offset[row]; c < from_.candidate_offset[row + 1]; ++c) {
      to_.candidate_span_id.push_back(from_.candidate_span_id[c]);
      to_.candidate_log_odds.push_back(from_.candidate_log_odds[c]);
      to_.candidate_evidence.push_back(from_.candidate_evidence[c]);
    }
  to_.candidate_offset.push_back(static_cast<uint32_t>(to_.candidate_span_id.size()));
}

}  // namespace weft::api
