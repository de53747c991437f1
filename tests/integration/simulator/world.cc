#include "tests/integration/simulator/world.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "engine/api/ids.h"
#include "engine/base/clock.h"

namespace weft::sim {
namespace {

constexpr int64_t kAnnounceAfter = kSecond;

class Maker {
 public:
  Maker(uint64_t seed, const WorldOptions& options) : options_(options), random_(seed) {
    world_.seed = seed;
  }

  World Make() {
    MakeHosts();
    for (uint32_t i = 0; i < options_.roots; ++i) MakeRoot();
    for (uint32_t h = 0; h < world_.hosts.size(); ++h) Observe(h);
    std::ranges::stable_sort(world_.script, {}, &Seal::at_ns);
    for (const Exchange& e : world_.exchanges) world_.end_ns = std::max(world_.end_ns, e.end_ns);
    return std::move(world_);
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  int64_t Between(int64_t a, int64_t b) {
    if (b <= a) return a;
    return a + static_cast<int64_t>(Below(static_cast<uint64_t>(b - a + 1)));
  }
  bool Chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }

  void MakeHosts() {
    const uint32_t hosts = 1 + static_cast<uint32_t>(Below(4));
    for (uint32_t h = 0; h < hosts; ++h) {
      Host host;
      host.id = "machine-" + std::to_string(h);
      host.name = "host" + std::to_string(h);
      host.address = "10.0.0." + std::to_string(h + 1);
      host.agent_id = Mix64(world_.seed * 100 + h) | 1;
      host.boot_id = Mix64(host.agent_id);
      host.clock_offset_ns = Between(0, 3600 * kSecond);
      const uint64_t processes = 1 + Below(4);
      for (uint64_t p = 0; p < processes; ++p) {
        host.processes.push_back(Mix64(host.agent_id + p + 7));
        places_.emplace_back(h, static_cast<uint32_t>(p));
      }
      host.silent = options_.silent_agents && Chance(0.3);
      world_.hosts.push_back(std::move(host));
    }
  }

  uint32_t Add(Exchange e) {
    const api::Side side = e.server ? api::Side::kServer : api::Side::kClient;
    e.connection = random_();
    e.exchange = api::ExchangeKey(e.connection, Below(1000), side);
    e.span_id = api::SpanId(e.wire_id != 0 ? e.wire_id : e.exchange, side);
    world_.exchanges.push_back(std::move(e));
    return static_cast<uint32_t>(world_.exchanges.size() - 1);
  }

  int64_t Duration() {
    if (Chance(0.05)) return Between(kSecond, 4 * kSecond);
    return Between(kMillisecond, 200 * kMillisecond);
  }

  int64_t Begin() {
    while (true) {
      const int64_t at = Between(kSecond / 10, options_.length_ns);
      if (!options_.swings) return at;
      const double noon = std::sin(std::numbers::pi * static_cast<double>(at) /
                                   static_cast<double>(options_.length_ns));
      const bool burst = Mix64(static_cast<uint64_t>(at / (60 * kSecond))) % 97 == 0;
      if (Chance(burst ? 1 : 0.02 + 0.1 * noon * noon)) return at;
    }
  }

  void MakeRoot() {
    const auto [h, p] = places_[Below(places_.size())];
    Exchange e;
    e.server = true;
    e.host = h;
    e.process = p;
    e.start_ns = Begin();
    e.end_ns = e.start_ns + Duration();
    e.tid = NewTid();
    e.wire_id = Chance(0.95) ? NewWire() : 0;
    // A caller outside the networks, one inside that nobody watches, or a browser on this host.
    const uint64_t from = Below(3);
    e.remote_address = from == 0 ? "203.0.113.9" : from == 1 ? "10.9.9.9" : world_.hosts[h].address;
    if (from == 1 && Chance(0.4)) {
      e.context_trace = random_();
      e.context_span = random_();
    }
    e.local_port = 80;
    e.remote_port = static_cast<uint16_t>(Between(30000, 60000));
    MakeCalls(Add(e), 0);
  }

