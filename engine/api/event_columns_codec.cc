// The packed columns of weft.events and weft.spans.
#include <algorithm>
#include <bit>
#include <limits>

#include "engine/api/codec_internal.h"
#include "engine/api/event_columns.h"
#include "engine/api/ids.h"

namespace weft::api {
namespace {

constexpr size_t kColumnWords = 4;  // its pointer, and struct Column
constexpr size_t kSome = 64;
constexpr uint64_t kMaxEqual = 16;  // tokens or attributes of a row, rows of an exchange
constexpr uint64_t kAnyValue = UINT64_MAX;

uint8_t WidthOf(uint64_t range) {
  return range == 0 ? 0 : range <= 0xff ? 1 : range <= 0xffff ? 2 : range <= 0xffffffff ? 4 : 8;
}

// A value as the column has it.
template <typename T>
T StoredAs(T value) {
  return value;
}
uint32_t StoredAs(float value) { return std::bit_cast<uint32_t>(value); }

// `equal`: so many equal values may go without data; see kMaxEqual.
template <typename Value>
ColumnPlan PlanOf(const Value* v, size_t n, size_t equal) {
  using T = decltype(StoredAs(*v));
  T min = std::numeric_limits<T>::max(), max = std::numeric_limits<T>::min();
  ColumnPlan plan;
  if (n <= equal && AllZero(v, n * sizeof(T))) return plan;
  const auto look = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      const T value = StoredAs(v[i]);
      min = value < min ? value : min;
      max = value > max ? value : max;
    }
  };
  // Ids show soon that they need all of their width.
  const size_t some = sizeof(T) == 8 ? std::min(n, kSome) : 0;
  look(0, some);
  if (some != 0 && static_cast<uint64_t>(max) - static_cast<uint64_t>(min) > UINT32_MAX)
    return {.base = 0, .width = 8, .present = true, .words = n};
  look(some, n);
  plan.present = true;
  plan.base = static_cast<uint64_t>(min);
  plan.width = WidthOf(static_cast<uint64_t>(max) - plan.base);
  if (n > equal) plan.width = std::max<uint8_t>(plan.width, 1);
  plan.words = Words(n * plan.width);
  return plan;
}

template <typename To, typename T>
void Store(kj::byte* out, const T* v, size_t n, uint64_t base) {
  auto* const to = reinterpret_cast<To*>(out);
  for (size_t i = 0; i < n; ++i)
    to[i] = static_cast<To>(static_cast<uint64_t>(StoredAs(v[i])) - base);
}

template <typename T>
void FillColumn(wire::Column::Builder out, const T* v, size_t n, const ColumnPlan& plan) {
  out.setBase(plan.base);
  out.setWidth(plan.width);
  if (plan.width == 0) return;
  kj::byte* const data = out.initData(static_cast<unsigned>(n * plan.width)).begin();
  ClearLastWord(data, n * plan.width);
  switch (plan.width) {
    case 1: return Store<uint8_t>(data, v, n, plan.base);
    case 2: return Store<uint16_t>(data, v, n, plan.base);
    case 4: return Store<uint32_t>(data, v, n, plan.base);
    default: return Store<uint64_t>(data, v, n, plan.base);
  }
}

bool SpanIdsFollow(const SpanTable& t) {
  for (uint32_t i = 0; i < t.n(); ++i) {
    const bool server = t.kind[i] == WEFT_KIND_SERVER || t.kind[i] == WEFT_KIND_CONSUMER;
    const uint64_t from = t.wire_id[i] != 0 ? t.wire_id[i] : t.exchange[i];
    if (t.span_id[i] != SpanId(from, server ? Side::kServer : Side::kClient)) return false;
  }
  return true;
}

bool TraceLowsFollow(const SpanTable& t) {
  for (uint32_t i = 0; i < t.n(); ++i)
    if (t.trace_lo[i] != RootTraceLow(t.trace_hi[i])) return false;
  return true;
}

bool ServicesFollow(const SpanTable& t) {
  for (uint32_t i = 0; i < t.n(); ++i)
    if (t.process[i] >= t.processes.size() || t.service[i] != t.processes.service[t.process[i]])
      return false;
  return true;
}

std::vector<uint64_t> Durations(const SpanTable& t) {
  std::vector<uint64_t> out(t.n());
  for (uint32_t i = 0; i < t.n(); ++i)
    if (t.end_ns[i] != 0)
      out[i] = static_cast<uint64_t>(std::max(t.end_ns[i], t.start_ns[i]) - t.start_ns[i]) + 1;
  return out;
}

constexpr size_t kAny = SIZE_MAX;

