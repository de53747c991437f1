// Makes long recordings of several agents out of a short one of one agent, for the chaos run.
//
//   chaos-recording IN OUT_PREFIX AGENTS PARTITIONS SECONDS PERIOD_SECONDS
//
// The recording is repeated every PERIOD_SECONDS with other ids and later times; its processes are
// dealt out to AGENTS agents, so that traces cross them. OUT_PREFIX-K.weft.zst is agent K's, with
// the sequences that PARTITIONS partitions need; OUT_PREFIX.weft.zst has all of them, in order.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "sources/replay/recording.h"
#include "sources/replay/resharder.h"

namespace weft {
namespace {

constexpr int64_t kHeartbeat = 200 * kMillisecond;
constexpr uint64_t kSalt = 0x776f6f66;

struct Batch {
  int64_t append_ns;
  uint32_t partition;
  api::EventBatch events;
};

[[noreturn]] void Die(const std::string& why) {
  fmt::print(stderr, "chaos-recording: {}\n", why);
  std::exit(1);
}

std::vector<Batch> ReadAll(const char* path) {
  auto reader = sources::RecordingReader::Open(path);
  if (!reader) Die(reader.error().message);
  std::vector<Batch> out;
  while (auto record = reader->Next()) {
    if (record->type != transport::RecordType::kEventBatch) continue;
    auto events = api::DecodeEvents(record->payload);
    if (!events) Die(events.error().message);
    out.push_back({record->append_ns, record->partition, std::move(*events)});
  }
  if (out.empty()) Die(fmt::format("{}: no observations", path));
  return out;
}

// The ids and times of one repetition. Exchanges that met on the wire meet there again.
class Repetition {
 public:
  Repetition(uint64_t number, int64_t shift_ns) : number_(number), shift_ns_(shift_ns) {}

  int64_t Time(int64_t ns) const { return ns + shift_ns_; }
  void Change(api::SpanTable* table, uint32_t row) const {
    api::SpanTable& t = *table;
    t.start_ns[row] = Time(t.start_ns[row]);
    if (t.end_ns[row] != 0) t.end_ns[row] = Time(t.end_ns[row]);
    const bool client = t.kind[row] == WEFT_KIND_CLIENT || t.kind[row] == WEFT_KIND_PRODUCER;
    for (auto* id : {&t.exchange, &t.connection, &t.wire_id, &t.context_trace_hi,
                     &t.context_trace_lo, &t.context_span_id})
      (*id)[row] = Id((*id)[row]);
    if (!t.option_id.empty()) t.option_id[row] = Id(t.option_id[row]);
    t.span_id[row] = api::SpanId(t.wire_id[row] != 0 ? t.wire_id[row] : t.exchange[row],
                                 client ? api::Side::kClient : api::Side::kServer);
  }

 private:
  uint64_t Id(uint64_t id) const { return id == 0 || number_ == 0 ? id : HashCombine(id, number_); }

  uint64_t number_;
  int64_t shift_ns_;
};

// One agent: its share of the processes, written to its own file and to the one of all.
class AgentFile {
 public:
  AgentFile(const std::string& path, uint32_t number, uint32_t agents, uint32_t partitions,
            sources::RecordingWriter& all)
      : number_(number), agents_(agents), resharder_(partitions), all_(all) {
    auto writer = sources::RecordingWriter::Create(path, {1, partitions, 0});
    if (!writer) Die(writer.error().message);
    writer_.emplace(std::move(*writer));
  }

  void Write(const Batch& batch, const Repetition& repetition, bool last, bool rows) {
    const weft_spans& spans = batch.events.spans.spans();
    api::EventBatch mine;
    mine.header = Header(batch.events.header, repetition, last);
    mine.table = std::make_unique<api::SpanTable>();
    api::RowCopier copier(spans, *mine.table);
    for (uint32_t row = 0; rows && row < spans.n; ++row) {
      if (Mix64(spans.processes->process_id[spans.process[row]] + kSalt) % agents_ != number_)
        continue;
      repetition.Change(mine.table.get(), copier.Copy(row));
    }
    mine.spans = mine.table->View();
    Put(batch.partition, mine, repetition.Time(batch.append_ns));
  }

  void Close() {
    if (auto closed = writer_->Close(); !closed) Die(closed.error().message);
  }

