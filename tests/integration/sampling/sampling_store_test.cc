// Traces through stage 2 with the samplers of a configuration file into a SQLite store, and what
// the store says then: the exercise of the product, and RED of all traffic from what was kept.
#include <cmath>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/config.h"
#include "engine/base/hash.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/trace/trace_partition.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tests/support/temp_folder.h"

namespace weft {
namespace {

constexpr int64_t kMs = 1'000'000;

class SamplingStore : public ::testing::Test {
 protected:
  void SetUp() override {
    sinks::SqliteSinkOptions options;
    options.path = path_;
    auto sink = sinks::SqliteSink::Open(options, clock_);
    ASSERT_TRUE(sink) << sink.error().message;
    sink_ = std::move(*sink);
  }

  // A new owner of the partition, with samplers of its own, that reads the log back.
  void TakeOver(const std::string& yaml) {
    const auto config = ParseConfig(yaml, "test.yaml");
    ASSERT_TRUE(config) << config.error().message;
    partition_.reset();
    std::vector<trace::Sampler> chain;
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    for (const PluginChoice& choice : config->samplers) {
      auto loaded = loader.Load(plugin::Kind::kSampler, choice.name);
      ASSERT_TRUE(loaded) << loaded.error().message;
      auto made =
          plugin::PluginInstance::Create(*loaded, choice.config_json, {*log_, metrics_, clock_});
      ASSERT_TRUE(made) << made.error().message;
      instances_.push_back(std::move(*made));
      chain.push_back({choice.name, &instances_.back().sampler(), instances_.back().handle()});
    }
    trace::TraceConfig settings;
    settings.linger_ns = 0;
    partition_ = std::make_unique<trace::TracePartition>(
        settings, trace::Tenure{0, ++generation_, next_offset_, now_ns_, 1}, chain, metrics_,
        *log_);
    for (const transport::OutRecord& out : logged_) {
      transport::Record record;
      record.stream = out.stream;
      record.type = out.type;
      record.payload = out.payload;
      ASSERT_TRUE(partition_->Restore(record));
    }
  }

  // A request with one call below it, closed at once.
  void Trace(int64_t duration_ns, bool fails, std::string_view service = "shop") {
    const uint64_t id = ++traces_;
    const uint32_t process = Process(service);
    for (const bool root : {true, false}) {
      const uint32_t row = table_.AddRow();
      table_.trace_hi[row] = Mix64(id);
      table_.trace_lo[row] = Mix64(Mix64(id));
      table_.span_id[row] = id * 2 + !root;
      table_.parent_id[row] = root ? 0 : id * 2;
      table_.exchange[row] = id * 2 + !root;
      table_.kind[row] = root ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
      table_.start_ns[row] = now_ns_ + (root ? 0 : 1000);
      table_.end_ns[row] = now_ns_ + (root ? duration_ns : 2000);
      table_.status[row] = fails && !root ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET;
      table_.process[row] = process;
      table_.service[row] = table_.Intern(service);
      table_.operation[row] = table_.Intern(root ? "GET /" : "GET");
    }
  }
  // One second: what was made goes through the partition into the store.
  void Second() {
    now_ns_ += 1'000'000'000;
    for (const int64_t watermark : {int64_t{0}, now_ns_ + 1}) {
      transport::Record record;
      record.stream = transport::Stream::kSpans;
      record.type = transport::RecordType::kSpanBatch;
      record.offset = next_offset_++;
      record.append_ns = now_ns_;
      record.payload = api::EncodeSpans(table_, 0, watermark);
      partition_->Consume(record);
      table_.Clear();
    }
    transport::Transaction step = partition_->Tick(now_ns_, true);
    for (transport::OutRecord& out : step.out) logged_.push_back(std::move(out));
    for (const auto& batch : partition_->TakeExports()) {
      Error error;
      ASSERT_EQ(sink_->Write(batch->view.spans(), batch->traces.View(), batch->Source(), &error),
                WEFT_EXPORT_OK)
          << error.message;
      partition_->Acknowledge(batch->number);
    }
  }

  double Query(const std::string& sql) {
    auto db = sql::Database::OpenForReading(path_);
    EXPECT_TRUE(db) << db.error().message;
    auto statement = db->Prepare(sql);
    EXPECT_TRUE(statement) << statement.error().message;
    const auto row = statement->Step();
    return row && *row ? statement->Double(0) : -1;
  }
  uint32_t Process(std::string_view service) {
    for (uint32_t i = 0; i < table_.processes.size(); ++i)
      if (table_.strings.Text(table_.processes.service[i]) == service) return i;
    return table_.AddProcess(HashText(service), "node-1", service, "/bin/x", 1);
  }

