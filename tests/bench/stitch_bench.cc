// Stage 1: observations per CPU second from encoded records through decode and stitch to encoded
// spans, labels and links; decode alone; bytes per buffered span.
//
//   build/release/tests/bench/stitch_bench > build/bench/stitch.csv
//
// One host, four times five processes (front, two apps, backend, redis), four partitions,
// correlators context and thread as plugins. A trace is nine observations: the edge request and
// both sides of four calls. Ten attributes each, seven of them text, of which one in eight is
// unique. 200,000 observations a second, about 28 requests open per process, records every 50 ms.
// CPU seconds are those of the whole process; bytes are those of the heap. The baseline of the rate
// is decode, copy to the receiver's batch and encode, with nothing decided; that of the buffer, the
// record.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/stitch/stitch_partition.h"

namespace {

using namespace weft;
using transport::Record;
using transport::RecordType;
using transport::Stream;

constexpr uint32_t kPartitions = 4;
constexpr uint32_t kReplicas = 4;
constexpr int kRate = 200'000;
constexpr int64_t kFlush = 50 * kMillisecond;

struct Process {
  uint64_t id;
  const char* service;
  uint32_t partition;
};
constexpr Process kProcesses[] = {{101, "front", 0},
                                  {102, "shop-cart", 1},
                                  {103, "shop-price", 2},
                                  {104, "backend", 3},
                                  {105, "redis", 0}};

struct Call {
  int caller, callee;  // processes; -1: the edge
  double begin, end;   // of the request's time
};
constexpr Call kCalls[] = {{-1, 0, 0.00, 1.00},
                           {0, 1, 0.05, 0.95},
                           {1, 2, 0.10, 0.50},
                           {2, 4, 0.20, 0.40},
                           {1, 3, 0.55, 0.90}};

struct Observation {
  int64_t start, end;
  uint64_t wire, connection;
  uint32_t process, replica, tid;
  bool server;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Load {
 public:
  // The observations of `seconds` of event time, as records per partition in log order.
  Load(double seconds, int per_second) {
    const auto traces = static_cast<uint64_t>(seconds * per_second / 9);
    for (uint64_t t = 0; t < traces; ++t) {
      const auto start = static_cast<int64_t>(1e9 + 1e9 * seconds * static_cast<double>(t) /
                                                        static_cast<double>(traces));
      const double length = 2e6 + static_cast<double>(random_() % 6'000'000);
      const auto replica = static_cast<uint32_t>(t % kReplicas);
      uint32_t tid[5];
      for (uint32_t& x : tid) x = 1000 + static_cast<uint32_t>(random_() % 256);
      for (const Call& c : kCalls) {
        const uint64_t wire = random_();
        const int64_t b = start + static_cast<int64_t>(c.begin * length);
        const int64_t e = start + static_cast<int64_t>(c.end * length);
        if (c.caller >= 0)
          all_.push_back({b, e, wire, random_() % 500, static_cast<uint32_t>(c.caller), replica,
                          tid[c.caller], false});
        all_.push_back({b + 20'000, e - 20'000, wire, 1000 + random_() % 500,
                        static_cast<uint32_t>(c.callee), replica, tid[c.callee], true});
      }
    }
    std::sort(all_.begin(), all_.end(),
              [](const Observation& a, const Observation& b) { return a.end < b.end; });
    Encode();
  }

  size_t observations() const { return all_.size(); }
  std::vector<Record> records;  // in log order

 private:
  void Encode() {
    uint64_t sequence[kPartitions] = {};
    uint64_t offset[kPartitions] = {};
    size_t next = 0;
    for (int64_t now = 1'000'000'000; next < all_.size(); now += kFlush) {
      api::SpanTable tables[kPartitions];
      uint32_t known[kPartitions][5 * kReplicas];
      std::memset(known, 0xff, sizeof known);
      for (; next < all_.size() && all_[next].end < now; ++next) Add(all_[next], tables, known);
      for (uint32_t p = 0; p < kPartitions; ++p) {
        api::EventHeader h;
        h.host_id = "bench";
        h.agent_id = 1;
        h.sequence = ++sequence[p];
        h.now_ns = now;
        h.watermark_ns = now - 1'000'000'000;
        Record r{Stream::kEvents, p,   RecordType::kEventBatch,        0,
                 offset[p]++,     now, api::EncodeEvents(h, tables[p])};
        records.push_back(std::move(r));
      }
    }
  }

  void Add(const Observation& o, api::SpanTable* tables, uint32_t (*known)[5 * kReplicas]) {
    const Process& process = kProcesses[o.process];
    api::SpanTable& t = tables[process.partition];
    uint32_t& number = known[process.partition][o.process * kReplicas + o.replica];
    if (number == UINT32_MAX)
      number = t.AddProcess(process.id * 100 + o.replica, "bench-host", process.service,
                            "/usr/bin/python3", 42);
    const uint32_t r = t.AddRow();
    const api::Side side = o.server ? api::Side::kServer : api::Side::kClient;
    t.exchange[r] = api::ExchangeKey(o.connection, o.wire, side);
    t.connection[r] = o.connection;
    t.wire_id[r] = o.wire;
    t.span_id[r] = api::SpanId(o.wire, side);
    t.start_ns[r] = o.start;
    t.end_ns[r] = o.end;
    t.kind[r] = o.server ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
    t.protocol[r] = WEFT_PROTOCOL_HTTP1;
    t.process[r] = number;
    t.service[r] = t.processes.service[number];
    t.operation[r] = t.Intern("GET /item/{id}/" + std::to_string(random_() % 20));
    t.peer[r] = t.Intern("10.0.0." + std::to_string(random_() % 20) + ":8080");
    t.local_address[r] = t.Intern("10.0.0.1");
    t.remote_address[r] = t.Intern("10.0.0." + std::to_string(random_() % 20));
    t.local_port[r] = 8080;
    t.remote_port[r] = static_cast<uint16_t>(random_() % 60000);
    t.fd[r] = static_cast<int32_t>(random_() % 1000);
    t.request_tid[r] = t.response_tid[r] = o.tid;
    t.request_bytes[r] = random_() % 2000;
    t.response_bytes[r] = random_() % 20000;
    for (const char* key : {"url.path", "url.query", "user_agent.original", "server.address",
                            "http.request.method", "client.address", "network.protocol.version"})
      t.Attribute(key, Text(key));
    t.Attribute("http.response.status_code", int64_t{200});
    t.Attribute("server.port", int64_t{8080});
    t.Attribute("network.peer.port", static_cast<int64_t>(random_() % 1000));
  }

  std::string Text(const char* key) {
    if (random_() % 8 == 0) return "unique-value-" + std::to_string(unique_++);
    return std::string(key) + "-value-" + std::to_string(random_() % 30);
  }

  std::mt19937_64 random_{42};
  std::vector<Observation> all_;
  uint64_t unique_ = 100'000'000;
};

class Stage1 {
 public:
  explicit Stage1(bool decide) : services_{*log_, metrics_, clock_} {
    stitch::StitchConfig config;
    config.partitions = kPartitions;
    if (!decide) config.lookahead_ns = 3600 * kSecond;  // everything stays buffered
    plugin::PluginLoader loader(WEFT_PLUGIN_DIR);
    for (uint32_t p = 0; p < kPartitions; ++p) {
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
    now_ = record.append_ns;
    partitions_[record.partition]->Consume(record);
    Take(record.partition);
    if (record.partition == kPartitions - 1) Round();
  }
  void Finish() {
    for (auto& p : partitions_) p->Finish(now_);
    for (int i = 0; i < 20; ++i) Round();
  }
  uint64_t Count(const char* name) { return metrics_.Get(name).Get(); }
  auto Counters() { return metrics_.Snapshot(); }
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
  // Links go round; spans and labels are counted and forgotten.
  void Round() {
    std::deque<transport::OutRecord> links;
    links.swap(links_);
    for (auto& out : links) {
      const Record r{out.stream, out.partition, out.type, 0, link_offset_++, now_, out.payload};
      partitions_[out.partition]->Consume(r);
    }
    for (uint32_t p = 0; p < kPartitions; ++p) {
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
  if (stage.Count("stitch.emitted") != load.observations()) {
    std::fprintf(stderr, "stitch_bench: %llu of %zu spans came out\n",
                 static_cast<unsigned long long>(stage.Count("stitch.emitted")),
                 load.observations());
    for (const auto& [name, value] : stage.Counters())
      std::fprintf(stderr, "  %s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
    std::exit(1);
  }
  return static_cast<double>(load.observations()) / seconds;
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

}  // namespace

int main(int argc, char** argv) {
  const int observations = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  const Load load(static_cast<double>(observations) / kRate, kRate);
  for (int i = argc > 2 ? std::atoi(argv[2]) : 0; i > 0; --i) StitchRate(load);  // for profilers
  size_t bytes = 0;
  for (const Record& r : load.records) bytes += r.payload->bytes().size();
  std::printf("name,value,unit,baseline,ratio,aim\n");
  const double rate = StitchRate(load);
  const double floor = RepartitionRate(load);
  // An aim is on the ratio where a row has a baseline; these aims are on the value.
  std::printf("stitch_observations,%.0f,observations/s/core,,,>=1000000\n", rate);
  std::printf("stitch_of_repartition,%.0f,observations/s/core,%.0f,%.2f,\n", rate, floor,
              rate / floor);
  std::printf("stitch_decode_only,%.0f,observations/s/core,,,\n", DecodeRate(load));
  const double record = static_cast<double>(bytes) / static_cast<double>(load.observations());
  const double held = BytesPerSpan(load);
  std::printf("stitch_record_bytes,%.1f,bytes/observation,,,\n", record);
  std::printf("stitch_buffered_bytes,%.1f,bytes/span,,,<=250\n", held);
  std::printf("stitch_buffered_of_record,%.1f,bytes/span,%.1f,%.2f,\n", held, record,
              held / record);
  return 0;
}
