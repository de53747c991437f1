// The agent's parsers: CPU nanoseconds per exchange from made-up kernel records through
// ExchangeTracker to encoded batches; the rings and the kernel are left out.
//
//   build/release/tests/bench/agent_bench > build/bench/agent.csv
//   valgrind --tool=callgrind build/release/tests/bench/agent_bench http_tokens 20000
//
// The second form runs one case once, with so many exchanges: for counting instructions.
// 64 keep-alive connections per case, 10,000 exchanges a second of the records' time, so that a
// batch is sealed every 500 exchanges as in production. HTTP: the server's end, 9 request headers
// (a browser's and a traceparent), one path in 1,000; 5 response headers, body in the second send.
// Redis: the client's end, GET and SET, one at a time or 16 in one record. `tcp`: a connection that
// nothing recognises, per turn. `_tokens`: with the tokens of messages, which the others leave out.
// Aims: of 0.08 core at 10,000 exchanges a second, which is 8 us each for reading the rings and all
// else with cold caches, the parse may take a tenth.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "sources/ebpf/exchange_tracker.h"
#include "sources/ebpf/process_metadata.h"
#include "sources/ebpf/protocols/protocol_set.h"
#include "sources/publisher.h"

namespace {

using namespace weft;
using namespace weft::ebpf;

constexpr uint32_t kConnections = 64;
uint32_t exchanges_per_run = 400'000;
int runs_per_case = 3;
constexpr uint32_t kWarm = 20'000;
constexpr int64_t kExchangeNs = 100 * kMicrosecond;

double CpuNs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

// Takes every batch and forgets it.
class NullPublisher final : public transport::Publisher {
 public:
  uint32_t partitions() const override { return 4; }
  int64_t LogTimeNs() const override { return 0; }
  Result<void> Publish(transport::OutRecord record, int64_t) override {
    bytes_ += record.payload->bytes().size();
    record.Settle(true);
    return {};
  }
  void CloseSources() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

// One step of a script: `count` exchanges done when it was fed.
struct Step {
  uint8_t type;
  std::string payload;
  uint32_t length;
};

class Run {
 public:
  explicit Run(bool tokens) : protocols_(Settings(tokens), metrics_) {
    for (uint32_t i = 0; i < kConnections; ++i) {
      weft_connection& wire = sockets_[i].wire;
      wire.cookie = 1000 + i;
      wire.opened_ns = 1;
      wire.family = WEFT_FAMILY_IPV4;
      wire.local_port = 8080;
      wire.remote_port = static_cast<uint16_t>(40000 + i);
      const uint8_t local[4] = {10, 0, 0, 1}, remote[4] = {10, 0, 0, 2};
      std::memcpy(wire.local_address, local, 4);
      std::memcpy(wire.remote_address, remote, 4);
    }
  }

  // CPU ns per exchange; `make(i)` is the script of the i-th turn, of `per_turn` exchanges.
  template <typename Make>
  double Measure(uint32_t per_turn, Make make) {
    std::vector<std::vector<Step>> scripts;
    for (uint32_t i = 0; i < 1000; ++i) scripts.push_back(make(i));
    Play(scripts, std::min(kWarm, exchanges_per_run) / per_turn, per_turn);
    const double before = CpuNs();
    Play(scripts, exchanges_per_run / per_turn, per_turn);
    return (CpuNs() - before) / exchanges_per_run;
  }
  uint64_t Count(const char* name) { return metrics_.Get(name).Get(); }

 private:
  struct Socket {
    weft_connection wire{};
    uint32_t seq[2] = {5000, 7000};  // sent, received
  };

  void Play(const std::vector<std::vector<Step>>& scripts, uint32_t turns, uint32_t per_turn) {
    for (uint32_t i = 0; i < turns; ++i) {
      Socket& socket = sockets_[turn_ % kConnections];
      for (const Step& step : scripts[turn_ % scripts.size()]) Feed(socket, step);
      ++turn_;
      clock_.Advance(kExchangeNs * per_turn);
      if (turn_ % std::max(1u, 100 / per_turn) == 0) {  // every 10 ms, as the agent polls
        tracker_.Sweep(clock_.MonotonicNs());
        publisher_.Tick(tracker_.Watermark(clock_.MonotonicNs()));
      }
    }
  }

  void Feed(Socket& socket, const Step& step) {
    const bool send = step.type == WEFT_RECORD_SEND;
    weft_data data{};
    data.time_ns = static_cast<uint64_t>(clock_.MonotonicNs());
    data.cookie = socket.wire.cookie;
    data.seq = socket.seq[send ? 0 : 1];
    data.peer_seq = socket.seq[send ? 1 : 0];
    data.length = step.length;
    data.pid = pid_;
    data.tid = pid_ + 1 + static_cast<uint32_t>(socket.wire.cookie % 8);
    data.fd = 7;
    data.captured = static_cast<uint16_t>(step.payload.size());
    data.type = step.type;
    socket.seq[send ? 0 : 1] += step.length;
    tracker_.OnData(data, &socket.wire, step.payload);
  }

  static ProtocolSettings Settings(bool tokens) {
    ProtocolSettings settings;
    settings.tokens = tokens;
    return settings;
  }

