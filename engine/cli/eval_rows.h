// EvalRow: what one method found of one recording under one load; and the rows as text, CSV, JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/eval/score.h"
#include "engine/eval/slow_service.h"

namespace weft::cli {

struct EvalRow {
  std::string file, correlator;
  double compress = 1;
  double concurrency = 0;  // mean of open requests when a call begins
  eval::Score score;
  eval::Reliability reliability;
  eval::SlowService slow;
  std::optional<eval::PhaseScores> phases;  // of --slow
  double us_per_span = 0;  // CPU time of the method, over all spans, requests included
  uint64_t bytes_per_process = 0;
};

std::string EvalText(const std::vector<EvalRow>& rows);
std::string EvalCsvHeader();
std::string EvalCsv(const EvalRow& row);
std::string EvalJson(const std::vector<EvalRow>& rows);
// SVG: accuracy over concurrency, a line per recording and method; accuracy over confidence.
std::string EvalPlot(const std::vector<EvalRow>& rows);
std::string ReliabilityPlot(const std::vector<EvalRow>& rows);

}  // namespace weft::cli