  void MakeCalls(uint32_t parent_index, int depth) {
    if (depth >= 4) return;
    const uint64_t calls = Below(depth == 0 ? 4 : 3);
    for (uint64_t c = 0; c < calls; ++c) {
      const Exchange parent = world_.exchanges[parent_index];
      Exchange call;
      call.host = parent.host;
      call.process = parent.process;
      call.start_ns = Between(parent.start_ns + 1000, parent.end_ns);
      call.end_ns = Chance(0.05) ? call.start_ns + Duration()  // outlives its parent
                                 : Between(call.start_ns + 1000,
                                           std::max(call.start_ns + 2000, parent.end_ns));
      call.tid = options_.tangled_threads && Chance(0.5) ? 1 : parent.tid;
      call.true_parent = parent.span_id;
      const bool watched = Chance(0.8);
      const auto [h, p] = places_[Below(places_.size())];
      call.remote_address = watched ? world_.hosts[h].address : "10.9.9.8";
      call.remote_port = 80;
      call.local_port = static_cast<uint16_t>(Between(30000, 60000));
      call.wire_id = Chance(0.97) ? NewWire() : 0;
      call.pipelined = call.wire_id != 0 && Chance(0.05);
      if (parent.context_trace != 0 && Chance(0.7)) {
        // Passed on unchanged, or by an SDK with a span of its own.
        call.context_trace = parent.context_trace;
        call.context_span = Chance(0.5) ? parent.context_span : random_();
      }
      if (call.wire_id != 0 && h != parent.host && Chance(0.5)) call.option_id = NewWire();
      const uint32_t call_index = Add(call);
      if (!watched) continue;
      call = world_.exchanges[call_index];
      Exchange served = call;
      served.server = true;
      served.host = h;
      served.process = p;
      served.remote_address = world_.hosts[parent.host].address;
      served.remote_port = call.local_port;
      served.local_port = 80;
      const int64_t net = std::min<int64_t>((call.end_ns - call.start_ns) / 4, 2 * kMillisecond);
      served.start_ns = call.start_ns + net / 2 + 1;
      served.end_ns = std::max(served.start_ns + 1, call.end_ns - net / 2);
      served.tid = NewTid();
      served.true_parent = call.wire_id != 0 ? call.span_id : 0;
      // Between them a middlebox that changes sequence numbers, or one that takes options away.
      if (call.option_id != 0 && Chance(0.3)) {
        served.wire_id = NewWire();
      } else if (Chance(0.1)) {
        served.option_id = Chance(0.5) ? 0 : NewWire();
      }
      MakeCalls(Add(served), depth + 1);
    }
  }

