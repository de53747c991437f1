#include "tests/bench/observation_load.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/hash.h"

namespace weft::bench {

using transport::Record;
using transport::RecordType;
using transport::Stream;

namespace {

constexpr uint32_t kReplicas = 4;
constexpr uint32_t kPartitionsOfAgent = 4;
constexpr int64_t kBegin = 1'000'000'000;

struct Process {
  uint64_t id;
  const char* service;
  uint32_t partition;  // of those that its agent writes
};
constexpr Process kProcesses[] = {{101, "front", 0},
                                  {102, "shop-cart", 1},
                                  {103, "shop-price", 2},
                                  {104, "backend", 3},
                                  {105, "redis", 0}};
constexpr size_t kKnown = std::size(kProcesses) * kReplicas;

struct Call {
  int caller, callee;  // processes; -1: the edge
  double begin, end;   // of the request's time
};
constexpr Call kCalls[] = {{-1, 0, 0.00, 1.00},
                           {0, 1, 0.05, 0.95},
                           {1, 2, 0.10, 0.50},
                           {2, 4, 0.20, 0.40},
                           {1, 3, 0.55, 0.90}};
constexpr uint64_t kObservationsPerTrace = 2 * std::size(kCalls) - 1;

}  // namespace

ObservationLoad::ObservationLoad(const Shape& shape)
    : shape_(shape),
      width_(std::min(shape.partitions, kPartitionsOfAgent)),
      now_(kBegin),
      sequence_(size_t{shape.hosts} * width_),
      offset_(shape.partitions) {
  const uint64_t traces = shape.observations / kObservationsPerTrace;
  const double length = 1e9 * static_cast<double>(shape.observations) / shape.per_second;
  for (uint64_t t = 0; t < traces; ++t)
    Trace(t, kBegin + static_cast<int64_t>(length * static_cast<double>(t) /
                                           static_cast<double>(traces)));
  std::sort(all_.begin(), all_.end(),
            [](const Observation& a, const Observation& b) { return a.end < b.end; });
}

void ObservationLoad::Trace(uint64_t number, int64_t start) {
  const double length = 2e6 + static_cast<double>(random_() % 6'000'000);
  const auto host = static_cast<uint32_t>(number % shape_.hosts);
  const auto replica = static_cast<uint32_t>(number / shape_.hosts % kReplicas);
  uint32_t tid[std::size(kProcesses)];
  for (uint32_t& x : tid) x = 1000 + static_cast<uint32_t>(random_() % 256);
  for (const Call& c : kCalls) {
    const uint64_t wire = random_();
    const int64_t begin = start + static_cast<int64_t>(c.begin * length);
    const int64_t end = start + static_cast<int64_t>(c.end * length);
    if (c.caller >= 0)
      all_.push_back({begin, end, wire, random_() % 500, host, static_cast<uint32_t>(c.caller),
                      replica, tid[c.caller], false});
    all_.push_back({begin + 20'000, end - 20'000, wire, 1000 + random_() % 500, host,
                    static_cast<uint32_t>(c.callee), replica, tid[c.callee], true});
  }
}

std::vector<Record> ObservationLoad::NextFlush(int64_t begin_ns, int64_t unix_offset_ns) {
  std::vector<Batch> batches(sequence_.size());
  for (Batch& batch : batches) batch.known.assign(kKnown, UINT32_MAX);
  for (; next_ < all_.size() && all_[next_].end < now_; ++next_) {
    const Observation& o = all_[next_];
    Add(o, begin_ns, &batches[o.host * width_ + kProcesses[o.process].partition % width_]);
  }
  std::vector<Record> records;
  for (uint32_t i = 0; i < batches.size(); ++i) {
    const uint32_t partition = i % shape_.partitions;
    api::EventHeader h;
    h.host_id = "bench" + (i < width_ ? "" : std::to_string(i / width_));
    h.agent_id = i / width_ + 1;
    h.sequence = ++sequence_[i];
    h.now_ns = begin_ns + now_;
    h.watermark_ns = h.now_ns - kSecond;
    h.unix_offset_ns = unix_offset_ns;
    records.push_back({Stream::kEvents, partition, RecordType::kEventBatch, 0, offset_[partition]++,
                       h.now_ns, api::EncodeEvents(h, batches[i].table)});
  }
  now_ += kFlush;
  return records;
}

std::vector<Record> ObservationLoad::Rest() {
  std::vector<Record> all;
  while (!done()) std::ranges::move(NextFlush(), std::back_inserter(all));
  return all;
}

void ObservationLoad::Add(const Observation& o, int64_t begin_ns, Batch* batch) {
  const Process& process = kProcesses[o.process];
  api::SpanTable& t = batch->table;
  uint32_t& number = batch->known[o.process * kReplicas + o.replica];
  if (number == UINT32_MAX)
    number = t.AddProcess(o.host * 100'000 + process.id * 100 + o.replica, "bench-host",
                          process.service, "/usr/bin/python3", 42);
  const uint32_t r = t.AddRow();
  const api::Side side = o.server ? api::Side::kServer : api::Side::kClient;
  t.exchange[r] = api::ExchangeKey(o.connection, o.wire, side);
  t.connection[r] = o.connection;
  t.wire_id[r] = o.wire;
  t.span_id[r] = api::SpanId(o.wire, side);
  t.start_ns[r] = begin_ns + o.start;
  t.end_ns[r] = begin_ns + o.end;
  t.kind[r] = o.server ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
  t.protocol[r] = WEFT_PROTOCOL_HTTP1;
  t.process[r] = number;
  t.service[r] = t.processes.service[number];
  t.operation[r] = t.Intern("GET /item/{id}/" + std::to_string(random_() % 20));
  // What a connection is, it stays.
  const uint64_t fixed = HashCombine(t.processes.process_id[number], o.connection);
  const auto peer_port = static_cast<uint16_t>(32'768 + fixed / 20 % 28'000);
  const std::string peer = "10.0.0." + std::to_string(fixed % 20);
  t.peer[r] = t.Intern(peer + ":8080");
  t.local_address[r] = t.Intern("10.0.0.1");
  t.remote_address[r] = t.Intern(peer);
  t.local_port[r] = 8080;
  t.remote_port[r] = peer_port;
  t.fd[r] = static_cast<int32_t>(5 + o.connection);
  t.request_tid[r] = t.response_tid[r] = o.tid;
  t.request_bytes[r] = random_() % 2000;
  t.response_bytes[r] = random_() % 20000;
  for (const char* key : {"url.path", "url.query", "user_agent.original", "server.address",
                          "http.request.method", "client.address", "network.protocol.version"})
    t.Attribute(key, Text(key));
  t.Attribute("http.response.status_code", int64_t{200});
  t.Attribute("server.port", int64_t{8080});
  t.Attribute("network.peer.port", static_cast<int64_t>(peer_port % 1000));
}

std::string ObservationLoad::Text(const char* key) {
  if (random_() % 8 == 0) return "unique-value-" + std::to_string(unique_++);
  return std::string(key) + "-value-" + std::to_string(random_() % 30);
}

}  // namespace weft::bench
