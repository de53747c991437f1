// How long questions take over a store of 10 million spans while 50,000 spans a second are written.
//
//   build/release/tests/bench/bench_sql [spans] [store] > build/bench/sql.csv
//
// The store is made first (store_load.h, one hour of traces; a minute and 1.4 GB) unless the file
// named is there; the questions are those of `weft traces`, `weft trace` and the view red_hour,
// with random values, on one thread beside the writer. wall: as a user waits; cpu: what the thread
// itself used, which tells more on a busy machine. Aims are on wall.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "sinks/sqlite/sqlite_sink.h"
#include "sql/trace_reader.h"
#include "sql/trace_search.h"
#include "tests/bench/store_load.h"

namespace {

using namespace weft;

constexpr uint64_t kWrittenPerSecond = 50'000;
constexpr uint32_t kBatchTraces = 400;

template <typename T>
T Must(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "bench_sql: {}\n", result.error().message);
  std::exit(1);
}

sinks::SqliteSinkOptions Options(const std::string& path) {
  sinks::SqliteSinkOptions options;
  options.path = path;
  options.max_bytes = 0;
  options.max_age_ns = 0;
  return options;
}

void Store(sinks::SqliteSink& sink, bench::StoreLoad& load, uint64_t batch) {
  const test::TraceBatch traces = load.Batch();
  const api::SpanView view = traces.table.View();
  Error error;
  if (sink.Write(view.spans(), traces.Traces(), test::TraceBatch::Source(batch), &error) ==
      WEFT_EXPORT_OK)
    return;
  fmt::print(stderr, "bench_sql: {}\n", error.message);
  std::exit(1);
}

// One hour of traces, ended now.
void Fill(const std::string& path, uint64_t spans) {
  const SystemClock clock;
  auto sink = Must(sinks::SqliteSink::Open(Options(path), clock));
  const auto traces = static_cast<int64_t>(spans / bench::kSpansPerTrace);
  bench::StoreLoad load({.traces_per_batch = kBatchTraces,
                         .step_ns = 3600 * kSecond / traces,
                         .start_ns = clock.UnixNs() - 3600 * kSecond});
  for (int64_t done = 0, batch = 0; done < traces; done += kBatchTraces)
    Store(*sink, load, static_cast<uint64_t>(++batch));
  if (auto closed = sink->Close(); !closed) std::exit(1);
}

// Writes in the rate asked for until told to end; what it could not keep up with, it leaves out.
class Writer {
 public:
  explicit Writer(const std::string& path)
      : sink_(Must(sinks::SqliteSink::Open(Options(path), clock_))), thread_([this] { Run(); }) {}
  double Stop() {
    stop_ = true;
    thread_.join();
    return rate_;
  }

 private:
  void Run() {
    constexpr uint64_t kSpans = uint64_t{kBatchTraces} * bench::kSpansPerTrace;
    bench::StoreLoad load({.traces_per_batch = kBatchTraces,
                           .step_ns = kSecond * bench::kSpansPerTrace / kWrittenPerSecond,
                           .start_ns = clock_.UnixNs(),
                           .seed = 2});
    const int64_t begin = clock_.MonotonicNs();
    uint64_t batch = 0;
    while (!stop_) {
      Store(*sink_, load, ++batch);
      const int64_t due =
          begin + static_cast<int64_t>(batch * kSpans * kSecond / kWrittenPerSecond);
      const int64_t now = clock_.MonotonicNs();
      if (due > now) std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
    }
    const auto elapsed = static_cast<double>(clock_.MonotonicNs() - begin) / 1e9;
    rate_ = static_cast<double>(batch * kSpans) / elapsed;
    (void)sink_->Close();
  }

  const SystemClock clock_;
  std::unique_ptr<sinks::SqliteSink> sink_;
  std::atomic<bool> stop_{false};
  double rate_ = 0;
  std::thread thread_;
};

double Seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(values.size())))];
}

void Ask(const char* name, int times, double aim_ms, const std::function<size_t()>& ask) {
  std::vector<double> wall, cpu;
  size_t found = 0;
  for (int i = 0; i < times; ++i) {
    const double w = Seconds(CLOCK_MONOTONIC), c = Seconds(CLOCK_THREAD_CPUTIME_ID);
    found += ask();
    wall.push_back((Seconds(CLOCK_MONOTONIC) - w) * 1e3);
    cpu.push_back((Seconds(CLOCK_THREAD_CPUTIME_ID) - c) * 1e3);
  }
  fmt::print("sql.{}.wall_p95,{:.3f},ms,,,<={}\n", name, Percentile(wall, 0.95), aim_ms);
  fmt::print("sql.{}.cpu_p95,{:.3f},ms,,,\n", name, Percentile(cpu, 0.95));
  fmt::print("sql.{}.cpu_p50,{:.3f},ms,,,\n", name, Percentile(cpu, 0.5));
  fmt::print("sql.{}.found,{:.1f},rows,,,\n", name,
             static_cast<double>(found) / static_cast<double>(times));
  std::fflush(stdout);
}

