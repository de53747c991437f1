// Columns of before they were packed, and what both forms share.
#include "engine/api/codec_internal.h"

namespace weft::api {
namespace {

// Columns that readers may rely on.
constexpr bool Required(std::string_view name) {
  for (std::string_view r : {"span_id", "exchange", "start_ns", "end_ns", "kind", "flags",
                             "process", "service", "operation"})
    if (name == r) return true;
  return false;
}

// The largest value; branch-free so that it vectorises.
uint32_t Max(const uint32_t* v, size_t n) {
  uint32_t max = 0;
  for (size_t i = 0; i < n; ++i) max = v[i] > max ? v[i] : max;
  return max;
}

bool AllBelow(const uint32_t* v, size_t n, size_t limit) {
  return v == nullptr || n == 0 || Max(v, n) < limit;
}

bool Ascending(const uint32_t* v, size_t n) {
  bool ok = true;
  for (size_t i = 1; i < n; ++i) ok &= v[i - 1] <= v[i];
  return ok;
}

// CSR: n + 1 ascending offsets from 0 to the size of the values; both absent is "none".
bool Csr(const uint32_t* offset, size_t offsets, size_t n, size_t values) {
  if (offsets == 0) return values == 0;
  return offsets == n + 1 && offset[0] == 0 && offset[n] == values && Ascending(offset, offsets);
}

Result<void> ReadPairs(wire::Pairs::Reader in, size_t strings, weft_pairs* out) {
  size_t keys = 0, types = 0, values = 0;
  if (!Borrow(in.getKey(), &out->key, &keys) || !Borrow(in.getType(), &out->type, &types) ||
      !Borrow(in.getValue(), &out->value, &values) || keys != types || keys != values ||
      keys > UINT32_MAX)
    return Corrupt("pairs: columns of different lengths");
  out->n = static_cast<uint32_t>(keys);
  if (!AllBelow(out->key, keys, strings)) return Corrupt("pairs: key out of range");
  bool ok = true;
  for (size_t i = 0; i < keys; ++i) {
    ok &= out->type[i] <= WEFT_ATTR_BOOL;
    ok &= out->type[i] != WEFT_ATTR_STRING || out->value[i] < strings;
  }
  if (!ok) return Corrupt("pairs: type or string out of range");
  return {};
}

Result<void> ReadCsrColumns(wire::SpanColumns::Reader in, size_t n, SpanView* view) {
  weft_spans& s = view->spans_;
  size_t offsets = 0, attrs = 0;
  if (!Borrow(in.getAttrOffset(), &s.attr_offset, &offsets) ||
      !Borrow(in.getAttr(), &s.attr, &attrs) || !Csr(s.attr_offset, offsets, n, attrs) ||
      !AllBelow(s.attr, attrs, view->pairs_.n))
    return Corrupt("attributes out of range");
  size_t ids = 0, odds = 0, bits = 0;
  if (!Borrow(in.getCandidateOffset(), &s.candidate_offset, &offsets) ||
      !Borrow(in.getCandidateSpanId(), &s.candidate_span_id, &ids) ||
      !Borrow(in.getCandidateLogOdds(), &s.candidate_log_odds, &odds) ||
      !Borrow(in.getCandidateEvidence(), &s.candidate_evidence, &bits) || ids != odds ||
      ids != bits || !Csr(s.candidate_offset, offsets, n, ids))
    return Corrupt("candidates out of range");
  size_t tokens = 0;
  if (!Borrow(in.getTokenOffset(), &s.token_offset, &offsets) ||
      !Borrow(in.getToken(), &s.token, &tokens) || !Csr(s.token_offset, offsets, n, tokens))
    return Corrupt("tokens out of range");
  return {};
}

Result<void> ReadTruth(wire::SpanColumns::Reader in, size_t n, SpanView* view) {
  weft_spans& s = view->spans_;
  size_t size = 0;
  if (!Borrow(in.getTruth(), &s.truth, &size) || (size != 0 && size != n))
    return Corrupt("truth: wrong length");
  if (size == 0) return {};
  WEFT_TRY(ReadDictionary(in.getTruthStrings(), &view->truth_strings_));
  if (!AllBelow(s.truth, n, view->truth_strings_.size())) return Corrupt("truth: out of range");
  return {};
}

Result<void> CheckValues(const weft_spans& s, const weft_processes& processes) {
  const size_t n = s.n;
  bool ok = true;
  for (size_t i = 0; i < n; ++i) ok &= (s.kind[i] - 1u) < 5u;
  if (!ok) return Corrupt("kind out of range");
  if (s.status != nullptr)
    for (size_t i = 0; i < n; ++i) ok &= s.status[i] <= WEFT_STATUS_ERROR;
  if (!ok) return Corrupt("status out of range");
  if (!AllBelow(s.process, n, processes.n)) return Corrupt("process out of range");
  return {};
}

}  // namespace

Result<void> ReadProcesses(wire::Processes::Reader in, size_t strings, size_t pairs,
                           weft_processes* out) {
  size_t n = 0, host = 0, service = 0, executable = 0, pid = 0, offsets = 0, attrs = 0;
  if (!Borrow(in.getProcessId(), &out->process_id, &n) ||
      !Borrow(in.getHost(), &out->host, &host) ||
      !Borrow(in.getService(), &out->service, &service) ||
      !Borrow(in.getExecutable(), &out->executable, &executable) ||
      !Borrow(in.getPid(), &out->pid, &pid) ||
      !Borrow(in.getAttrOffset(), &out->attr_offset, &offsets) ||
      !Borrow(in.getAttr(), &out->attr, &attrs) || n > kMaxRowsPerRecord)
    return Corrupt("processes: a column has the wrong type");
  if (host != n || service != n || executable != n || pid != n)
    return Corrupt("processes: columns of different lengths");
  if (!AllBelow(out->host, n, strings) || !AllBelow(out->service, n, strings) ||
      !AllBelow(out->executable, n, strings))
    return Corrupt("processes: string out of range");
  if (!Csr(out->attr_offset, offsets, n, attrs) || !AllBelow(out->attr, attrs, pairs))
    return Corrupt("processes: attributes out of range");
  out->n = static_cast<uint32_t>(n);
  return {};
}

void FillProcesses(wire::Processes::Builder q, const ProcessTable& from) {
  const unsigned processes = from.size();
  FillList(q.initProcessId(processes), from.process_id.data(), processes);
  FillList(q.initHost(processes), from.host.data(), processes);
  FillList(q.initService(processes), from.service.data(), processes);
  FillList(q.initExecutable(processes), from.executable.data(), processes);
  FillList(q.initPid(processes), from.pid.data(), processes);
  FillList(q.initAttrOffset(processes + 1), from.attr_offset.data(), processes + 1);
  FillList(q.initAttr(static_cast<unsigned>(from.attr.size())), from.attr.data(), from.attr.size());
}

size_t DictionaryWords(const Dictionary& d) {
  return ListWords(d.offsets()) + Words(d.bytes().size());
}

void FillDictionary(wire::Strings::Builder out, const Dictionary& d) {
  FillList(out.initOffset(static_cast<unsigned>(d.offsets().size())), d.offsets().data(),
           d.offsets().size());
  FillData(out.initBytes(static_cast<unsigned>(d.bytes().size())), d.bytes());
}

Result<void> ReadDictionary(wire::Strings::Reader in, std::vector<weft_str>* out) {
  const uint32_t* offset = nullptr;
  size_t size = 0;
  const std::string_view bytes = Chars(in.getBytes());
  if (!Borrow(in.getOffset(), &offset, &size)) return Corrupt("strings: wrong type");
  if (size == 0) {
    out->assign(1, weft_str{"", 0});
    return {};
  }
  if (size < 2 || offset[0] != 0 || offset[1] != 0 || offset[size - 1] > bytes.size() ||
      !Ascending(offset, size))
    return Corrupt("strings: offsets out of range");
  out->resize(size - 1);
  for (size_t i = 0; i + 1 < size; ++i)
    (*out)[i] = {bytes.data() + offset[i], offset[i + 1] - offset[i]};
  (*out)[0] = {"", 0};
  return {};
}

Result<void> ReadSpanColumns(wire::SpanColumns::Reader in, SpanView* view) {
  weft_spans& s = view->spans_;
  const uint32_t n = in.getN();
  if (n > kMaxRowsPerRecord) return Corrupt("too many rows");
  s.n = n;
  WEFT_TRY(ReadDictionary(in.getStrings(), &view->strings_));
  const size_t strings = view->strings_.size();
  WEFT_TRY(ReadPairs(in.getPairs(), strings, &view->pairs_));
  WEFT_TRY(ReadProcesses(in.getProcesses(), strings, view->pairs_.n, &view->processes_));
  size_t size = 0;
#define WEFT_COLUMN(type, name, Name)                  \
  if (!Borrow<type>(in.get##Name(), &s.name, &size) || \
      (size != n && (size != 0 || Required(#name))))   \
    return Corrupt("column " #name ": wrong length or type");
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
#define WEFT_COLUMN(type, name, Name) \
  if (!AllBelow(s.name, n, strings)) return Corrupt("column " #name ": string out of range");
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  if (!Borrow(in.getOptionId(), &s.option_id, &size) || (size != 0 && size != n))
    return Corrupt("column option_id: wrong length or type");
  if (n == 0) {
    view->Seal();
    return {};
  }
  WEFT_TRY(CheckValues(s, view->processes_));
  WEFT_TRY(ReadCsrColumns(in, n, view));
  WEFT_TRY(ReadTruth(in, n, view));
  view->Seal();
  return {};
}

}  // namespace weft::api