  const uint32_t pid_ = static_cast<uint32_t>(getpid());
  ManualClock clock_{1000 * kSecond};
  Metrics metrics_;
  NullPublisher transport_;
  ProtocolSet protocols_;
  ProcessMetadata processes_{ProcessMetadata::Options{}, clock_, metrics_};
  sources::Publisher publisher_{{.host_id = "h", .host_name = "alpha", .agent_id = 1, .boot_id = 2},
                                {},
                                transport_,
                                clock_,
                                metrics_};
  ObservationWriter writer_{*TrustedNetworks::Parse({}), processes_, publisher_, metrics_};
  ExchangeTracker tracker_{{.boot_id = 2}, protocols_, writer_, metrics_};
  Socket sockets_[kConnections];
  uint32_t turn_ = 0;
};

Step Receive(std::string payload) {
  const auto n = static_cast<uint32_t>(payload.size());
  return {WEFT_RECORD_RECEIVE, std::move(payload), n};
}
Step Send(std::string payload, uint32_t length = 0) {
  const auto n = std::max(length, static_cast<uint32_t>(payload.size()));
  return {WEFT_RECORD_SEND, std::move(payload), n};
}

std::vector<Step> HttpTurn(uint32_t i) {
  return {Receive(fmt::format(
              "GET /shop/items/{}?lang=en&page=2 HTTP/1.1\r\n"
              "Host: shop.example.com:8080\r\n"
              "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\r\n"
              "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
              "Accept-Language: en-US,en;q=0.5\r\n"
              "Accept-Encoding: gzip, deflate, br, zstd\r\n"
              "Connection: keep-alive\r\n"
              "Cookie: theme=dark; basket=7f3a1c9e2b\r\n"
              "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e{:04x}-00f067aa0ba902b7-01\r\n"
              "X-Request-ID: 8f14e45f-ceea-467f-a0e6-{:012d}\r\n\r\n",
              i, i, i)),
          Send("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
               "Content-Type: application/json\r\nContent-Length: 4096\r\n"
               "Connection: keep-alive\r\n\r\n"),
          Send(std::string(64, '{'), 4096)};
}

std::vector<Step> PlainHttpTurn(uint32_t i) {
  return {Receive(fmt::format("GET /items/{} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", i % 10)),
          Send("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/html\r\n"
               "Content-Length: 612\r\nConnection: keep-alive\r\n\r\n" +
                   std::string(400, 'x'),
               111 + 612)};
}

std::string RedisCommand(uint32_t i) {
  const std::string key = fmt::format("key:{:012}", i);
  return i % 2 == 0
             ? fmt::format("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key.size(), key)
             : fmt::format("*3\r\n$3\r\nSET\r\n${}\r\n{}\r\n$5\r\nhello\r\n", key.size(), key);
}

std::vector<Step> RedisTurn(uint32_t i) {
  return {Send(RedisCommand(i)), Receive(i % 2 == 0 ? "$5\r\nhello\r\n" : "+OK\r\n")};
}

std::vector<Step> RedisPipeline(uint32_t i) {
  std::string requests, replies;
  for (uint32_t k = 0; k < 16; ++k) {
    requests += RedisCommand(16 * i + k);
    replies += k % 2 == 0 ? "$5\r\nhello\r\n" : "+OK\r\n";
  }
  return {Send(requests), Receive(replies)};
}

std::vector<Step> TlsTurn(uint32_t) {
  return {Receive(std::string("\x17\x03\x03\x01\x00", 5) + std::string(256, '\xa5')),
          Send(std::string("\x17\x03\x03\x04\x00", 5) + std::string(1000, '\x5a'))};
}

template <typename Make>
void Row(const char* name, uint32_t per_turn, Make make, const char* aim, bool tokens = false) {
  std::vector<double> runs;
  uint64_t exchanges = 0;
  for (int i = 0; i < runs_per_case; ++i) {
    Run run(tokens);
    runs.push_back(run.Measure(per_turn, make));
    exchanges = run.Count("protocols.exchanges");
  }
  std::ranges::sort(runs);
  std::fprintf(stderr, "%s: %llu exchanges found\n", name,
               static_cast<unsigned long long>(exchanges));
  std::printf("agent.%s,%.0f,ns,,,%s\n", name, runs[runs.size() / 2], aim);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  if (argc > 2) {
    exchanges_per_run = static_cast<uint32_t>(std::atoi(argv[2]));
    runs_per_case = 1;
  }
  const auto wanted = [&](const char* name) { return only.empty() || only == name; };
  std::printf("name,value,unit,baseline,ratio,aim\n");
  if (wanted("http")) Row("http", 1, HttpTurn, "<=800");
  if (wanted("http_plain")) Row("http_plain", 1, PlainHttpTurn, "<=400");
  if (wanted("redis")) Row("redis", 1, RedisTurn, "<=300");
  if (wanted("redis_pipeline_16")) Row("redis_pipeline_16", 16, RedisPipeline, "<=250");
  if (wanted("http_tokens")) Row("http_tokens", 1, HttpTurn, "<=1600", true);
  if (wanted("redis_tokens")) Row("redis_tokens", 1, RedisTurn, "<=400", true);
  if (wanted("tcp")) Row("tcp", 1, TlsTurn, "<=120");
  const struct mallinfo2 heap = mallinfo2();
  std::printf("agent.heap,%.1f,MB,,,\n", static_cast<double>(heap.arena + heap.hblkhd) / 1e6);
  return 0;
}
