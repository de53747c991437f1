// What tokens cost: CPU nanoseconds of the agent per message, bytes on the wire per observation,
// CPU nanoseconds of the correlator per span over the mean number of open requests.
//
//   build/release/tests/bench/token_bench [RECORDING...] > build/bench/token.csv
//
// Messages: a browser's request (9 headers, one path in 1,000), an answer with 200 bytes of JSON, a
// Redis command. Bytes: of the recordings named, else of spans with four tokens each; the whole
// batch beside it as the baseline. Correlator: requests with two tokens, two calls each with one.
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/api/codec.h"
#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/plugin/loader.h"
#include "sources/ebpf/token_reader.h"
#include "sources/replay/recording.h"
#include "tests/accuracy/replay.h"

namespace {

using namespace weft;

double CpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void ReadRow(const char* name, ebpf::MessageKind kind, uint8_t protocol, const char* aim,
             std::string (*make)(int)) {
  constexpr int kMessages = 1000, kRounds = 200;
  std::vector<std::string> messages;
  for (int i = 0; i < kMessages; ++i) messages.push_back(make(i));
  ebpf::http1::HeadMemory heads;
  const ebpf::TokenReader reader("salt", {}, heads);
  ebpf::Exchange exchange;
  double best = 1e18;
  for (int run = 0; run < 3; ++run) {
    const double begin = CpuNs();
    for (int round = 0; round < kRounds; ++round)
      for (const std::string& message : messages) {
        exchange.request_tokens.Clear();
        exchange.response_tokens.Clear();
        exchange.protocol = protocol;
        reader.Message(kind, message, true, &exchange);
      }
    best = std::min(best, (CpuNs() - begin) / (kMessages * kRounds));
  }
  std::printf("token.read_%s,%.0f,ns,,,%s\n", name, best, aim);
}

std::string HttpRequest(int i) {
  return fmt::format(
      "GET /shop/items/{}?lang=en&page=2 HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: "
      "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: "
      "text/html,application/json;q=0.9\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: "
      "gzip, deflate\r\nConnection: keep-alive\r\nX-Tenant: acme-{}\r\nX-Request-ID: "
      "1f0cbe2a-77aa-4f6e-9b1e-{:012x}\r\ntraceparent: "
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
      i, i % 20, i * 7919);
}

std::string HttpResponse(int i) {
  const std::string body = fmt::format(
      R"({{"id": {}, "name": "thing number {}", "price": 12.50, "currency": "EUR", "stock": )"
      R"([{{"place": "north", "n": 3}}, {{"place": "south", "n": 11}}], "seller": "s-{}", )"
      R"("updated": "2026-11-21T12:00:00Z", "tags": ["new", "blue"]}})",
      i, i, i % 50);
  return fmt::format(
      "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
}

std::string RedisCommand(int i) {
  const std::string key = fmt::format("cart:{}", i);
  return fmt::format("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key.size(), key);
}

void WireRow(const char* name, uint64_t spans, uint64_t tokens, uint64_t token_bytes,
             uint64_t bytes) {
  const auto per_span = [spans](uint64_t n) {
    return static_cast<double>(n) / static_cast<double>(std::max<uint64_t>(spans, 1));
  };
  std::printf("token.per_observation_%s,%.2f,count,,,\n", name, per_span(tokens));
  std::printf("token.wire_%s,%.1f,B,%.0f,%.3f,\n", name, per_span(token_bytes), per_span(bytes),
              per_span(token_bytes) / per_span(bytes));
}

// False where the file cannot be read.
bool RecordedWire(const char* path) {
  auto reader = sources::RecordingReader::Open(path);
  if (!reader) {
    std::fprintf(stderr, "%s\n", reader.error().message.c_str());
    return false;
  }
  uint64_t spans = 0, tokens = 0, token_bytes = 0, bytes = 0;
  while (auto record = reader->Next()) {
    if (record->type != transport::RecordType::kEventBatch) continue;
    const auto batch = api::DecodeEvents(record->payload);
    if (!batch) continue;
    const weft_spans& s = batch->spans.spans();
    if (s.n == 0) continue;
    spans += s.n;
    bytes += record->payload->bytes().size();
    if (s.token_offset == nullptr) continue;
    tokens += s.token_offset[s.n];
    token_bytes += 4 * (s.token_offset[s.n] + s.n + 1);
  }
  WireRow("recorded", spans, tokens, token_bytes, bytes);
  return true;
}

void MadeWire() {
  constexpr uint32_t kRows = 500, kTokens = 4;
  api::SpanTable with, without;
  for (api::SpanTable* t : {&with, &without}) {
    t->AddProcess(1, "host", "service", "/bin/x", 1);
    for (uint32_t i = 0; i < kRows; ++i) {
      const uint32_t row = t->AddRow();
      t->kind[row] = WEFT_KIND_SERVER;
      t->start_ns[row] = t->end_ns[row] = i;
      if (t == &with)
        for (uint32_t k = 0; k < kTokens; ++k) t->Token((i * 8 + k) << 1);
    }
  }
  const size_t more = api::EncodeEvents({}, with)->bytes().size();
  WireRow("made", kRows, kRows * kTokens, more - api::EncodeEvents({}, without)->bytes().size(),
          more);
}

// Requests of 20 ms, so many at once; ids of a thousand and one value that all have.
accuracy::Recording Calls(int open) {
  constexpr int kRequests = 5000;
  std::mt19937_64 random(1);
  const auto between = [&random](int64_t a, int64_t b) {
    return std::uniform_int_distribution<int64_t>(a, b)(random);
  };
  accuracy::Recording recording;
  recording.names = {"shop", "GET /cart", "redis", "GET"};
  const int64_t gap = 20'000 / open;
  for (int i = 0; i < kRequests; ++i) {
    const auto id = static_cast<uint32_t>(between(0, 999)) * 2 + 1000;
    accuracy::Span request;
    request.trace = recording.traces++;
    request.operation = 1;
    request.start_ns = (i * gap + between(0, gap / 2)) * kMicrosecond;
    request.end_ns = request.start_ns + 20 * kMillisecond;
    request.tokens = {2, id};
    const auto parent = static_cast<int32_t>(recording.spans.size());
    recording.spans.push_back(request);
    for (int k = 0; k < 2; ++k) {
      accuracy::Span call = request;
      call.client = true;
      call.peer = 2;
      call.operation = 3;
      call.parent = parent;
      call.start_ns += between(500, 18'000) * kMicrosecond;
      call.end_ns = call.start_ns + kMillisecond;
      call.tokens = {id};
      recording.spans.push_back(call);
    }
  }
  return recording;
}

bool CorrelatorRows() {
  const auto log = StderrLogger(LogLevel::kWarn);
  Metrics metrics;
  ManualClock clock;
  const auto plugin =
      plugin::PluginLoader(WEFT_PLUGIN_DIR).Load(plugin::Kind::kCorrelator, "token");
  if (!plugin) {
    std::fprintf(stderr, "%s\n", plugin.error().message.c_str());
    return false;
  }
  for (const int open : {1, 4, 16, 32}) {
    const accuracy::Recording recording = Calls(open);
    double best = 1e18;
    for (int run = 0; run < 3; ++run) {
      auto made = plugin::PluginInstance::Create(*plugin, "{}", {*log, metrics, clock});
      if (!made) return false;
      const auto result = accuracy::Replay(recording, {&*made});
      if (!result) return false;
      best = std::min(best, result->seconds * 1e9 / static_cast<double>(recording.spans.size()));
    }
    std::printf("token.correlate_open_%d,%.0f,ns,,,%s\n", open, best,
                open <= 4 ? "<=300" : "<=1000");
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("name,value,unit,baseline,ratio,aim\n");
  ReadRow("http_request", ebpf::MessageKind::kRequest, WEFT_PROTOCOL_HTTP1, "<=600", HttpRequest);
  ReadRow("http_response", ebpf::MessageKind::kResponse, WEFT_PROTOCOL_HTTP1, "<=1000",
          HttpResponse);
  ReadRow("redis_command", ebpf::MessageKind::kRequest, WEFT_PROTOCOL_REDIS, "<=150", RedisCommand);
  if (argc == 1) MadeWire();
  for (int i = 1; i < argc; ++i)
    if (!RecordedWire(argv[i])) return 1;
  return CorrelatorRows() ? 0 : 1;
}