  // What the agent of a host publishes, and when.
  void Observe(uint32_t h) {
    struct Event {
      int64_t at_ns;
      Observation row;
    };
    std::vector<Event> events;
    int64_t end_ns = options_.length_ns + kSecond;
    for (uint32_t i = 0; i < world_.exchanges.size(); ++i) {
      const Exchange& e = world_.exchanges[i];
      if (e.host != h) continue;
      end_ns = std::max(end_ns, e.end_ns);
      int64_t delay = 0;
      if (options_.late_rows && Chance(0.05)) {
        delay = Between(100 * kMillisecond, 3 * kSecond);
        late_.push_back(i);
        world_.disturbed = true;
      }
      if (e.end_ns - e.start_ns >= kAnnounceAfter)
        events.push_back({e.start_ns + kAnnounceAfter + delay, {i, true}});
      events.push_back({e.end_ns + delay, {i, false}});
      end_ns = std::max(end_ns, e.end_ns + delay);
    }
    std::ranges::stable_sort(events, {}, &Event::at_ns);
    const int64_t silent_from =
        world_.hosts[h].silent ? Between(kSecond, options_.length_ns) : INT64_MAX;
    if (world_.hosts[h].silent) world_.disturbed = true;

    const int64_t every = options_.seal_every_ns;
    world_.observed.resize(world_.exchanges.size());
    size_t next = 0;
    for (int64_t at = every + Between(0, every);; at += every) {
      if (at >= silent_from) return;
      Seal seal;
      seal.at_ns = at;
      seal.host = h;
      seal.watermark_ns = at;
      for (; next < events.size() && events[next].at_ns <= at; ++next) {
        seal.rows.push_back(events[next].row);
        if (!events[next].row.open) world_.observed[events[next].row.exchange] = true;
      }
      // What is neither ended nor announced yet holds the watermark, unless it is late by design.
      for (uint32_t i = 0; i < world_.exchanges.size(); ++i) {
        const Exchange& e = world_.exchanges[i];
        if (e.host != h || e.start_ns > at || std::ranges::find(late_, i) != late_.end()) continue;
        const int64_t told = std::min(e.end_ns, e.start_ns + kAnnounceAfter);
        if (told > at) seal.watermark_ns = std::min(seal.watermark_ns, e.start_ns);
      }
      seal.last = at > end_ns;
      const bool last = seal.last;
      world_.script.push_back(std::move(seal));
      if (last) return;
    }
  }

  uint64_t NewWire() {
    const uint64_t wire = random_();
    return wire == 0 ? 1 : wire;
  }
  uint32_t NewTid() {
    return options_.tangled_threads ? 1 + static_cast<uint32_t>(Below(3)) : ++last_tid_;
  }

  WorldOptions options_;
  std::mt19937_64 random_;
  World world_;
  std::vector<std::pair<uint32_t, uint32_t>> places_;
  std::vector<uint32_t> late_;
  uint32_t last_tid_ = 100;
};

}  // namespace

World MakeWorld(uint64_t seed, const WorldOptions& options) { return Maker(seed, options).Make(); }

void AddRow(const World& world, const Observation& observation, uint32_t process_row,
            api::SpanTable* table) {
  const Exchange& e = world.exchanges[observation.exchange];
  const Host& host = world.hosts[e.host];
  const uint32_t i = table->AddRow();
  const api::Side side = e.server ? api::Side::kServer : api::Side::kClient;
  const bool provisional = e.pipelined && observation.open;
  table->exchange[i] = e.exchange;
  table->connection[i] = e.connection;
  table->wire_id[i] = provisional ? 0 : e.wire_id;
  table->span_id[i] = provisional ? api::SpanId(e.exchange, side) : e.span_id;
  table->start_ns[i] = e.start_ns + host.clock_offset_ns;
  table->end_ns[i] = observation.open ? 0 : e.end_ns + host.clock_offset_ns;
  table->kind[i] = e.server ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
  table->protocol[i] = WEFT_PROTOCOL_HTTP1;
  table->flags[i] = (observation.open ? uint32_t{WEFT_FLAG_OPEN} : 0u) |
                    (provisional ? uint32_t{WEFT_FLAG_PROVISIONAL} : 0u) |
                    (e.context_trace != 0 ? uint32_t{WEFT_FLAG_CONTEXT} : 0u);
  table->process[i] = process_row;
  table->service[i] = table->processes.service[process_row];
  table->operation[i] = table->Intern(e.server ? "GET /served" : "GET /called");
  table->local_address[i] = table->Intern(host.address);
  table->remote_address[i] = table->Intern(e.remote_address);
  table->local_port[i] = e.local_port;
  table->remote_port[i] = e.remote_port;
  table->request_tid[i] = e.tid;
  table->response_tid[i] = e.tid;
  table->context_trace_hi[i] = e.context_trace;
  table->context_trace_lo[i] = e.context_trace;
  table->context_span_id[i] = e.context_span;
  if (e.option_id != 0) table->OptionId(e.option_id);
}

}  // namespace weft::sim
