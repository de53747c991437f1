#include "engine/cli/topic_traces.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/api/codec.h"
#include "engine/cli/time_range.h"

#if WEFT_HAVE_KAFKA
#include "engine/transport/kafka_range.h"
#include "engine/transport/kafka_settings.h"
#include "sources/otlp/otlp_intake.h"
#endif

namespace weft::cli {

void TopicTraces::DeclareRange(Options& options) {
  options.List("--brokers", &brokers_, "Where Kafka is asked, instead of kafka.brokers",
               "HOST:PORT,...");
  options.Text("--range", &range_,
               "What was appended then: two times (-2h..-1h, 2026-11-21T12:00..; UTC) or two "
               "offsets in each partition (0..5000)",
               "FROM..TO");
}

void TopicTraces::Declare(Options& options) {
  DeclareRange(options);
  options.Text("--topic", &topic_,
               "Which topic: that of weft.spans by default, any other is read as OTLP", "NAME");
}

Result<void> TopicTraces::CheckOptions() const {
  if (given() || (brokers_.empty() && topic_.empty())) return {};
  return Fail(Code::kInvalid,
              fmt::format("{} counts with --range only: a recording is read from its file",
                          topic_.empty() ? "--brokers" : "--topic"));
}

std::string TopicTraces::Note(const Counts& counts) {
  std::vector<std::string> parts;
  if (counts.unreadable > 0)
    parts.push_back(fmt::format("{} records could not be read", counts.unreadable));
  if (counts.gone > 0)
    parts.push_back(fmt::format("{} offsets of the range are gone from the log", counts.gone));
  return fmt::format("{}", fmt::join(parts, "; "));
}

#if WEFT_HAVE_KAFKA
namespace {

using transport::KafkaRange;
using transport::RangeBounds;
using transport::Record;
using transport::RecordType;
using transport::Stream;

std::optional<int64_t> Offset(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Stage 2 of all partitions of a topic.
class Stage {
 public:
  Stage(const TopicTraces::Reading& reading, uint32_t partitions, const plugin::Services& services)
      : reading_(reading), services_(services), partitions_(partitions) {}

  trace::TracePartition& Of(uint32_t partition) {
    std::unique_ptr<trace::TracePartition>& one = machines_[partition];
    if (!one)
      // A time that never comes: what is read back of the logs stays known.
      one = std::make_unique<trace::TracePartition>(
          reading_.trace, trace::Tenure{partition, 1, 0, INT64_MAX, partitions_}, reading_.samplers,
          services_.metrics, services_.log);
    return *one;
  }
  Result<void> Consume(const Record& record) {
    trace::TracePartition& machine = Of(record.partition);
    machine.Consume(record);
    return Step(machine, record.append_ns);
  }
  Result<void> End() {
    for (auto& [partition, machine] : machines_) {
      machine->CloseAll();
      WEFT_TRY(Step(*machine, 0));
    }
    return {};
  }

 private:
  Result<void> Step(trace::TracePartition& machine, int64_t now_ns) {
    (void)machine.Tick(now_ns, true);  // what it would have written is nobody's
    for (const trace::ExportBatchPtr& batch : machine.TakeExports()) {
      WEFT_TRY(reading_.visit(batch));
      machine.Acknowledge(batch->number);
    }
    return {};
  }

  const TopicTraces::Reading& reading_;
  const plugin::Services& services_;
  const uint32_t partitions_;
  std::map<uint32_t, std::unique_ptr<trace::TracePartition>> machines_;
};

// Undecided traces of all partitions; one partition of an engine may hold half of it.
constexpr size_t kTraceBytes = size_t{1} << 30;

// Decisions about what is in the range may be older where spans came late, and newer by what
// engines wait and were behind.
constexpr int64_t kEarlier = 120 * kSecond;
constexpr int64_t kBehind = 3600 * kSecond;
// Some 100 bytes each.
constexpr uint64_t kMostVerdicts = 20'000'000;

int64_t Later(int64_t ns, int64_t by) { return ns > INT64_MAX - by ? INT64_MAX : ns + by; }

Result<RangeBounds> VerdictBounds(const RangeBounds& spans, const trace::CloseRules& close) {
  if (spans.offsets)
    return Fail(
        Code::kInvalid,
        "--range: the decisions about the traces are found by time, so name two times, such "
        "as -2h..-1h, not offsets");
  RangeBounds out;
  if (spans.from != INT64_MIN) out.from = spans.from - kEarlier;
  out.to = Later(spans.to, close.max_age_ns + close.wait_ns + kBehind);
  return out;
}

Result<void> ReadVerdicts(KafkaRange& log, Stage& stage) {
  uint64_t verdicts = 0;
  while (true) {
    auto message = log.Next();
    if (!message) return std::unexpected(std::move(message.error()));
    if (!*message) return {};
    if ((*message)->type != RecordType::kDecisionBatch) continue;
    auto rows = api::DecodeDecisions((*message)->bytes);
    if (!rows) continue;
    verdicts += rows->size();
    if (verdicts > kMostVerdicts)
      return Fail(Code::kFull,
                  fmt::format("the engines have logged more than {} million decisions in and after "
                              "this range: name a shorter one, and go on with the next",
                              kMostVerdicts / 1'000'000));
    // What is durable in every exporter, and so not exported again after a take-over.
    std::ranges::fill(rows->done_offset, uint64_t{0});
    Record record;
    record.stream = Stream::kDecisions;
    record.partition = (*message)->partition;
    record.type = RecordType::kDecisionBatch;
    record.payload = api::EncodeDecisions(*rows);
    WEFT_TRY(stage.Of(record.partition).Restore(record));
  }
}

Result<void> ReadSpans(KafkaRange& range, Stage& stage, TopicTraces::Counts* counts) {
  while (true) {
    auto message = range.Next();
    if (!message) return std::unexpected(std::move(message.error()));
    if (!*message) return {};
    if ((*message)->type != RecordType::kSpanBatch) {
      ++counts->unreadable;
      continue;
    }
    ++counts->records;
    Record record;
    record.stream = Stream::kSpans;
    record.partition = (*message)->partition;
    record.type = RecordType::kSpanBatch;
    record.offset = (*message)->offset;
    record.append_ns = (*message)->append_ns;
    record.payload = std::move((*message)->bytes);
    WEFT_TRY(stage.Consume(record));
  }
}

// Traces of others may be spread over all partitions, so there is one machine; its watermark is the
// time of what was read.
Result<void> ReadOtlp(KafkaRange& range, Stage& stage, Metrics& metrics,
                      TopicTraces::Counts* counts) {
  otlp::OtlpIntake intake(1, "", metrics);
  const api::SpanTable none;
  uint64_t offset = 0;
  while (true) {
    auto message = range.Next();
    if (!message) return std::unexpected(std::move(message.error()));
    if (!*message) return {};
    if ((*message)->bytes == nullptr) continue;
    intake.Add((*message)->bytes->bytes(), {(*message)->partition, (*message)->offset});
    for (transport::OutRecord& out : intake.Take()) {
      counts->unreadable += out.type == RecordType::kDeadRecord;
      if (out.type != RecordType::kSpanBatch) continue;
      ++counts->records;
      WEFT_TRY(stage.Consume({Stream::kSpans, 0, RecordType::kSpanBatch, 0, offset++,
                              (*message)->append_ns, std::move(out.payload)}));
    }
    WEFT_TRY(
        stage.Consume({Stream::kSpans, 0, RecordType::kSpanBatch, 0, offset++,
                       (*message)->append_ns, api::EncodeSpans(none, 0, (*message)->append_ns)}));
  }
}

}  // namespace

Result<RangeBounds> TopicTraces::Bounds(int64_t now_ns) const {
  const size_t dots = range_.find("..");
  if (dots != range_.npos) {
    const std::string from = range_.substr(0, dots), to = range_.substr(dots + 2);
    const auto first = Offset(from), last = Offset(to);
    if ((first || last) && (first || from.empty()) && (last || to.empty())) {
      const RangeBounds bounds{true, first.value_or(0), last.value_or(INT64_MAX)};
      if (bounds.from < bounds.to) return bounds;
      return Fail(Code::kInvalid, fmt::format("--range '{}': ends before it begins", range_));
    }
  }
  const auto times = ParseTimeRange(range_, now_ns);
  if (!times) return Context(Error(times.error()), "--range");
  return RangeBounds{false, times->from_ns, times->to_ns};
}

Result<TopicTraces::Counts> TopicTraces::Read(const Config& config,
                                              const plugin::Services& services,
                                              const Reading& reading) const {
  const auto bounds = Bounds(services.clock.UnixNs());
  if (!bounds) return std::unexpected(bounds.error());
  std::optional<RangeBounds> verdicts;
  if (reading.logged_verdicts) {
    const auto found = VerdictBounds(*bounds, reading.trace.close);
    if (!found) return std::unexpected(found.error());
    verdicts = *found;
  }
  KafkaSettings kafka = config.kafka;
  if (!brokers_.empty()) kafka.brokers = brokers_;
  if (kafka.brokers.empty())
    return Fail(Code::kInvalid,
                "no brokers: name some with --brokers HOST:PORT, or a file with --config FILE");
  const auto settings = transport::ResolveKafkaSettings(kafka);
  if (!settings) return std::unexpected(settings.error());
  const auto properties = transport::MakeKafkaProperties(*settings);
  if (!properties) return std::unexpected(properties.error());
  const std::string spans = transport::KafkaTopic(*settings, Stream::kSpans);
  const std::string topic = topic_.empty() ? spans : topic_;
  auto range =
      KafkaRange::Open(*properties, topic, *bounds, services.clock, services.metrics, services.log);
  if (!range) return std::unexpected(std::move(range.error()));

  Counts counts;
  Reading own = reading;
  if (topic != spans) own.trace.close.wait_ns = config.otlp.wait_ns;
  const uint32_t partitions = topic == spans ? (*range)->partitions() : 1;
  own.trace.max_bytes = std::min(own.trace.max_bytes, kTraceBytes / partitions);
  Stage stage(own, partitions, services);
  if (verdicts) {
    auto log = KafkaRange::Open(*properties, transport::KafkaTopic(*settings, Stream::kDecisions),
                                *verdicts, services.clock, services.metrics, services.log);
    if (!log) return std::unexpected(std::move(log.error()));
    WEFT_TRY(ReadVerdicts(**log, stage));
  }
  if (topic == spans)
    WEFT_TRY(ReadSpans(**range, stage, &counts));
  else
    WEFT_TRY(ReadOtlp(**range, stage, services.metrics, &counts));
  WEFT_TRY(stage.End());
  counts.gone = (*range)->gone();
  return counts;
}
#else
Result<TopicTraces::Counts> TopicTraces::Read(const Config&, const plugin::Services&,
                                              const Reading&) const {
  return Fail(Code::kUnsupported,
              "this weft was built without Kafka; install librdkafka-dev and build it again");
}
#endif

}  // namespace weft::cli
