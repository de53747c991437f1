// A stored trace as JSON of others: what `weft export` writes.
//
// Each call appends one complete element: an OTLP/JSON request (a line of the Collector's file
// exporter), a trace of Jaeger's API, the comma-separated spans of a Zipkin v2 list. Pure.
#pragma once

#include <string>
#include <vector>

#include "sql/trace_reader.h"

namespace weft::sql {

void AppendOtlpJson(std::string& out, const StoredTrace& trace,
                    const std::vector<StoredSpan>& spans);
// The elements of its list alone, comma-separated.
void AppendResourceSpans(std::string& out, const StoredTrace& trace,
                         const std::vector<StoredSpan>& spans);
void AppendJaegerJson(std::string& out, const StoredTrace& trace,
                      const std::vector<StoredSpan>& spans);
// "" for a trace without spans.
void AppendZipkinJson(std::string& out, const StoredTrace& trace,
                      const std::vector<StoredSpan>& spans);

}  // namespace weft::sql
