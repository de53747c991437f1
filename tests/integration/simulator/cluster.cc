#include "tests/integration/simulator/cluster.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/hash.h"
#include "sources/publisher.h"
#include "tests/integration/simulator/gapped_owner.h"
#include "tests/integration/simulator/thread_voice.h"

namespace weft::sim {

using transport::Record;
using transport::Stage;
using transport::Stream;

namespace {

constexpr int64_t kQuantum = 50 * kMillisecond;
constexpr int64_t kBoot = 1000 * kSecond;  // log time when true time was 0
constexpr size_t kAll = size_t{1} << 40;
// A span's end that is overtaken by more than the span's row is kept for is a span of its own.
constexpr int64_t kLongestDetour = 800 * kMillisecond;
constexpr int64_t kLongestRepeat = 24 * kSecond;

// Keeps every second trace, by its id.
int32_t KeepHalf(void*, const weft_spans*, const weft_traces* traces, weft_decisions* out,
                 weft_error*) {
  for (uint32_t i = 0; i < traces->n; ++i) out->keep[i] = Mix64(traces->trace_lo[i]) % 2 == 0;
  return WEFT_OK;
}
const weft_sampler kKeepHalf{sizeof(weft_sampler), KeepHalf, nullptr, nullptr};

stitch::StitchConfig StitchSettings(const Schedule& schedule) {
  stitch::StitchConfig config;
  config.partitions = schedule.partitions;
  config.max_bytes = schedule.stitch_bytes;
  config.save_state_every_ns = 2 * kSecond;  // a world lasts for a few seconds
  return config;
}

}  // namespace

Cluster::Cluster(const World& world, const Schedule& schedule)
    : world_(world), schedule_(schedule), random_(schedule.seed ^ 0x5eed), clock_(kBoot) {
  if (const char* wire = std::getenv("WEFT_SIM_WIRE"))
    watch_wire_ = std::strtoull(wire, nullptr, 16);
  transport::MemoryOptions options;
  options.partitions = schedule.partitions;
  options.blocking = false;
  options.horizon_ns = schedule.log_horizon_ns;
  transport_ = std::make_unique<transport::MemoryTransport>(options, clock_, metrics_);
  stitch_.resize(schedule.partitions);
  trace_.resize(schedule.partitions);
  paused_until_.assign(2 * size_t{schedule.partitions}, INT64_MIN);
  for (uint32_t p = 0; p < schedule.partitions; ++p) {
    TakeOver(p, stitch_[p]);
    TakeOver(p, trace_[p]);
  }
}

Cluster::~Cluster() = default;

void Cluster::Expect(bool ok, const std::string& what) {
  if (!ok && failure_.empty()) failure_ = what;
}

std::unique_ptr<transport::PartitionOwner> Cluster::Own(Stage stage, uint32_t partition) {
  auto owner = std::move(transport_->Own(stage, partition).value());
  if (!schedule_.kafka) return owner;
  return std::make_unique<GappedOwner>(std::move(owner));
}

void Cluster::TakeOver(uint32_t partition, StitchMember& member) {
  member = StitchMember{};
  member.owner = Own(Stage::kStitch, partition);
  member.learning = std::make_unique<LearningVoice>();
  member.stage = std::make_unique<stitch::StitchPartition>(
      StitchSettings(schedule_), partition,
      std::vector<stitch::ChainLink>{{"thread", ThreadVoice(), nullptr},
                                     {"learning", LearningVoice::Table(), member.learning.get()}},
      metrics_, *log_);
  member.stage->TookOver(transport_->LogTimeNs());
  for (Stream log : {Stream::kLabels, Stream::kState})
    Expect(
        member.owner->ReadBack(log, [&](const Record& r) { member.stage->Restore(r); }).has_value(),
        "stitch read-back failed");
}

void Cluster::TakeOver(uint32_t partition, TraceMember& member) {
  member = TraceMember{};
  member.owner = Own(Stage::kTrace, partition);
  const trace::Tenure tenure{partition, member.owner->generation(), member.owner->start_offset(),
                             transport_->LogTimeNs(), schedule_.partitions};
  std::vector<trace::Sampler> samplers;
  if (schedule_.sampled) samplers.push_back({"half", &kKeepHalf, nullptr});
  member.stage = std::make_unique<trace::TracePartition>(schedule_.trace, tenure,
                                                         std::move(samplers), metrics_, *log_);
  const auto restore = [&](const Record& r) {
    Expect(member.stage->Restore(r).has_value(), "a decision record cannot be read");
  };
  for (Stream log : {Stream::kDecisions, Stream::kState})
    Expect(member.owner->ReadBack(log, restore).has_value(), "trace read-back failed");
}

// An agent seals one batch for each partition that it writes; each takes its own time to the log,
// but those of one partition stay in order.
void Cluster::Send(const Seal& seal) {
  const Host& host = world_.hosts[seal.host];
  std::map<uint32_t, api::SpanTable> tables;
  // Heartbeats go where the host's processes could write.
  for (uint64_t process : host.processes)
    tables[sources::EventPartition(host.id, process, schedule_.partitions)];
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> rows;
  for (const Observation& o : seal.rows) {
    const uint64_t process = host.processes[world_.exchanges[o.exchange].process];
    const uint32_t p = sources::EventPartition(host.id, process, schedule_.partitions);
    api::SpanTable& table = tables[p];
    const auto [it, added] = rows.try_emplace({p, process}, 0);
    if (added) it->second = table.AddProcess(process, host.name, "svc", "/bin/svc", 1);
    AddRow(world_, o, it->second, &table);
  }
  for (auto& [p, table] : tables) {
    api::EventHeader header;
    header.host_id = host.id;
    header.host_name = host.name;
    header.agent_id = host.agent_id;
    header.boot_id = host.boot_id;
    header.sequence = ++sequences_[{host.agent_id, p}];
    header.now_ns = seal.at_ns + host.clock_offset_ns;
    header.watermark_ns = seal.last ? INT64_MAX : seal.watermark_ns + host.clock_offset_ns;
    header.last = seal.last;
    uint64_t& observed = observed_[{host.agent_id, p}];
    header.observed_before = observed;
    for (const uint32_t flags : table.flags) observed += (flags & WEFT_FLAG_OPEN) == 0;
    header.addresses = {host.address, "127.0.0.1"};
    transport::OutRecord record;
    record.partition = p;
    record.key = host.agent_id;
    record.payload = api::EncodeEvents(header, table);
    std::deque<Parcel>& road = roads_[{host.agent_id, p}];
    int64_t due = kBoot + seal.at_ns;
    if (schedule_.max_delay_ns > 0)
      due += static_cast<int64_t>(random_() % static_cast<uint64_t>(schedule_.max_delay_ns));
    if (!road.empty()) due = std::max(due, road.back().due_ns);
    if (schedule_.again > 0 && Chance() < schedule_.again)
      detours_.push_back(
          {due + kLongestRepeat / 64 * static_cast<int64_t>(random_() % 64), record});
    if (schedule_.overtaken > 0 && seal.last) due += kLongestDetour;  // no agent ends so fast
    if (schedule_.overtaken > 0 && !seal.last && Chance() < schedule_.overtaken) {
      detours_.push_back({due + kLongestDetour / 8 * static_cast<int64_t>(random_() % 8), record});
      continue;
    }
    road.push_back({due, record});
    if (Chance() < schedule_.duplicate) road.push_back({due + kQuantum / 2, record});
  }
}

void Cluster::Deliver() {
  std::vector<std::deque<Parcel>*> roads;
  for (auto& [key, road] : roads_) roads.push_back(&road);
  if (!schedule_.undisturbed) std::shuffle(roads.begin(), roads.end(), random_);
  for (auto* road : roads)
    for (; !road->empty() && road->front().due_ns <= clock_.MonotonicNs(); road->pop_front())
      Expect(transport_->Publish(road->front().record, 0).has_value(), "publish failed");
  std::erase_if(detours_, [this](const Parcel& parcel) {
    if (parcel.due_ns > clock_.MonotonicNs()) return false;
    Expect(transport_->Publish(parcel.record, 0).has_value(), "publish failed");
    return true;
  });
}

void Cluster::Turn(uint32_t partition, StitchMember& member) {
  if (!PassKafka(partition, member)) return;
  const bool hurry = schedule_.undisturbed || drained_;
  std::vector<Record> records;
  const size_t bytes = hurry || Chance() < schedule_.whole ? kAll : 1 + random_() % 4000;
  const bool wants = finishing_ || member.stage->WantsInput();
  member.owner->HoldInput(!wants);
  Expect(member.owner->Poll(bytes, &records).has_value(), "stitch poll failed");
  for (const Record& record : records) member.stage->Consume(record);
  if (bytes == kAll && wants) {
    if (finishing_ && !member.finished) {
      member.stage->Finish(clock_.MonotonicNs());
      member.finished = true;
    }
    member.stage->Tick(clock_.MonotonicNs());
  }
  if (schedule_.kafka) {
    if (Leaves()) Leave(member);
    BeginCommit(member, member.stage->TakeTransaction());
    return;
  }
  const bool dies = Dies();
  auto transaction = member.stage->TakeTransaction();
  if (dies && Chance() < 0.5) {  // before its commit, else right after it
    ++kills_;
  } else {
    if (watch_wire_ != 0) Watch(partition, transaction);
    Expect(member.owner->Commit(std::move(transaction)).has_value(), "stitch commit failed");
    if (!dies) return;
    ++kills_;
  }
  if (watch_wire_ != 0) std::printf("%ld stitch %u dies\n", Now(), partition);
  StitchMember dead = std::move(member);
  TakeOver(partition, member);
  if (schedule_.zombies) stitch_zombies_.push_back(std::move(dead));
}

void Cluster::Turn(uint32_t partition, TraceMember& member) {
  if (!PassKafka(partition, member)) return;
  if (member.leaving > 0) {  // nothing is read; what is exported is waited for
    ++member.leaving;
    Export(member);
    BeginCommit(member, member.stage->Tick(clock_.MonotonicNs(), false));
    return;
  }
  const bool hurry = schedule_.undisturbed || drained_;
  std::vector<Record> records;
  const size_t bytes = hurry || Chance() < schedule_.whole ? kAll : 1 + random_() % 4000;
  Expect(member.owner->Poll(bytes, &records).has_value(), "trace poll failed");
  for (const Record& record : records) member.stage->Consume(record);
  if (closing_ && !member.closing) {
    member.closing = true;
    member.stage->CloseAll();
  }
  auto transaction = member.stage->Tick(clock_.MonotonicNs(), bytes == kAll);
  if (schedule_.kafka) {
    if (Leaves()) Leave(member);
    BeginCommit(member, std::move(transaction));
    return;
  }
  const bool dies = Dies();
  if (!dies || Chance() < 0.5) {
    Expect(member.owner->Commit(std::move(transaction)).has_value(), "trace commit failed");
    for (auto& batch : member.stage->TakeExports()) member.queue.push_back(std::move(batch));
    Export(member);
    if (!dies) return;
  }
  ++kills_;
  TraceMember dead = std::move(member);
  TakeOver(partition, member);
  if (schedule_.zombies) trace_zombies_.push_back(std::move(dead));
}

// Durable in order; the member may die between a batch's durability and its acknowledgement.
void Cluster::Export(TraceMember& member) {
  while (!member.queue.empty() && (schedule_.undisturbed || drained_ || Chance() < 0.6)) {
    sink_.Store(*member.queue.front());
    if (Dies()) return;  // the caller's next death finds it unacknowledged; it may also live on
    member.stage->Acknowledge(member.queue.front()->number);
    member.queue.pop_front();
  }
}

// What a transaction says about the exchange that WEFT_SIM_WIRE names.
void Cluster::Watch(uint32_t partition, const transport::Transaction& transaction) {
  for (const auto& out : transaction.out) {
    if (out.type == transport::RecordType::kLinkBatch) {
      const auto links = api::DecodeLinks(out.payload).value();
      const bool joins = PartitionOf(watch_wire_, schedule_.partitions) == out.partition;
      if (joins && links.watermark_ns != 0)
        std::printf("%ld stitch %u: links watermark %ld\n", Now(), partition,
                    (links.watermark_ns - kBoot) / kMillisecond);
      for (size_t i = 0; i < links.size(); ++i)
        if (links.wire_id[i] == watch_wire_)
          std::printf("%ld stitch %u: %s span %lx trace %lx flags %x\n", Now(), partition,
                      links.what[i] == 0   ? "exists"
                      : links.what[i] == 1 ? "want"
                                           : "answer",
                      links.span_id[i], links.trace_lo[i], links.flags[i]);
    } else if (out.type == transport::RecordType::kLabelBatch) {
      const auto labels = api::DecodeLabels(out.payload).value();
      for (size_t i = 0; i < labels.size(); ++i)
        for (const auto side : {api::Side::kServer, api::Side::kClient})
          if (labels.span_id[i] == api::SpanId(watch_wire_, side))
            std::printf("%ld stitch %u: label %x span %lx parent %lx trace %lx\n", Now(), partition,
                        labels.what[i], labels.span_id[i], labels.parent_id[i], labels.trace_lo[i]);
    }
  }
  if (transaction.commit_offset)
    std::printf("%ld stitch %u: offset %lu\n", Now(), partition, *transaction.commit_offset);
}

int64_t Cluster::Now() const { return (clock_.MonotonicNs() - kBoot) / kMillisecond; }

// A member that was taken over does not know it: it reads, decides and commits, and must be
// refused.
void Cluster::TryZombies() {
  for (StitchMember& z : stitch_zombies_) {
    z.stage->Tick(clock_.MonotonicNs());
    auto transaction = z.stage->TakeTransaction();
    transaction.commit_offset = 1u << 30;
    const auto result = z.owner->Commit(std::move(transaction));
    Expect(!result && result.error().code == Code::kFenced, "a zombie's commit was accepted");
  }
  for (TraceMember& z : trace_zombies_) {
    const auto result = z.owner->Commit(z.stage->Tick(clock_.MonotonicNs() + 100 * kSecond, true));
    Expect(!result && result.error().code == Code::kFenced, "a zombie's commit was accepted");
  }
  stitch_zombies_.clear();
  trace_zombies_.clear();
}

bool Cluster::Paused(uint32_t place) { return paused_until_[place] > clock_.MonotonicNs(); }

// Of a member, or of the whole group; who comes back goes on, or is somebody else.
void Cluster::BeginPauses() {
  if (schedule_.max_pause_ns == 0 || !sending_) return;
  const auto pause = [&](uint32_t place, int64_t length_ns) {
    ++pauses_;
    paused_until_[place] = clock_.MonotonicNs() + length_ns;
    const uint32_t p = place / 2;
    if (schedule_.kill == 0 || Chance() < 0.5) return;
    ++kills_;
    if (place % 2 == 0)
      TakeOver(p, stitch_[p]);
    else
      TakeOver(p, trace_[p]);
  };
  const auto length = [&] {  // short ones are as frequent as long ones
    const double share = std::pow(Chance(), 3);
    return kQuantum + static_cast<int64_t>(share * static_cast<double>(schedule_.max_pause_ns));
  };
  if (Chance() < schedule_.outage) {
    const int64_t length_ns = length();
    for (uint32_t i = 0; i < 2 * schedule_.partitions; ++i) pause(i, length_ns);
  }
  for (uint32_t i = 0; i < 2 * schedule_.partitions; ++i)
    if (!Paused(i) && Chance() < schedule_.pause) pause(i, length());
}

void Cluster::Round() {
  BeginPauses();
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < 2 * schedule_.partitions; ++i) order.push_back(i);
  if (!schedule_.undisturbed) std::shuffle(order.begin(), order.end(), random_);
  for (uint32_t i : order) {
    if (Lazy() || Paused(i)) continue;
    const uint32_t p = i / 2;
    if (i % 2 == 0)
      Turn(p, stitch_[p]);
    else
      Turn(p, trace_[p]);
  }
  TryZombies();
}

