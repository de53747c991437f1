// TracePartitionTest: one partition of stage 2, told records and time by hand.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/trace/trace_partition.h"

namespace weft::trace {

struct Row {
  uint64_t trace, span, parent = 0;
  uint32_t flags = 0;
  uint64_t exchange = 0;
};

class TracePartitionTest : public testing::Test {
 protected:
  TracePartitionTest() {
    config_.linger_ns = 0;
    Make(0);
  }

  void Make(uint64_t start_offset) {
    Tenure tenure{3, 7, start_offset, since_ns_, 2};
    partition_.reset();
    partition_ = std::make_unique<TracePartition>(config_, tenure, samplers_, metrics_, *log_);
  }
  transport::Record Spans(uint64_t offset, int64_t append_ns, std::vector<Row> rows,
                          uint32_t from = 0, int64_t watermark_ns = 0) {
    api::SpanTable table;
    const uint32_t process = table.AddProcess(9, "host", "shop", "/bin/shop", 1);
    for (const Row& r : rows) {
      const uint32_t i = table.AddRow();
      table.trace_hi[i] = r.trace;
      table.trace_lo[i] = r.trace;
      table.span_id[i] = r.span;
      table.parent_id[i] = r.parent;
      table.kind[i] = WEFT_KIND_SERVER;
      table.flags[i] = r.flags;
      table.exchange[i] = r.exchange;
      table.start_ns[i] = static_cast<int64_t>(1000 - r.span);
      table.end_ns[i] = 2000;
      table.process[i] = process;
      table.Attribute("n", static_cast<int64_t>(r.span));
      if (truth_) table.Truth("t");
    }
    transport::Record record;
    record.stream = transport::Stream::kSpans;
    record.type = transport::RecordType::kSpanBatch;
    record.offset = offset;
    record.append_ns = append_ns;
    record.payload = api::EncodeSpans(table, from, watermark_ns);
    return record;
  }
  void Watermarks(uint64_t offset, int64_t append_ns, int64_t watermark_ns) {
    partition_->Consume(Spans(offset, append_ns, {}, 0, watermark_ns));
    partition_->Consume(Spans(offset + 1, append_ns, {}, 1, watermark_ns));
  }
  // Ticks, keeps the log, collects the exports.
  transport::Transaction Tick(int64_t now_ns) {
    transport::Transaction t = partition_->Tick(now_ns, true);
    for (const auto& out : t.out)
      if (out.stream == transport::Stream::kDecisions) log_records_.push_back(out.payload);
    for (auto& batch : partition_->TakeExports()) exported_.push_back(batch);
    return t;
  }
  std::multiset<uint64_t> ExportedSpans() const {
    std::multiset<uint64_t> ids;
    for (const auto& batch : exported_)
      ids.insert(batch->spans.span_id.begin(), batch->spans.span_id.end());
    return ids;
  }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }
  void Restore() {
    for (const auto& payload : log_records_) {
      transport::Record record;
      record.payload = payload;
      ASSERT_TRUE(partition_->Restore(record));
    }
  }

  TraceConfig config_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::vector<Sampler> samplers_;
  bool truth_ = false;
  int64_t since_ns_ = 0;
  std::unique_ptr<TracePartition> partition_;
  std::vector<ExportBatchPtr> exported_;
  std::vector<api::PayloadPtr> log_records_;
};

}  // namespace weft::trace
