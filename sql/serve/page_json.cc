#include "sql/serve/page_json.h"

#include <string_view>

namespace weft::serve {
namespace {

struct Word {
  uint32_t bit;
  std::string_view text;
};
// As weft_flags numbers them.
constexpr Word kFlags[] = {
    {1u << 0, "open"},         {1u << 1, "late"},      {1u << 2, "incomplete"},
    {1u << 4, "agent lost"},   {1u << 5, "deadline"},  {1u << 7, "new connection"},
    {1u << 9, "open at exit"}, {1u << 11, "reported"},
};

}  // namespace

void PutFlags(JsonOut& json, uint32_t flags) {
  json.Array();
  for (const Word& word : kFlags)
    if ((flags & word.bit) != 0) json.Put(word.text);
  json.End();
}

void PutEvidence(JsonOut& json, uint32_t evidence) {
  json.Array();
  std::string_view rest;
  const std::string words = sql::EvidenceText(evidence);
  for (rest = words; !rest.empty();) {
    const size_t plus = rest.find('+');
    json.Put(rest.substr(0, plus));
    rest = plus == rest.npos ? std::string_view() : rest.substr(plus + 1);
  }
  json.End();
}

void PutTraceFields(JsonOut& json, const sql::StoredTrace& trace) {
  json.Field("id", trace.trace_id);
  json.Field("service", trace.service).Field("operation", trace.operation);
  json.Field("start_us", trace.start_ns / 1'000).Field("duration_ns", trace.duration_ns);
  json.Field("spans", trace.spans).Field("errors", trace.errors);
  json.Field("weight", trace.weight).Field("rule", trace.rule);
  json.Key("flags");
  PutFlags(json, trace.flags);
}

}  // namespace weft::serve