class Questions {
 public:
  explicit Questions(const std::string& path) : db_(Must(sql::Database::OpenForReading(path))) {
    auto ids = Must(db_.Prepare(
        "SELECT lower(hex(trace_id)) FROM trace_rows WHERE id IN"
        " (SELECT 1 + abs(random()) % (SELECT max(id) FROM trace_rows) FROM"
        "   (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        "    SELECT i FROM n))"));
    while (Must(ids.Step())) ids_.emplace_back(ids.Text(0));
  }

  void All() {
    using F = sql::TraceFilter;
    Ask("trace_by_id", 500, 1, [&] { return TraceById(); });
    Search("service", [&](F& f) { f.service = Service(); });
    Search("operation", [&](F& f) {
      f.service = Service();
      f.operation = Operation();
    });
    Search("duration", [&](F& f) { f.min_duration_ns = Between(100, 260) * kMillisecond; });
    Search("service_duration", [&](F& f) {
      f.service = Service();
      f.min_duration_ns = Between(100, 400) * kMillisecond;
    });
    Search("error", [&](F& f) { f.errors = true; });
    Search("operation_error", [&](F& f) {
      f.operation = Operation();
      f.errors = true;
    });
    Search("service_error_slow", [&](F& f) {
      f.service = Service();
      f.errors = true;
      f.min_duration_ns = Between(100, 300) * kMillisecond;
    });
    Search("attribute_common", [&](F& f) {
      f.attributes = {{"client.address", fmt::format("10.0.1.{}", Between(0, 250))}};
    });
    Search("attribute_status", [&](F& f) {
      f.attributes = {{"http.response.status_code", "500"}};
    });
    Search("attribute_rare", [&](F& f) {
      f.attributes = {{"url.path", fmt::format("/api/{}/{}", Between(0, 20), Between(0, 100'000))}};
    });
    Search("attribute_absent", [&](F& f) { f.attributes = {{"url.path", "/nowhere"}}; });
    Search("service_attribute_rare", [&](F& f) {
      f.service = Service();
      f.attributes = {{"url.path", fmt::format("/api/{}/{}", Between(0, 20), Between(0, 100'000))}};
    });
    Ask("red_last_hour", 5, 1'000, [&] { return Count("SELECT * FROM red_hour"); });
  }

 private:
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low));
  }
  std::string Service() { return fmt::format("svc-{}", Between(0, 8)); }
  std::string Operation() { return fmt::format("GET /api/{}/{{id}}", Between(0, 20)); }

  size_t TraceById() {
    const std::string& id =
        ids_[static_cast<size_t>(Between(0, static_cast<int64_t>(ids_.size())))];
    const sql::StoredTrace trace = Must(sql::FindTrace(db_, id));
    return Must(sql::ReadSpans(db_, trace.row)).size();
  }
  void Search(const char* name, const std::function<void(sql::TraceFilter&)>& fill) {
    const char* const only = std::getenv("WEFT_BENCH_ONLY");
    if (only && std::string_view(only) != name) return;
    Ask(name, 100, 10, [&] {
      sql::TraceFilter filter;
      fill(filter);
      return Must(sql::SearchTraces(db_, filter)).size();
    });
  }
  size_t Count(const char* sql) {
    auto rows = Must(db_.Prepare(sql));
    size_t n = 0;
    while (Must(rows.Step())) ++n;
    return n;
  }

  sql::Database db_;
  std::vector<std::string> ids_;
  std::mt19937_64 random_{7};
};

}  // namespace

int main(int argc, char** argv) {
  const uint64_t spans = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
  const bool named = argc > 2;
  std::string pattern = std::filesystem::temp_directory_path() / "weft-bench-XXXXXX";
  const std::filesystem::path folder = named ? "" : mkdtemp(pattern.data());
  const std::string path = named ? argv[2] : (folder / "bench.db").string();
  if (!std::filesystem::exists(path)) Fill(path, spans);
  fmt::print("name,value,unit,baseline,ratio,aim\n");
  {
    Writer writer(path);
    Questions(path).All();
    fmt::print("sql.written_meanwhile,{:.0f},spans/s,,,>={}\n", writer.Stop(),
               kWrittenPerSecond * 95 / 100);
  }
  if (!named) std::filesystem::remove_all(folder);
  return 0;
}
