#include "sinks/jsonl/otlp_json.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string_view>

#include "engine/api/dictionary.h"
#include "sinks/jsonl/json_text.h"

namespace weft::sinks {
namespace {

template <typename T>
T At(const T* column, uint32_t row) {
  return column ? column[row] : T{};
}

std::string_view Text(const weft_spans& s, const uint32_t* column, uint32_t row) {
  return column ? api::View(s.strings[column[row]]) : std::string_view{};
}

// Opens an attribute of a list: `{"key":K,"value":{"TYPE":`. Closed by "}}".
void Begin(std::string& out, std::string_view key, std::string_view type) {
  out.append(out.back() == '[' ? "{\"key\":" : ",{\"key\":");
  AppendJsonString(out, key);
  out.append(",\"value\":{\"").append(type).append("\":");
}

void AppendText(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  Begin(out, key, "stringValue");
  AppendJsonString(out, value);
  out.append("}}");
}

void AppendNumber(std::string& out, std::string_view key, int64_t value) {
  Begin(out, key, "intValue");
  out.push_back('"');
  AppendInt(out, value);
  out.append("\"}}");
}

void AppendTime(std::string& out, std::string_view name, int64_t ns) {
  out.append(",\"").append(name).append("\":\"");
  AppendInt(out, ns);
  out.push_back('"');
}

bool Has(const weft_spans& s, uint32_t row, std::string_view key) {
  if (!s.attr_offset) return false;
  for (uint32_t a = s.attr_offset[row]; a < s.attr_offset[row + 1]; ++a)
    if (api::View(s.strings[s.pairs->key[s.attr[a]]]) == key) return true;
  return false;
}

bool IsTraceState(const weft_spans& s, uint32_t pair) {
  return s.pairs->type[pair] == WEFT_ATTR_STRING &&
         api::View(s.strings[s.pairs->key[pair]]) == "w3c.tracestate";
}

// The pair, or WEFT_NONE.
uint32_t TraceStateOf(const weft_spans& s, uint32_t row) {
  for (uint32_t a = s.attr_offset ? s.attr_offset[row] : 0;
       s.attr_offset && a < s.attr_offset[row + 1]; ++a)
    if (IsTraceState(s, s.attr[a])) return s.attr[a];
  return WEFT_NONE;
}

}  // namespace

void OtlpJson::AppendTracesData(std::string& out, const weft_spans& spans, uint32_t begin,
                                uint32_t end) {
  order_.resize(end - begin);
  std::iota(order_.begin(), order_.end(), begin);
  AppendOrdered(out, spans);
}

void OtlpJson::AppendTracesData(std::string& out, const weft_spans& spans,
                                std::span<const uint32_t> rows) {
  order_.assign(rows.begin(), rows.end());
  AppendOrdered(out, spans);
}

void OtlpJson::AppendOrdered(std::string& out, const weft_spans& spans) {
  std::stable_sort(order_.begin(), order_.end(),
                   [&](uint32_t a, uint32_t b) { return spans.process[a] < spans.process[b]; });
  out.append("{\"resourceSpans\":[");
  for (size_t i = 0; i < order_.size(); ++i) {
    const bool first = i == 0 || spans.process[order_[i]] != spans.process[order_[i - 1]];
    if (first) {
      if (i != 0) out.append("]}]},");
      AppendResource(out, spans, spans.process[order_[i]]);
      out.append(",\"scopeSpans\":[{\"scope\":{\"name\":\"weft\"},\"spans\":[");
    } else {
      out.push_back(',');
    }
    AppendSpan(out, spans, order_[i]);
  }
  if (!order_.empty()) out.append("]}]}");
  out.append("]}");
}

void OtlpJson::AppendResource(std::string& out, const weft_spans& spans, uint32_t process) {
  out.append("{\"resource\":{\"attributes\":[");
  const weft_processes* const p = spans.processes;
  if (p && process < p->n) {
    AppendText(out, "service.name", Text(spans, p->service, process));
    AppendText(out, "host.name", Text(spans, p->host, process));
    AppendText(out, "process.executable.path", Text(spans, p->executable, process));
    if (const auto pid = At(p->pid, process); pid != 0) AppendNumber(out, "process.pid", pid);
    for (uint32_t a = p->attr_offset ? p->attr_offset[process] : 0;
         p->attr_offset && a < p->attr_offset[process + 1]; ++a)
      AppendAttribute(out, spans, p->attr[a]);
  }
  out.append("]}");
}

void OtlpJson::AppendSpan(std::string& out, const weft_spans& spans, uint32_t row) {
  out.append("{\"traceId\":\"");
  AppendHex(out, At(spans.trace_hi, row));
  AppendHex(out, At(spans.trace_lo, row));
  out.append("\",\"spanId\":\"");
  AppendHex(out, spans.span_id[row]);
  if (const uint64_t parent = At(spans.parent_id, row); parent != 0) {
    out.append("\",\"parentSpanId\":\"");
    AppendHex(out, parent);
  }
  out.push_back('"');
  if (const uint32_t state = TraceStateOf(spans, row); state != WEFT_NONE) {
    out.append(",\"traceState\":");
    AppendJsonString(out, api::View(spans.strings[spans.pairs->value[state]]));
  }
  if ((spans.flags[row] & WEFT_FLAG_SAMPLED) != 0) out.append(",\"flags\":1");
  out.append(",\"name\":");
  AppendJsonString(out, Text(spans, spans.operation, row));
  out.append(",\"kind\":");
  AppendUint(out, spans.kind[row]);
  AppendTime(out, "startTimeUnixNano", spans.start_ns[row]);
  AppendTime(out, "endTimeUnixNano", spans.end_ns[row]);
  out.append(",\"attributes\":[");
  if (spans.attr_offset)
    for (uint32_t a = spans.attr_offset[row]; a < spans.attr_offset[row + 1]; ++a)
      if (!IsTraceState(spans, spans.attr[a])) AppendAttribute(out, spans, spans.attr[a]);
  AppendFacts(out, spans, row);
  out.append("],\"status\":{");
  if (const auto status = At(spans.status, row); status != WEFT_STATUS_UNSET)
    AppendUint(out.append("\"code\":"), status);
  out.append("}}");
}

void OtlpJson::AppendAttribute(std::string& out, const weft_spans& spans, uint32_t pair) {
  const std::string_view key = api::View(spans.strings[spans.pairs->key[pair]]);
  const uint64_t value = spans.pairs->value[pair];
  switch (spans.pairs->type[pair]) {
    case WEFT_ATTR_INT: AppendNumber(out, key, std::bit_cast<int64_t>(value)); return;
    case WEFT_ATTR_DOUBLE: Begin(out, key, "doubleValue"); break;
    case WEFT_ATTR_BOOL: Begin(out, key, "boolValue"); break;
    default: Begin(out, key, "stringValue");
  }
  AppendPlainValue(out, spans, pair);
  out.append("}}");
}

void OtlpJson::AppendFacts(std::string& out, const weft_spans& spans, uint32_t row) {
  const auto text = [&](std::string_view key, std::string_view value) {
    if (!value.empty() && !Has(spans, row, key)) AppendText(out, key, value);
  };
  const auto number = [&](std::string_view key, uint64_t value) {
    if (value != 0 && !Has(spans, row, key)) AppendNumber(out, key, static_cast<int64_t>(value));
  };
  text("network.local.address", Text(spans, spans.local_address, row));
  number("network.local.port", At(spans.local_port, row));
  text("network.peer.address", Text(spans, spans.remote_address, row));
  number("network.peer.port", At(spans.remote_port, row));
  number("thread.id", At(spans.request_tid, row));
  number("weft.response_thread.id", At(spans.response_tid, row));
  number("weft.fd", static_cast<uint64_t>(At(spans.fd, row)));
  number("weft.request.bytes", At(spans.request_bytes, row));
  number("weft.response.bytes", At(spans.response_bytes, row));
  number("weft.flags", spans.flags[row]);
  number("weft.link.evidence", At(spans.evidence, row));
  if (const float confidence = At(spans.confidence, row); confidence > 0) {
    Begin(out, "weft.link.confidence", "doubleValue");
    AppendDouble(out, static_cast<double>(confidence));
    out.append("}}");
  }
  if (spans.truth && spans.truth[row] != 0)
    AppendText(out, "weft.truth", api::View(spans.truth_strings[spans.truth[row]]));
}

}  // namespace weft::sinks
