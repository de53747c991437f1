// Stage 1: observations per CPU second from encoded records through decode and stitch to encoded
// spans, labels and links; decode alone; bytes per buffered span.
//
//   build/release/tests/bench/stitch_bench > build/bench/stitch.csv
//
// One host of observation_load.h, four partitions, correlators context and thread as plugins. The
// rate is that of a process that has done the same before, as an engine has a second after its
// start; the first time, which also faults in its memory, is a row of its own.
// CPU seconds are those of the whole process; bytes are those of the heap. The baseline of the rate
// is decode, copy to the receiver's batch and encode, with nothing decided; that of the buffer, the
// record.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>

#include "engine/api/codec.h"
#include "engine/api/event_copier.h"
#include "engine/api/ids.h"
#include "engine/base/large_pages.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/stitch/stitch_partition.h"
#include "tests/bench/observation_load.h"

namespace {

using namespace weft;
using transport::Record;
using transport::RecordType;
using transport::Stream;

constexpr uint32_t kPartitions = 4;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Load {
  explicit Load(uint64_t count, uint32_t hosts = 1, uint32_t partitions = kPartitions) {
    bench::ObservationLoad made({.observations = count, .partitions = partitions, .hosts = hosts});
    observations = made.observations();
    records = made.Rest();
  }
  size_t observations;
  std::vector<Record> records;  // in log order
};

class Stage1 {
 public:
  explicit Stage1(bool decide, uint32_t partitions = kPartitions)
      : services_{*log_, metrics_, clock_} {
    stitch::StitchConfig config;
    config.partitions = partitions;
    if (!decide) config.lookahead_ns = 3600 * kSecond;  // everything stays buffered
    plugin::PluginLoader loader(WEFT_PLUGIN_DIR);
    for (uint32_t p = 0; p < partitions; ++p) {
      std::vector<stitch::ChainLink> chain;
      for (const char* name : {"context", "thread"}) {
        auto loaded = loader.Load(plugin::Kind::kCorrelator, name);
        if (!loaded) Die(loaded.error());
        auto instance = plugin::PluginInstance::Create(*loaded, "", services_);
        if (!instance) Die(instance.error());
        instances_.push_back(std::make_unique<plugin::PluginInstance>(std::move(*instance)));
        chain.push_back({name, &instances_.back()->correlator(), instances_.back()->handle()});
      }
      partitions_.push_back(
          std::make_unique<stitch::StitchPartition>(config, p, chain, metrics_, *log_));
    }
  }

  void Consume(const Record& record) {
    if (now_ != 0 && record.append_ns != now_) Round();
    now_ = record.append_ns;
    partitions_[record.partition]->Consume(record);
    Take(record.partition);
  }
  void Finish() {
    for (auto& p : partitions_) p->Finish(now_);
    for (int i = 0; i < 20; ++i) Round();
  }
  uint64_t Count(const char* name) { return metrics_.Get(name).Get(); }
  auto Counters() { return metrics_.Snapshot(); }
  uint64_t link_records() const { return link_offset_; }
  size_t Buffered() const {
    size_t sum = 0;
    for (const auto& p : partitions_) sum += p->BufferedSpans();
    return sum;
  }