// visit(values, n, keep, equal, init): every column, always in the same order. A column of zeros is
// left out unless it is to be kept; more than `equal` equal values have data.
template <typename Visit>
void ForEachColumn(const SpanTable& t, const EventPlan& p, Visit&& visit) {
  const size_t n = t.n();
#define WEFT_INIT(Name) [](wire::EventColumns::Builder& out) { return out.init##Name(); }
#define WEFT_COLUMN(type, name, Name)                                               \
  if (std::string_view(#name) == "end_ns")                                          \
    visit(p.durations.data(), n, false, kAny, WEFT_INIT(Name));                     \
  else if (std::string_view(#name) == "span_id")                                    \
    visit(t.name.data(), p.span_ids_follow ? 0 : n, true, kAny, WEFT_INIT(Name));   \
  else if (std::string_view(#name) == "trace_lo")                                   \
    visit(t.name.data(), p.trace_lows_follow ? 0 : n, true, kAny, WEFT_INIT(Name)); \
  else if (std::string_view(#name) == "service")                                    \
    visit(t.name.data(), p.services_follow ? 0 : n, true, kAny, WEFT_INIT(Name));   \
  else if (std::string_view(#name) == "exchange")                                   \
    visit(t.name.data(), n, false, kMaxEqual, WEFT_INIT(Name));                     \
  else                                                                              \
    visit(t.name.data(), n, false, kAny, WEFT_INIT(Name));
  WEFT_EVENT_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  const auto list = [&](const auto& values, size_t equal, auto init) {
    visit(values.data(), values.size(), false, equal, init);
  };
  const auto offsets = [&](const std::vector<uint32_t>& values, auto init) {
    visit(values.data(), values.size(), true, kAny, init);
  };
  list(t.option_id, kAny, WEFT_INIT(OptionId));
  list(t.truth, kAny, WEFT_INIT(Truth));
  if (!t.attr.empty()) {
    offsets(t.attr_offset, WEFT_INIT(AttrOffset));
    list(t.attr, kMaxEqual * n, WEFT_INIT(Attr));
  }
  if (!t.token.empty()) {
    offsets(t.token_offset, WEFT_INIT(TokenOffset));
    list(t.token, kMaxEqual * n, WEFT_INIT(Token));
  }
  list(t.pairs.key, 1, WEFT_INIT(PairKey));
  list(t.pairs.type, kAny, WEFT_INIT(PairType));
  list(t.pairs.value, kAny, WEFT_INIT(PairValue));
  list(t.strings.offsets(), kAny, WEFT_INIT(StringOffset));
  list(t.confidence, kAny, WEFT_INIT(Confidence));
  list(t.evidence, kAny, WEFT_INIT(Evidence));
  if (!t.candidate_span_id.empty()) {
    offsets(t.candidate_offset, WEFT_INIT(CandidateOffset));
    list(t.candidate_span_id, kMaxEqual * n, WEFT_INIT(CandidateSpanId));
    list(t.candidate_log_odds, kAny, WEFT_INIT(CandidateLogOdds));
    list(t.candidate_evidence, kAny, WEFT_INIT(CandidateEvidence));
  }
#undef WEFT_INIT
}

// Reads one column; every value is at most `max`.
bool ReadColumn(wire::Column::Reader in, size_t n, uint64_t max, PackedColumn* out) {
  const uint8_t width = in.getWidth();
  const auto data = in.getData();
  if (width > 8 || (width & (width - 1)) != 0 || data.size() != n * width) return false;
  *out = PackedColumn(data.begin(), width, in.getBase());
  if (max == UINT64_MAX || n == 0) return true;
  uint64_t top = 0;
  if (width != 0)
    out->Stored([&](const auto* stored) {
      auto most = stored[0];  // as narrow as they are, so that it vectorises
      for (size_t i = 1; i < n; ++i) most = stored[i] > most ? stored[i] : most;
      top = most;
    });
  return in.getBase() <= max && top <= max - in.getBase();
}

// The first n values. Requires: ReadColumn with a maximum, so that none is below its base.
bool Ascending(const PackedColumn& column, size_t n) {
  if (column.width() == 0) return true;
  bool ok = true;
  column.Stored([&](const auto* stored) {
    for (size_t i = 1; i < n; ++i) ok &= stored[i - 1] <= stored[i];
  });
  return ok;
}

// CSR: n + 1 ascending offsets from 0 to the number of values, each of them below `limit`, or
// kAnyValue.
Result<void> ReadCsr(std::string_view what, bool has, wire::Column::Reader offsets,
                     wire::Column::Reader values, size_t n, uint64_t limit, PackedColumn* offset,
                     PackedColumn* value) {
  if (!has) return {};
  if (!ReadColumn(offsets, n + 1, UINT32_MAX, offset) || (*offset)[0] != 0)
    return Corrupt(std::string(what) + " out of range");
  const uint64_t size = (*offset)[n];
  const uint64_t max = limit == kAnyValue ? kAnyValue : limit - 1;
  if (!Ascending(*offset, n + 1) || (size != 0 && limit == 0) ||
      !ReadColumn(values, size, max, value))
    return Corrupt(std::string(what) + " out of range");
  // Equal values take no room: a few bytes could stand for any number of them.
  if (value->width() == 0 && size > kMaxEqual * n)
    return Corrupt(std::string(what) + ": too many equal ones");
  return {};
}

Result<void> ReadStrings(wire::EventColumns::Reader in, EventColumns* out) {
  const auto bytes = in.getStringBytes();
  out->string_bytes = reinterpret_cast<const char*>(bytes.begin());
  out->n_strings = in.getStrings();
  const auto offsets = in.getStringOffset();
  // Offsets that are all zero take no room: then there is but the empty string.
  if (out->n_strings == 0 || out->n_strings > kMaxRecordBytes ||
      (!in.hasStringOffset() && out->n_strings != 1))
    return Corrupt("strings: wrong number");
  if (!in.hasStringOffset()) return {};
  if (!ReadColumn(offsets, size_t{out->n_strings} + 1, bytes.size(), &out->string_offset))
    return Corrupt("strings: offsets out of range");
  bool ok = out->string_offset[0] == 0 && out->string_offset[1] == 0;
  if (offsets.getWidth() == 0) ok &= out->n_strings == 1;
  if (!ok || !Ascending(out->string_offset, size_t{out->n_strings} + 1))
    return Corrupt("strings: offsets out of order");
  return {};
}

Result<void> ReadPairs(wire::EventColumns::Reader in, EventColumns* out) {
  const uint32_t n = out->n_pairs = in.getPairs();
  if (n > kMaxRecordBytes) return Corrupt("pairs: wrong number");
  if ((in.hasPairKey() && !ReadColumn(in.getPairKey(), n, out->n_strings - 1, &out->pair_key)) ||
      (in.hasPairType() && !ReadColumn(in.getPairType(), n, WEFT_ATTR_BOOL, &out->pair_type)) ||
      (in.hasPairValue() && !ReadColumn(in.getPairValue(), n, UINT64_MAX, &out->pair_value)))
    return Corrupt("pairs: out of range");
  // More than one cannot do without data.
  bool ok = n <= 1 || (out->pair_key.width() | out->pair_type.width() | out->pair_value.width());
  if (ok)
    out->pair_type.Widen([&](auto type) {
      out->pair_value.Widen([&](auto value) {
        for (uint32_t i = 0; i < n; ++i)
          ok &= type(i) != WEFT_ATTR_STRING || value(i) < out->n_strings;
      });
    });
  if (!ok) return Corrupt("pairs: string out of range");
  return {};
}

Result<void> ReadCandidates(wire::EventColumns::Reader in, EventColumns* out) {
  if (!in.hasCandidateOffset()) return {};
  WEFT_TRY(ReadCsr("candidates", true, in.getCandidateOffset(), in.getCandidateSpanId(), out->n,
                   kAnyValue, &out->candidate_offset, &out->candidate_span_id));
  const size_t n = out->candidate_offset[out->n];
  if ((in.hasCandidateLogOdds() &&
       !ReadColumn(in.getCandidateLogOdds(), n, UINT32_MAX, &out->candidate_log_odds)) ||
      (in.hasCandidateEvidence() &&
       !ReadColumn(in.getCandidateEvidence(), n, UINT32_MAX, &out->candidate_evidence)))
    return Corrupt("candidates out of range");
  return {};
}

Result<void> ReadTruth(wire::EventColumns::Reader in, EventColumns* out) {
  if (!in.hasTruth()) return {};
  const auto strings = in.getTruthStrings();
  const auto offsets = strings.getOffset();
  const auto bytes = strings.getBytes();
  const uint32_t* offset = nullptr;
  size_t size = 0;
  bool ok = Borrow(offsets, &offset, &size) && size >= 2 && offset[0] == 0 && offset[1] == 0 &&
            offset[size - 1] <= bytes.size();
  for (size_t i = 1; ok && i < size; ++i) ok = offset[i - 1] <= offset[i];
  if (!ok) return Corrupt("truth: strings out of range");
  out->truth_offset = PackedColumn(offset, sizeof *offset, 0);
  out->truth_bytes = reinterpret_cast<const char*>(bytes.begin());
  out->n_truth = static_cast<uint32_t>(size - 1);
  if (!ReadColumn(in.getTruth(), out->n, out->n_truth - 1, &out->truth))
    return Corrupt("truth: out of range");
  return {};
}

// What a column may hold at most.
constexpr uint64_t Limit(std::string_view name, const EventColumns& e) {
  if (name == "kind") return WEFT_KIND_CONSUMER;
  if (name == "status") return WEFT_STATUS_ERROR;
  if (name == "process") return e.processes.n - 1u;
  return UINT64_MAX;  // whoever reads it takes the low bits
}

}  // namespace

EventPlan PlanEventColumns(const SpanTable& t) {
  EventPlan plan;
  plan.span_ids_follow = SpanIdsFollow(t);
  plan.trace_lows_follow = TraceLowsFollow(t);
  plan.services_follow = ServicesFollow(t);
  plan.durations = Durations(t);
  ForEachColumn(t, plan, [&](const auto* values, size_t n, bool keep, size_t equal, auto) {
    ColumnPlan& p = plan.columns.emplace_back(PlanOf(values, n, equal));
    p.present |= keep && n != 0;
    if (p.present) plan.words += kColumnWords + p.words;
  });
  const ProcessTable& p = t.processes;
  plan.words += ListWords(p.process_id) + 4 * ListWords(p.host) + ListWords(p.attr_offset) +
                ListWords(p.attr) + Words(t.strings.bytes().size()) +
                DictionaryWords(t.truth_strings);
  return plan;
}

void FillEventColumns(wire::EventColumns::Builder out, const SpanTable& t, const EventPlan& plan) {
  out.setN(t.n());
  out.setPairs(t.pairs.size());
  out.setStrings(t.strings.size());
  auto p = plan.columns.begin();
  ForEachColumn(t, plan, [&](const auto* values, size_t n, bool, size_t, auto init) {
    if (p->present) FillColumn(Fresh(init(out)), values, n, *p);
    ++p;
  });
  const std::string& bytes = t.strings.bytes();
  FillData(out.initStringBytes(static_cast<unsigned>(bytes.size())), bytes);
  FillProcesses(Fresh(out.initProcesses()), t.processes);
  if (!t.truth.empty()) FillDictionary(Fresh(out.initTruthStrings()), t.truth_strings);
}

Result<void> ReadEventColumns(wire::EventColumns::Reader in, EventColumns* out) {
  out->n = in.getN();
  if (out->n > kMaxRowsPerRecord) return Corrupt("too many rows");
  WEFT_TRY(ReadStrings(in, out));
  WEFT_TRY(ReadPairs(in, out));
  WEFT_TRY(ReadProcesses(in.getProcesses(), out->n_strings, out->n_pairs, &out->processes));
  if (out->n == 0) return {};
  if (out->processes.n == 0) return Corrupt("process out of range");
#define WEFT_COLUMN(type, name, Name)                                                        \
  if (in.has##Name() && !ReadColumn(in.get##Name(), out->n, Limit(#name, *out), &out->name)) \
    return Corrupt("column " #name " out of range");
  WEFT_EVENT_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
#define WEFT_COLUMN(type, name, Name)                                                         \
  if (in.has##Name() && !ReadColumn(in.get##Name(), out->n, out->n_strings - 1u, &out->name)) \
    return Corrupt("column " #name ": string out of range");
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  bool kinds = out->kind.present();
  out->kind.Widen([&](auto at) {
    for (size_t i = 0; i < out->n; ++i) kinds &= at(i) != 0;
  });
  if (!kinds) return Corrupt("kind out of range");
  // Exchanges differ, but for opened and closed at once: many rows cannot do without data.
  if (out->n > kMaxEqual && out->exchange.width() == 0)
    return Corrupt("column exchange: all equal");
  if (in.hasOptionId() && !ReadColumn(in.getOptionId(), out->n, UINT64_MAX, &out->option_id))
    return Corrupt("column option_id: out of range");
  if ((in.hasConfidence() &&
       !ReadColumn(in.getConfidence(), out->n, UINT32_MAX, &out->confidence)) ||
      (in.hasEvidence() && !ReadColumn(in.getEvidence(), out->n, UINT32_MAX, &out->evidence)))
    return Corrupt("column confidence or evidence: out of range");
  WEFT_TRY(ReadCsr("attributes", in.hasAttrOffset(), in.getAttrOffset(), in.getAttr(), out->n,
                   out->n_pairs, &out->attr_offset, &out->attr));
  WEFT_TRY(ReadCsr("tokens", in.hasTokenOffset(), in.getTokenOffset(), in.getToken(), out->n,
                   uint64_t{1} << 32, &out->token_offset, &out->token));
  WEFT_TRY(ReadCandidates(in, out));
  return ReadTruth(in, out);
}

}  // namespace weft::api
