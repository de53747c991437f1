// ForeignRows: spans of other tracers' files as rows of a SpanTable, in the form that OTLP's have.
//
// What all readers of this folder share: ids from text, one process per service (and instance), the
// count of what could not be read. Text is lent for the call. One thread.
#pragma once

#include <string>
#include <string_view>

#include "sources/otlp/otlp_rows.h"
#include "sources/replay/trace_file.h"

namespace weft::sources {

// Hex digits, 1 to 32 of them; of any other text a hash. Nothing for "".
api::TraceId TraceIdOf(std::string_view text);
// 1 to 16 hex digits; of any other text a hash. 0 for "".
uint64_t SpanIdOf(std::string_view text);
// weft_kind of a kind's name in either case, with OTLP's prefix or without; else INTERNAL.
uint64_t SpanKindOf(std::string_view name);

class ForeignRows {
 public:
  ForeignRows(std::string file, TraceFile::Totals& totals);

  // The table that rows go to from now on.
  void Begin(api::SpanTable& out);
  otlp::OtlpRows& rows() { return *rows_; }
  // The process of the rows that follow; "" is unknown.
  void Service(std::string_view name);
  // False, and counted as malformed at that line: ids or times that cannot be.
  bool Add(const otlp::Span& span, std::string_view peer, uint64_t line);
  void Attribute(std::string_view key, const otlp::Value& value);
  void Malformed(uint64_t line, std::string_view reason);

 private:
  const std::string file_;
  TraceFile::Totals& totals_;
  api::SpanTable* out_ = nullptr;
  std::unique_ptr<otlp::OtlpRows> rows_;
};

}  // namespace weft::sources
