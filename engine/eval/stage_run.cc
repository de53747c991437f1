#include "engine/eval/stage_run.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/clock.h"
#include "engine/eval/measured_chain.h"
#include "engine/stitch/stitch_partition.h"

namespace weft::eval {
namespace {

constexpr int64_t kBatch = 100 * kMillisecond;  // of event time
constexpr uint64_t kAgent = 1;

// Says nothing of the row's place in the file, and so nothing of its trace.
uint64_t ExchangeOf(uint32_t row) { return HashCombine(row, 0x6576616c); }

class StageDriver {
 public:
  StageDriver(const KnownTraces& known, const stitch::StitchConfig& config,
              std::vector<stitch::ChainLink> links, const StageServices& services, StageRun& out)
      : known_(known),
        out_(out),
        partition_(config, 0, std::move(links), services.metrics, services.log) {
    row_of_.reserve(known.spans.size());
    for (uint32_t i = 0; i < known.spans.size(); ++i) {
      order_.push_back(i);
      row_of_.emplace(ExchangeOf(i), i);
    }
    std::ranges::sort(order_, [&](uint32_t a, uint32_t b) {
      return std::pair(known.spans[a].start_ns, ExchangeOf(a)) <
             std::pair(known.spans[b].start_ns, ExchangeOf(b));
    });
  }

  Result<void> Run() {
    int64_t now = 0;
    for (size_t next = 0; next < order_.size();) {
      const int64_t begin = known_.spans[order_[next]].start_ns;
      now = begin + kBatch;
      size_t end = next;
      while (end < order_.size() && known_.spans[order_[end]].start_ns < now) ++end;
      WEFT_TRY(Batch(next, end, now));
      next = end;
    }
    partition_.Finish(now + kBatch);
    partition_.Tick(now + kBatch);
    return Take();
  }

 private:
  Result<void> Batch(size_t begin, size_t end, int64_t now) {
    api::SpanTable table;
    std::map<uint32_t, uint32_t> processes;
    for (size_t i = begin; i < end; ++i) AddRow(table, processes, order_[i]);
    api::EventHeader header;
    header.host_id = "recorded";
    header.agent_id = kAgent;
    header.sequence = ++sequence_;
    header.now_ns = now;
    header.watermark_ns = now;
    header.observed_before = observed_;
    observed_ += table.n();
    transport::Record record;
    record.offset = sequence_ - 1;
    record.append_ns = now;
    record.payload = api::EncodeEvents(header, table);
    partition_.Consume(record);
    partition_.Tick(now);
    return Take();
  }

  void AddRow(api::SpanTable& table, std::map<uint32_t, uint32_t>& processes, uint32_t i) {
    const KnownSpan& span = known_.spans[i];
    const std::string& service = known_.names[span.service];
    const auto [process, added] = processes.try_emplace(span.service, 0);
    if (added)
      process->second = table.AddProcess(HashCombine(span.service, 1), "recorded", service, "", 1);
    const uint32_t row = table.AddRow();
    table.exchange[row] = ExchangeOf(i);
    table.span_id[row] =
        api::SpanId(ExchangeOf(i), span.call ? api::Side::kClient : api::Side::kServer);
    table.start_ns[row] = span.start_ns;
    // An end of 0 would mean that it is open.
    table.end_ns[row] = std::max(span.end_ns, span.start_ns);
    table.kind[row] = span.call ? WEFT_KIND_CLIENT : WEFT_KIND_SERVER;
    table.process[row] = process->second;
    table.service[row] = table.Intern(service);
    table.operation[row] = table.Intern(known_.names[span.operation]);
    if (span.call) table.peer[row] = table.Intern(known_.names[span.peer]);
  }

  Result<void> Take() {
    transport::Transaction transaction = partition_.TakeTransaction();
    for (const transport::OutRecord& record : transaction.out) {
      if (record.stream == transport::Stream::kDead)
        return Fail(Code::kInternal, "stage 1 could not read a batch of the recording");
      if (record.type != transport::RecordType::kLabelBatch) continue;
      const auto labels = api::DecodeLabels(record.payload);
      if (!labels) return std::unexpected(labels.error());
      for (size_t i = 0; i < labels->size(); ++i) Decided(*labels, i);
    }
    return {};
  }

  void Decided(const api::LabelBatch& labels, size_t i) {
    if ((labels.what[i] & api::kLabelParent) == 0 || labels.parent_exchange[i] == 0) return;
    const auto child = row_of_.find(labels.exchange[i]);
    const auto parent = row_of_.find(labels.parent_exchange[i]);
    if (child == row_of_.end() || parent == row_of_.end()) return;
    if (!known_.spans[child->second].call) return;
    out_.parents[child->second] = static_cast<int32_t>(parent->second);
    out_.confidence[child->second] = labels.confidence[i];
  }

  const KnownTraces& known_;
  StageRun& out_;
  stitch::StitchPartition partition_;
  std::vector<uint32_t> order_;  // by start
  std::unordered_map<uint64_t, uint32_t> row_of_;
  uint64_t sequence_ = 0, observed_ = 0;
};

}  // namespace

Result<StageRun> RunStage(const KnownTraces& known, const std::vector<stitch::ChainLink>& chain,
                          const stitch::StitchConfig& config, const StageServices& services) {
  stitch::StitchConfig own = config;
  own.partitions = 1;
  own.taken_over = false;
  own.agent_silence_ns = INT64_MAX / 4;  // a quiet hour in a recording is no lost agent
  StageRun out;
  out.parents.assign(known.spans.size(), -1);
  out.confidence.assign(known.spans.size(), 0);
  MeasuredChain measured(chain);
  StageDriver driver(known, own, measured.Links(), services, out);
  WEFT_TRY(driver.Run());
  std::set<uint32_t> processes;
  for (const KnownSpan& span : known.spans) processes.insert(span.service);
  out.seconds = measured.seconds();
  if (!processes.empty()) out.bytes_per_process = measured.peak_bytes() / processes.size();
  return out;
}

}  // namespace weft::eval
