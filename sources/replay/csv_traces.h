// Traces in CSV, one span per line, by the names in the header line:
//
//   flat   span_id,parent_span_id,trace_id,service,kind,peer,op,start_us,duration_us
//   Nezha  TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,...
//
// Columns are found by name, in any order; further ones are ignored. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sources/replay/foreign_rows.h"

namespace weft::sources {

class CsvTraces {
 public:
  // kInvalid: the header is of neither form, or lacks a column, which the message names.
  static Result<CsvTraces> WithHeader(std::string_view header);

  std::string_view format() const;
  void Line(std::string_view line, uint64_t number, ForeignRows& out);

 private:
  enum class Form { kFlat, kNezha };
  explicit CsvTraces(Form form) : form_(form) {}
  void FlatLine(uint64_t number, ForeignRows& out) const;
  void NezhaLine(uint64_t number, ForeignRows& out) const;
  std::string_view Field(size_t column) const { return fields_[place_[column]]; }

  Form form_;
  std::vector<size_t> place_;  // of the columns that are read
  size_t columns_ = 0;
  std::vector<std::string_view> fields_;
  std::string unquoted_;
};

// Splits a line at its commas. Quoted fields may contain commas and doubled quotes, and are copied
// to *unquoted; a line that ends inside quotes is false.
bool SplitCsv(std::string_view line, std::vector<std::string_view>* fields, std::string* unquoted);

}  // namespace weft::sources