bool Cluster::AllIdle() const {
  return std::ranges::all_of(
      stitch_, [](const auto& m) { return m.finished && m.stage->Idle() && !m.pending; });
}

std::string Cluster::Unrest() const {
  std::string text;
  for (uint32_t p = 0; p < schedule_.partitions; ++p)
    if (!stitch_[p].finished || !stitch_[p].stage->Idle())
      text += "partition " + std::to_string(p) + " holds " +
              std::to_string(stitch_[p].stage->BufferedSpans()) +
              (stitch_[p].finished ? " spans; " : " spans, not finished; ");
  return text;
}

int64_t Cluster::quantum_ns() const {
  return schedule_.quantum_ns != 0 ? schedule_.quantum_ns : kQuantum;
}

bool Cluster::Run() {
  size_t next = 0;
  const auto roads_empty = [&] {
    return detours_.empty() &&
           std::ranges::all_of(roads_, [](const auto& r) { return r.second.empty(); });
  };
  while (next < world_.script.size() || !roads_empty()) {
    for (; next < world_.script.size() && kBoot + world_.script[next].at_ns <= clock_.MonotonicNs();
         ++next)
      Send(world_.script[next]);
    Deliver();
    Round();
    clock_.Advance(quantum_ns());
    if (!failure_.empty()) return false;
  }
  sending_ = false;
  // Time goes on for a while: windows close, a silent agent is given up.
  int rounds = world_.disturbed ? 15 * 20 : 4 * 20;
  if (schedule_.max_pause_ns != 0) {  // the backlog is read, at its own pace
    for (; std::ranges::max(paused_until_) > clock_.MonotonicNs(); clock_.Advance(quantum_ns()))
      Round();
    rounds = 10 * 20 + static_cast<int>(random_() % 400);
  }
  for (int i = 0; i < rounds && failure_.empty(); ++i) {
    Round();
    clock_.Advance(quantum_ns());
  }
  drained_ = true;
  Round();
  finishing_ = true;
  transport_->CloseSources();
  for (int i = 0; i < 2000 && failure_.empty() && !AllIdle(); ++i) {
    calm_ = i > 50;
    Round();
    clock_.Advance(kMillisecond);
  }
  Expect(AllIdle(), "stage 1 did not come to rest: " + Unrest());
  Round();
  closing_ = true;
  const auto traced = [&] {
    return std::ranges::all_of(
        trace_, [](const auto& m) { return m.closing && m.stage->Idle() && !m.pending; });
  };
  for (int i = 0; i < 1000 && failure_.empty() && !traced(); ++i) {
    calm_ = i > 50;
    Round();
    clock_.Advance(kMillisecond);
  }
  Expect(traced(), "stage 2 did not come to rest");
  calm_ = true;
  for (int i = 0; i < 40; ++i) Round();  // the last offsets are committed
  return failure_.empty();
}

}  // namespace weft::sim