 private:
  api::EventHeader Header(const api::EventHeader& from, const Repetition& repetition,
                          bool last) const {
    api::EventHeader header = from;
    header.agent_id = HashCombine(from.agent_id, number_ + 1);
    header.now_ns = repetition.Time(from.now_ns);
    // What the agent of the short recording promised with its last batch, it takes back: it goes
    // on.
    header.watermark_ns = from.last ? header.now_ns : repetition.Time(from.watermark_ns);
    header.last = last;
    header.ledger.clear();
    return header;
  }

  void Put(uint32_t partition, const api::EventBatch& batch, int64_t append_ns) {
    for (transport::OutRecord& out : resharder_.Split(partition, batch))
      for (sources::RecordingWriter* writer : {&*writer_, &all_})
        if (auto put = writer->Write(out.partition, out.type, append_ns, out.payload->bytes());
            !put)
          Die(put.error().message);
  }

  uint32_t number_, agents_;
  sources::Resharder resharder_;
  std::optional<sources::RecordingWriter> writer_;
  sources::RecordingWriter& all_;
};

// The batch with later times, which says nothing but that the agent is there.
Batch Heartbeat(const Batch& like, int64_t after_ns) {
  Batch out{like.append_ns + after_ns, like.partition, {}};
  out.events.header = like.events.header;
  out.events.header.now_ns += after_ns;
  out.events.header.watermark_ns = out.events.header.now_ns;
  out.events.header.last = false;
  out.events.table = std::make_unique<api::SpanTable>();
  out.events.spans = out.events.table->View();
  return out;
}

void Make(const char* in, const std::string& prefix, uint32_t agents, uint32_t partitions,
          int64_t length_ns, int64_t period_ns) {
  const std::vector<Batch> batches = ReadAll(in);
  const int64_t took_ns = batches.back().append_ns - batches.front().append_ns;
  if (period_ns <= took_ns) Die(fmt::format("the recording takes {} ms", took_ns / kMillisecond));
  auto all = sources::RecordingWriter::Create(prefix + ".weft.zst", {1, partitions, 0});
  if (!all) Die(all.error().message);
  std::vector<AgentFile> files;
  for (uint32_t k = 0; k < agents; ++k)
    files.emplace_back(fmt::format("{}-{}.weft.zst", prefix, k + 1), k, agents, partitions, *all);
  const auto write = [&](const Batch& batch, const Repetition& repetition, bool last) {
    for (AgentFile& file : files) file.Write(batch, repetition, last, true);
  };
  const auto repetitions = static_cast<uint64_t>(std::max<int64_t>(1, length_ns / period_ns));
  for (uint64_t r = 0; r < repetitions; ++r) {
    const Repetition repetition(r, static_cast<int64_t>(r) * period_ns);
    for (const Batch& batch : batches)
      write(batch, repetition, batch.events.header.last && r + 1 == repetitions);
    if (r + 1 == repetitions) break;
    // The newest clock of all partitions, or the agent's would run backwards.
    const Batch* newest = &batches.back();
    for (const Batch& b : batches)
      if (b.events.header.now_ns > newest->events.header.now_ns) newest = &b;
    std::vector<const Batch*> of_partition(256);
    for (const Batch& b : batches) of_partition[b.partition % 256] = &b;
    for (int64_t after = kHeartbeat; took_ns + after < period_ns; after += kHeartbeat)
      for (const Batch* b : of_partition) {
        if (b == nullptr) continue;
        Batch beat = Heartbeat(*newest, after);
        beat.partition = b->partition;
        write(beat, repetition, false);
      }
  }
  for (AgentFile& file : files) file.Close();
  if (auto closed = all->Close(); !closed) Die(closed.error().message);
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr,
               "usage: chaos-recording IN OUT_PREFIX AGENTS PARTITIONS SECONDS PERIOD_SECONDS\n");
    return 2;
  }
  weft::Make(argv[1], argv[2], static_cast<uint32_t>(std::atoi(argv[3])),
             static_cast<uint32_t>(std::atoi(argv[4])),
             static_cast<int64_t>(std::atof(argv[5]) * weft::kSecond),
             static_cast<int64_t>(std::atof(argv[6]) * weft::kSecond));
  return 0;
}