  test::TempFolder folder_;
  std::string path_ = folder_.File("weft.db");
  ManualClock clock_{0, 1'700'000'000'000'000'000};
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::unique_ptr<sinks::SqliteSink> sink_;
  std::list<plugin::PluginInstance> instances_;
  std::unique_ptr<trace::TracePartition> partition_;
  std::vector<transport::OutRecord> logged_;
  api::SpanTable table_;
  int64_t now_ns_ = 1'700'000'000'000'000'000;
  uint64_t traces_ = 0, next_offset_ = 0, generation_ = 0;
};

std::string Example() {
  std::ifstream in(std::string(WEFT_SOURCE_DIR) + "/configs/sampling.yaml");
  return {std::istreambuf_iterator<char>(in), {}};
}

// 1,000 traces, 100 of them failing and 100 slow: all of those, and 1 % of the other 800.
TEST_F(SamplingStore, KeepsAllErrorsAllSlowTracesAndOnePercentOfTheRest) {
  TakeOver(Example());
  for (int i = 0; i < 1'000; ++i) {
    const bool fails = i % 10 == 3, slow = i % 10 == 7;
    Trace(slow ? (501 + i) * kMs : (1 + i % 400) * kMs, fails);
    if (i % 100 == 99) Second();
  }
  Second();
  EXPECT_EQ(Query("SELECT count(*) FROM traces WHERE errors > 0"), 100);
  EXPECT_EQ(Query("SELECT count(*) FROM traces WHERE duration_ns >= 500000000"), 100);
  const double rest = Query("SELECT count(*) FROM traces WHERE rule LIKE 'tail/rest%'");
  EXPECT_NEAR(rest, 8, 4 * std::sqrt(800 * 0.01 * 0.99) + 1);
  EXPECT_GT(rest, 0);
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), 200 + rest);
  EXPECT_NEAR(Query("SELECT min(weight) FROM traces WHERE rule LIKE 'tail/rest%'"), 100, 1e-3);
  EXPECT_EQ(metrics_.Get("trace.closed").Get(), 1'000u);
  EXPECT_EQ(metrics_.Get("trace.kept").Get() + metrics_.Get("trace.sampled_out").Get(), 2'000u);
}

// Requests, failures and mean duration of all traffic, from the store and its weights alone.
TEST_F(SamplingStore, WeightedRedOfWhatIsKeptIsThatOfAllTraffic) {
  TakeOver(R"(
samplers:
  - name: tail
    config:
      rules:
        - {name: errors, if: {type: status_code, status_code: {status_codes: [ERROR]}}, keep: 0.5}
        - {name: slow, if: {type: latency, latency: {threshold_ms: 300}}}
        - {name: rest, adaptive: {per_operation: 20}}
)");
  double failed = 0, duration_ms = 0;
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 300; ++i) {
      const bool fails = i % 20 == 3;
      const int64_t ms = i % 50 == 7 ? 400 : 10 + (i * 37 + second) % 80;
      Trace(ms * kMs, fails);
      failed += fails;
      duration_ms += static_cast<double>(ms);
    }
    Second();
  }
  const double kept = Query("SELECT count(*) FROM traces");
  EXPECT_LT(kept, 4'000);
  EXPECT_NEAR(Query("SELECT sum(weight) FROM traces"), 18'000, 4 * 18'000 / std::sqrt(kept / 2));
  EXPECT_NEAR(Query("SELECT sum(weight * (errors > 0)) FROM traces"), failed,
              4 * 2 * std::sqrt(failed * 0.25));
  EXPECT_NEAR(Query("SELECT sum(weight * duration_ms) / sum(weight) FROM traces"),
              duration_ms / 18'000, 4 * 60 / std::sqrt(kept / 2));
}

// Every request of one service fails, which a rule keeps: the cap stands above the rule, and leaves
// the other service alone.
TEST_F(SamplingStore, AFloodOfErrorsIsCappedPerService) {
  TakeOver(R"(
samplers:
  - name: tail
    config:
      rules:
        - {name: errors, if: {type: status_code, status_code: {status_codes: [ERROR]}}}
        - {name: rest, keep: 0}
  - name: rate
    config: {per: service, spans_per_second: 100, burst_seconds: 1}
)");
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 1'000; ++i) Trace(kMs, true, i % 250 == 0 ? "quiet" : "loud");
    Second();
  }
  EXPECT_EQ(Query("SELECT count(*) FROM traces WHERE service = 'quiet'"), 40);
  EXPECT_LE(Query("SELECT sum(spans) FROM traces WHERE service = 'loud'"), 10 * 102);
  // But for what the last second still owes.
  EXPECT_NEAR(Query("SELECT sum(weight) FROM traces"), 10'000, 1'000);
  EXPECT_EQ(Query("SELECT count(*) FROM traces WHERE rule != 'tail/errors > rate'"), 0);
  EXPECT_GT(metrics_.Get("trace.rule_dropped{rule=tail/errors > rate/over-limit}").Get(), 9'000u);
}

// What was learned and spent is not forgotten when the partition moves.
TEST_F(SamplingStore, ATakeOverGoesOnWithTheSamplersState) {
  const std::string yaml = R"(
samplers:
  - {name: adaptive, config: {per_operation: 10}}
)";
  TakeOver(yaml);
  for (int second = 0; second < 20; ++second) {
    for (int i = 0; i < 500; ++i) Trace(kMs, false);
    Second();
  }
  const double before = Query("SELECT count(*) FROM traces");
  TakeOver(yaml);
  for (int i = 0; i < 500; ++i) Trace(kMs, false);
  Second();
  EXPECT_LT(Query("SELECT count(*) FROM traces") - before, 28);  // not all 500, as a fresh one
}

}  // namespace
}  // namespace weft
