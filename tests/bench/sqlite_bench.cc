// Spans per CPU second into SQLite, and bytes per stored span.
//
//   build/release/tests/bench/sqlite_bench [traces] > build/bench/sqlite.csv
//
// The traces are those of store_load.h; the batches are made before the clock starts;
// of_bare_inserts compares with what SQLite itself takes of such rows without dictionaries to look
// up; CPU seconds are those of all threads, the closing checkpoint included. Bytes are of the file
// after it, indexes and dictionaries included. small_batches: of 4,000 spans, as the engine makes
// them, not 20,000. at_limit: with retention removing as much as comes in.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>

#include "sinks/sqlite/sqlite_sink.h"
#include "sql/database.h"
#include "tests/bench/store_load.h"

namespace {

using namespace weft;

using bench::kSpansPerTrace;
using bench::LoadShape;
constexpr uint32_t kTracesPerBatch = LoadShape{}.traces_per_batch;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Measured {
  double spans_per_second = 0, bytes_per_span = 0, longest_ms = 0, file_bytes = 0;
};

sinks::SqliteSinkOptions Options(const std::string& path, uint64_t max_bytes) {
  sinks::SqliteSinkOptions options;
  options.path = path;
  options.max_bytes = max_bytes;
  return options;
}

// max_bytes: where retention begins; 0: never.
Measured Measure(LoadShape shape, uint64_t max_bytes, uint32_t traces,
                 const std::filesystem::path& folder) {
  const auto path = folder / "bench.db";
  std::filesystem::remove(path);
  SystemClock clock;
  auto sink = sinks::SqliteSink::Open(Options(path, max_bytes), clock);
  if (!sink) {
    fmt::print(stderr, "{}\n", sink.error().message);
    std::exit(1);
  }
  bench::StoreLoad generator(shape);
  double cpu = 0;
  int64_t longest = 0;
  uint64_t batches = 0;
  for (uint32_t done = 0; done < traces; done += shape.traces_per_batch) {
    const test::TraceBatch batch = generator.Batch();
    const api::SpanView view = batch.table.View();
    const weft_traces all = batch.Traces();
    Error error;
    const int64_t wall = clock.MonotonicNs();
    const double begin = CpuSeconds();
    if ((*sink)->Write(view.spans(), all, test::TraceBatch::Source(++batches), &error) !=
        WEFT_EXPORT_OK) {
      fmt::print(stderr, "{}\n", error.message);
      std::exit(1);
    }
    cpu += CpuSeconds() - begin;
    longest = std::max(longest, clock.MonotonicNs() - wall);
  }
  const double begin = CpuSeconds();
  if (auto closed = (*sink)->Close(); !closed) std::exit(1);
  cpu += CpuSeconds() - begin;
  const auto spans = static_cast<double>((*sink)->counts().rows);
  sink->reset();
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  if (const char* keep = std::getenv("WEFT_BENCH_KEEP"); !keep) std::filesystem::remove(path);
  return {spans / cpu, bytes / spans, static_cast<double>(longest) / 1e6, bytes};
}

// What SQLite itself takes on this machine: rows of integers and a JSON text into a table without
// further indexes, values made before the clock starts.
double BareRowsPerSecond(uint32_t traces, const std::filesystem::path& folder) {
  const auto path = folder / "bare.db";
  auto db = sql::Database::OpenForWriting(path);
  if (!db ||
      !db->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                   "CREATE TABLE trace(id INTEGER PRIMARY KEY, trace_id BLOB, start_ns INT);"
                   "CREATE TABLE span(id INTEGER PRIMARY KEY, trace INT, span_id INT,"
                   " parent_id INT, start_ns INT, duration_ns INT, kind INT, status INT,"
                   " service INT, operation INT, method INT, route INT, code INT, rest TEXT)"))
    std::exit(1);
  auto add_trace = db->Prepare("INSERT INTO trace VALUES(?1, ?2, ?3)");
  auto add_span = db->Prepare(
      "INSERT INTO span VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
  if (!add_trace || !add_span) std::exit(1);
  std::mt19937_64 random{1};
  std::vector<std::string> rest;
  for (int i = 0; i < 4096; ++i)
    rest.push_back(fmt::format(R"({{"url.path":"/api/{}/{}","client.address":"10.0.1.{}"}})",
                               random() % 20, random() % 100'000, random() % 250));
  double cpu = 0;
  int64_t id = 0;
  for (uint32_t done = 0; done < traces; done += kTracesPerBatch) {
    std::vector<int64_t> values(size_t{kTracesPerBatch} * kSpansPerTrace);
    for (int64_t& value : values) value = static_cast<int64_t>(random());
    const double begin = CpuSeconds();
    if (!db->Execute("BEGIN")) std::exit(1);
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t trace = static_cast<int64_t>(done) + static_cast<int64_t>(i / kSpansPerTrace);
      if (i % kSpansPerTrace == 0) {
        add_trace->Bind(1, trace);
        add_trace->BindBlob(2, {reinterpret_cast<const char*>(&values[i]), 16});
        add_trace->Bind(3, values[i]);
        if (!add_trace->Run()) std::exit(1);
      }
      add_span->Bind(1, ++id);
      add_span->Bind(2, trace);
      for (int column = 3; column <= 6; ++column) add_span->Bind(column, values[i] >> (column & 3));
      for (int column = 7; column <= 13; ++column) add_span->Bind(column, values[i] & 63);
      add_span->Bind(14, std::string_view(rest[i % rest.size()]));
      if (!add_span->Run()) std::exit(1);
    }
    if (!db->Execute("COMMIT")) std::exit(1);
    cpu += CpuSeconds() - begin;
  }
  return static_cast<double>(id) / cpu;
}

}  // namespace

int main(int argc, char** argv) {
  const auto traces = static_cast<uint32_t>(argc > 1 ? std::atoi(argv[1]) : 100'000);
  std::string pattern = std::filesystem::temp_directory_path() / "weft-bench-XXXXXX";
  const std::filesystem::path folder = mkdtemp(pattern.data());
  fmt::print("name,value,unit,baseline,ratio,aim\n");
  const Measured pooled = Measure({}, 0, traces, folder);
  fmt::print("sqlite.spans_per_core,{:.0f},spans/s/core,,,>=250000\n", pooled.spans_per_second);
  const double bare = BareRowsPerSecond(traces, folder);
  fmt::print("sqlite.of_bare_inserts,{:.0f},spans/s/core,{:.0f},{:.3f},\n", pooled.spans_per_second,
             bare, pooled.spans_per_second / bare);
  fmt::print("sqlite.bytes_per_span,{:.1f},bytes,,,<=250\n", pooled.bytes_per_span);
  // The engine's batches: 4,096 spans.
  const Measured small = Measure({.traces_per_batch = 400}, 0, traces, folder);
  fmt::print("sqlite.small_batches.spans_per_core,{:.0f},spans/s/core,,,\n",
             small.spans_per_second);
  const Measured fresh = Measure({.connection_per_request = true}, 0, traces, folder);
  fmt::print("sqlite.new_connections.spans_per_core,{:.0f},spans/s/core,,,\n",
             fresh.spans_per_second);
  fmt::print("sqlite.new_connections.bytes_per_span,{:.1f},bytes,,,\n", fresh.bytes_per_span);
  // A store at its limit: every batch makes room for itself.
  const double limit = pooled.file_bytes / 3;
  const Measured full = Measure({}, static_cast<uint64_t>(limit), traces, folder);
  fmt::print("sqlite.at_limit.spans_per_core,{:.0f},spans/s/core,,,\n", full.spans_per_second);
  fmt::print("sqlite.at_limit.longest_batch,{:.0f},ms,,,\n", full.longest_ms);
  fmt::print("sqlite.at_limit.file_bytes,{:.0f},bytes,{:.0f},{:.3f},<=1\n", full.file_bytes, limit,
             full.file_bytes / limit);
  if (!std::getenv("WEFT_BENCH_KEEP")) std::filesystem::remove_all(folder);
  return 0;
}