 private:
  [[noreturn]] static void Die(const Error& error) {
    std::fprintf(stderr, "stitch_bench: %s\n", error.message.c_str());
    std::exit(1);
  }
  // Links go round; spans and labels are forgotten.
  void Round() {
    std::deque<transport::OutRecord> links;
    links.swap(links_);
    for (auto& out : links) {
      const Record r{out.stream, out.partition, out.type, 0, link_offset_++, now_, out.payload};
      partitions_[out.partition]->Consume(r);
    }
    for (uint32_t p = 0; p < partitions_.size(); ++p) {
      partitions_[p]->Tick(now_);
      Take(p);
    }
  }
  void Take(uint32_t p) {
    transport::Transaction tx = partitions_[p]->TakeTransaction();
    for (auto& out : tx.out)
      if (out.stream == Stream::kLinks) links_.push_back(std::move(out));
  }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  plugin::Services services_;
  std::vector<std::unique_ptr<plugin::PluginInstance>> instances_;
  std::vector<std::unique_ptr<stitch::StitchPartition>> partitions_;
  std::deque<transport::OutRecord> links_;
  uint64_t link_offset_ = 0;
  int64_t now_ = 0;
};

double DecodeRate(const Load& load) {
  const double begin = CpuSeconds();
  uint64_t sum = 0;
  for (int round = 0; round < 3; ++round)
    for (const Record& r : load.records) sum += api::DecodeEventColumns(r.payload)->columns.n;
  return static_cast<double>(sum) / (CpuSeconds() - begin);
}

// What every stage has to do: decode, copy each row to the batch of its receiver, encode.
double RepartitionRate(const Load& load) {
  const double begin = CpuSeconds();
  api::SpanTable tables[kPartitions];
  api::EventCopier copier;
  uint64_t sum = 0;
  for (size_t i = 0; i < load.records.size(); ++i) {
    const auto record = api::DecodeEventColumns(load.records[i].payload);
    std::vector<uint32_t> rows[kPartitions];
    for (uint32_t row = 0; row < record->columns.n; ++row)
      rows[PartitionOf(record->columns.wire_id[row], kPartitions)].push_back(row);
    for (uint32_t p = 0; p < kPartitions; ++p) {
      copier.Begin(record->columns, tables[p]);
      copier.AppendColumns(rows[p].data(), rows[p].size(), api::EventCopier::Columns::kAll);
      for (const uint32_t row : rows[p]) copier.AppendLists(row);
      if (tables[p].n() < 20'000 && i + kPartitions < load.records.size()) continue;
      sum += tables[p].n();
      api::EncodeSpans(tables[p], 0, 0);
      tables[p].Clear();
    }
  }
  return static_cast<double>(sum) / (CpuSeconds() - begin);
}

double StitchRate(const Load& load) {
  Stage1 stage(true);
  const double begin = CpuSeconds();
  for (const Record& r : load.records) stage.Consume(r);
  stage.Finish();
  const double seconds = CpuSeconds() - begin;
  if (stage.Count("stitch.emitted") != load.observations) {
    std::fprintf(stderr, "stitch_bench: %llu of %zu spans came out\n",
                 static_cast<unsigned long long>(stage.Count("stitch.emitted")), load.observations);
    for (const auto& [name, value] : stage.Counters())
      std::fprintf(stderr, "  %s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
    std::exit(1);
  }
  return static_cast<double>(load.observations) / seconds;
}

// The heap grows by what a partition holds, records included: each is read from its own copy.
double BytesPerSpan(const Load& load) {
  Stage1 stage(false);
  const auto before = mallinfo2();
  for (const Record& r : load.records) {
    Record copy = r;
    copy.payload = transport::CopyPayload(r.payload->bytes());
    stage.Consume(copy);
  }
  const auto after = mallinfo2();
  const size_t bytes = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
  return static_cast<double>(bytes) / static_cast<double>(stage.Buffered());
}

// What more partitions cost: every partition tells every other one how far it has come, and what
// one process asks for and offers goes to more of them, in smaller records.
void Growth() {
  double first = 0;
  for (const uint32_t partitions : {1, 4, 16, 64}) {
    const Load load(500'000, 16, partitions);
    Stage1 stage(true, partitions);
    const double begin = CpuSeconds();
    for (const Record& r : load.records) stage.Consume(r);
    stage.Finish();
    const auto spans = static_cast<double>(load.observations);
    const double cost = 1e6 * (CpuSeconds() - begin) / spans;
    if (first == 0) first = cost;
    std::printf("stitch_cost_at_%u_partitions,%.3f,us/observation,%.3f,%.2f,\n", partitions, cost,
                first, cost / first);
    std::printf("stitch_link_records_at_%u_partitions,%.4f,records/observation,,,\n", partitions,
                static_cast<double>(stage.link_records()) / spans);
  }
}

}  // namespace

int main(int argc, char** argv) {
  weft::KeepFreedMemory();  // as weft does
  const int observations = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  const Load load(static_cast<uint64_t>(observations));
  if (argc > 2) {  // for profilers: nothing but decode and stitch, so often
    for (int i = std::atoi(argv[2]); i > 0; --i) std::printf("%.0f\n", StitchRate(load));
    return 0;
  }
  size_t bytes = 0;
  for (const Record& r : load.records) bytes += r.payload->bytes().size();
  std::printf("name,value,unit,baseline,ratio,aim\n");
  const double first = StitchRate(load);
  std::vector<double> rates;
  for (int round = 0; round < 5; ++round) rates.push_back(StitchRate(load));
  std::ranges::sort(rates);
  const double rate = rates[rates.size() / 2];
  const double floor = RepartitionRate(load);
  // An aim is on the ratio where a row has a baseline; these aims are on the value.
  std::printf("stitch_observations,%.0f,observations/s/core,,,>=1000000\n", rate);
  std::printf("stitch_first_observations,%.0f,observations/s/core,%.0f,%.2f,\n", first, rate,
              first / rate);
  std::printf("stitch_of_repartition,%.0f,observations/s/core,%.0f,%.2f,\n", rate, floor,
              rate / floor);
  std::printf("stitch_decode_only,%.0f,observations/s/core,,,\n", DecodeRate(load));
  const double record = static_cast<double>(bytes) / static_cast<double>(load.observations);
  const double held = BytesPerSpan(load);
  std::printf("stitch_record_bytes,%.1f,bytes/observation,,,\n", record);
  std::printf("stitch_buffered_bytes,%.1f,bytes/span,,,<=250\n", held);
  std::printf("stitch_buffered_of_record,%.1f,bytes/span,%.1f,%.2f,\n", held, record,
              held / record);
  Growth();
  return 0;
}
