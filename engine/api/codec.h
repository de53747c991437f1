// The codec of every record type of event.capnp: columns <-> bytes.
//
// Called by sources (EncodeEvents), both stages and the tools that read recordings. Encoding goes
// straight into one flat message. Decoding is a check and no copy, but for DecodeEvents: the
// columns of the result point into the payload, which the result keeps alive. Every length, offset
// and index is checked here, once, so that nothing behind this header has to: a view can be read
// without looking back. Whatever is wrong with the bytes is a kCorrupt error that says what; never
// an exception, never a read outside the payload. Free functions, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/event_columns.h"
#include "engine/api/growing_columns.h"
#include "engine/api/payload.h"
#include "engine/api/span_table.h"
#include "engine/base/result.h"

namespace weft::api {

inline constexpr uint32_t kMaxRowsPerRecord = 1u << 20;
inline constexpr size_t kMaxRecordBytes = size_t{64} << 20;

// weft.events
struct EventHeader {
  std::string host_id, host_name;
  uint64_t agent_id = 0, boot_id = 0, sequence = 0;
  int64_t now_ns = 0, watermark_ns = 0, unix_offset_ns = 0;
  bool last = false;
  std::vector<std::string> addresses;
  std::vector<std::pair<std::string, uint64_t>> ledger;
  uint64_t observed_before = 0;  // ended rows in its earlier batches for this partition
};
// The columns as they are: what stage 1 reads and holds.
struct EventRecord {
  EventHeader header;
  EventColumns columns;
  PayloadPtr payload;
};
// The same, unpacked: for everybody else.
struct EventBatch {
  EventHeader header;
  std::unique_ptr<SpanTable> table;
  SpanView spans;  // of the table
};
PayloadPtr EncodeEvents(const EventHeader& header, const SpanTable& spans);
// Of a record of before columns were packed, which recordings have: a packed copy.
Result<EventRecord> DecodeEventColumns(PayloadPtr payload);
Result<EventBatch> DecodeEvents(PayloadPtr payload);

struct AgentLost {
  uint64_t agent_id = 0;
  std::string host_id;
  int64_t last_watermark_ns = 0;
};
PayloadPtr EncodeAgentLost(const AgentLost& lost);
Result<AgentLost> DecodeAgentLost(const PayloadPtr& payload);

// weft.links; all columns have the same length. Copied on decoding: batches are small.
enum class LinkWhat : uint8_t { kExists = 0, kWant = 1, kAnswer = 2 };
inline constexpr uint32_t kLinkUncovered = 1u << 0;  // want: nobody watches the peer
inline constexpr uint32_t kLinkLate = 1u << 1;       // answer: "root" was answered before
inline constexpr uint32_t kLinkOption = 1u << 2;     // want, answer: the key is an option id
inline constexpr uint32_t kLinkSilent = 1u << 3;     // answer: "root", or a silent agent's call
struct LinkBatch {
  std::vector<uint8_t> what;
  std::vector<uint64_t> wire_id, span_id, trace_hi, trace_lo;
  std::vector<uint32_t> partition, flags;
  uint32_t from_partition = 0;
  int64_t watermark_ns = 0;
  int64_t input_ns = 0;  // 0: not told, the append time stands in
  // watermark_ns has passed so much that agents which fell silent of late may still tell of.
  int64_t silent_ns = 0;
  size_t size() const { return what.size(); }
};
// As their sender gathers them, who is also who is answered: what, wire_id, span_id, trace_hi,
// trace_lo, flags.
using LinkColumns = GrowingColumns<LinkWhat, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t>;
PayloadPtr EncodeLinks(const LinkBatch& links);
// `head` says all but the rows.
PayloadPtr EncodeLinks(const LinkBatch& head, const LinkColumns& rows);
Result<LinkBatch> DecodeLinks(const PayloadPtr& payload);
// Into a batch that is used again. What is in it after an error is of no use.
Result<void> DecodeLinks(const PayloadPtr& payload, LinkBatch* out);

// weft.labels
enum LabelWhat : uint8_t {  // bits
  kLabelParent = 1,
  kLabelTrace = 2,
  kLabelEmitted = 4,      // the ended span is in weft.spans
  kLabelEmittedOpen = 8,  // it is there as it was while open
  kLabelAlias = 16        // the root's parent came too late: span_id belongs under parent_id, trace
};
struct LabelBatch {
  std::vector<uint8_t> what;
  std::vector<uint64_t> exchange, span_id, parent_id, parent_exchange, trace_hi, trace_lo;
  std::vector<float> confidence;
  std::vector<uint32_t> evidence, flags;
  std::vector<uint64_t> process_id;  // with decided_ns: windows decided
  std::vector<int64_t> decided_ns;
  size_t size() const { return what.size(); }
  bool empty() const { return what.empty() && process_id.empty(); }
};
// As who decides gathers them: what (LabelWhat), exchange, span_id, parent_id, parent_exchange,
// trace_hi, trace_lo, confidence, evidence, flags; and process id, decided_ns.
using LabelColumns = GrowingColumns<uint8_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                    uint64_t, float, uint32_t, uint32_t>;
using DecidedWindows = GrowingColumns<uint64_t, int64_t>;
PayloadPtr EncodeLabels(const LabelBatch& labels);
PayloadPtr EncodeLabels(const LabelColumns& rows, const DecidedWindows& decided);
Result<LabelBatch> DecodeLabels(const PayloadPtr& payload);

// weft.spans
struct SpanHeader {
  uint32_t from_partition = 0;
  int64_t watermark_ns = 0;
  int64_t input_ns = 0;  // as in LinkBatch
};
// As it is: what stage 2 reads and holds.
struct SpanRecord : SpanHeader {
  EventColumns columns;
  PayloadPtr payload;
};
// Unpacked: for everybody else.
struct SpanBatch : SpanHeader {
  std::unique_ptr<SpanTable> table;
  SpanView spans;  // of the table
};
PayloadPtr EncodeSpans(const SpanTable& spans, uint32_t from_partition, int64_t watermark_ns,
                       int64_t input_ns = 0);
Result<SpanRecord> DecodeSpanColumns(PayloadPtr payload);
Result<SpanBatch> DecodeSpans(PayloadPtr payload);

// weft.decisions; `rule` indexes `rules`, whose entry 0 is the empty string. done_offset: see the
// schema.
struct DecisionBatch {
  std::vector<uint64_t> trace_hi, trace_lo, done_offset;
  std::vector<uint8_t> keep;
  std::vector<double> weight;
  std::vector<uint32_t> rule, flags, spans;
  Dictionary rules;
  size_t size() const { return trace_hi.size(); }
};
PayloadPtr EncodeDecisions(const DecisionBatch& decisions);
Result<DecisionBatch> DecodeDecisions(const PayloadPtr& payload);

// weft.state
struct CorrelatorState {
  uint64_t process_id = 0;
  std::string correlator;
  int64_t decided_ns = 0;
  std::string state;
};
PayloadPtr EncodeState(const CorrelatorState& state);
Result<CorrelatorState> DecodeState(const PayloadPtr& payload);

// weft.dead
struct DeadRecord {
  uint8_t stream = 0;
  uint32_t partition = 0;
  uint64_t offset = 0;
  std::string reason, record;
};
// No more than the beginning of a large record: the largest that a broker takes could not be
// wrapped, and who cannot bury a record never gets past it.
inline constexpr size_t kMaxDeadBytes = 256 << 10;
// The same, lent for the call.
struct DeadView {
  uint8_t stream = 0;
  uint32_t partition = 0;
  uint64_t offset = 0;
  std::string_view reason, record;
};
PayloadPtr EncodeDead(const DeadView& dead);
Result<DeadRecord> DecodeDead(const PayloadPtr& payload);

}  // namespace weft::api
