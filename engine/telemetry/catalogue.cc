#include "engine/telemetry/catalogue.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::telemetry {
namespace {

constexpr MetricKind C = MetricKind::kCounter;
constexpr MetricKind G = MetricKind::kGauge;
constexpr MetricKind H = MetricKind::kHistogram;

// clang-format off
constexpr MetricInfo kCatalogue[] = {
  // The kernel programs: seen = filtered + submitted + ring_full + map_full + unreadable.
  {"kernel.seen", C, "Sends and receives that the kernel programs saw."},
  {"kernel.filtered", C, "Of those: of processes or connections that are not traced."},
  {"kernel.submitted", C, "Of those: handed to the agent."},
  {"kernel.ring_full", C, "Of those: lost, because the ring buffer was full."},
  {"kernel.map_full", C, "Of those: lost, because a map of the kernel programs was full."},
  {"kernel.unreadable", C, "Of those: handed over without content, because its page could not be read."},
  {"kernel.missed", C, "Runs of the kernel programs that the kernel left out."},
  {"kernel.contended", C, "Sends of two threads that overlapped on one socket."},
  {"kernel.uring_calls", C, "Rings of io_uring made and entered: what they move the system-call hooks cannot see."},
  {"kernel.unmeasured", C, "Calls of so many messages at once that their bytes could not be counted."},
  {"kernel.control_seen", C, "Connections and processes that began or ended."},
  {"kernel.control_ring_full", C, "Of those: lost, because the control ring was full."},
  {"kernel.option_connected", C, "Connections that were to carry the TCP option."},
  {"kernel.option_acknowledged", C, "Of those: the peer acknowledged it."},
  {"kernel.option_given_up", C, "Of those: given up after retransmissions."},
  {"kernel.option_no_room", C, "Of those: the segment had no room."},
  {"kernel.option_received", C, "Connections that arrived with the TCP option."},
  {"kernel.option_told", C, "Option ids that the agent was told."},
  {"kernel.option_ring_full", C, "Option ids that were lost, because the ring buffer was full."},
  {"kernel.option_map_full", C, "Connections without the option, because a map was full."},
  {"kernel.option_refused", C, "Connections without the option, because their peer's gave it up lately."},
  {"kernel.option_segments", C, "Segments that carried the option."},

  {"memory.queue_bytes", G, "Bytes that all bounded queues of an engine may hold together, now."},
  {"memory.used_bytes", G, "Bytes in use, without the cache of files, of the memory cgroup nearest to its limit."},
  {"memory.limit_bytes", G, "Bytes that it may have; 0: none has a limit."},
  {"memory.shrunk", C, "Times that queues were made smaller because memory was short."},
  {"replay.stopped", G, "1: the replay of this recording (when it was made, Unix ns) was ended before its end.", "recording"},
  {"config.reloads", C, "Configurations that were read again on SIGHUP and taken."},
  {"config.reloads_refused", C, "Of them: wrong, so that the one before stayed in force."},

  // The agent: received = filtered + records; records = decoded + parse_failed.
  {"agent.received", C, "Records read from the ring buffer."},
  {"agent.ring_garbled", C, "Times that a ring buffer held no record where one should begin: what had been written was passed over."},
  {"agent.filtered", C, "Of those: of processes that are not traced."},
  {"agent.records", C, "Records of traced connections."},
  {"agent.decoded", C, "Of those: understood."},
  {"agent.parse_failed", C, "Of those: not understood, a fault of weft."},
  {"agent.observed", C, "Observations of finished exchanges published."},
  {"agent.published", C, "Of those: the transport has them for good."},
  {"agent.queued", G, "Of those: waiting, or on their way."},
  {"agent.dropped", C, "Of those: dropped, because the engine did not keep up."},
  {"agent.announced", C, "Observations of unfinished exchanges published."},
  {"agent.batches", C, "Batches of observations published."},
  {"agent.batches_dropped", C, "Of those: dropped, because the engine did not keep up."},
  {"agent.connections", C, "Connections followed."},
  {"agent.connections_forgotten", C, "Connections forgotten without having seen their end."},
  {"agent.connections_overflow", C, "Records of connections beyond the limit."},
  {"agent.undescribed", C, "Records of connections whose description was lost."},
  {"agent.unrecognised_records", C, "Records of connections whose protocol is not understood."},
  {"agent.repeats", C, "Records that came twice."},
  {"agent.gap_bytes", C, "Bytes of traced streams that were not seen."},
  {"agent.contentless_bytes", C, "Bytes of traced streams of which only the length was seen."},
  {"agent.context_untrusted", C, "Trace contexts from peers outside the configured networks."},
  {"agent.process_unreadable", C, "Processes whose name could not be read."},
  {"agent.process_evicted", C, "Processes forgotten, because there were too many."},
  {"agent.tcp_spans", C, "Spans of connections whose protocol is not understood."},
  {"agent.tcp_limited", C, "Such connections beyond the limit, without spans."},
  {"agent.tcp_connections", C, "Such connections, by what they look like.", "guess"},
  {"protocols.exchanges", C, "Requests that the protocol readers saw."},
  {"protocols.unanswered", C, "Requests whose response was not seen."},
  {"protocols.incomplete", C, "Exchanges of which bytes were lost."},
  {"protocols.unpaired_responses", C, "Responses without a request."},
  {"protocols.invalid_heads", C, "Messages that break their protocol."},
  {"protocols.resyncs", C, "Times that a reader had to find the next message again."},
  {"protocols.lost_bytes", C, "Bytes passed over until then."},
  {"protocols.overflow", C, "Exchanges given up, because too many were open."},
  {"protocols.context_invalid", C, "Trace contexts that break their format."},
  {"protocols.unrecognised_connections", C, "Connections in no protocol that weft reads."},

  // Spans of instrumented programs.
  {"otlp.messages", C, "Messages with spans of others: from topics, and from programs that report them."},
  {"otlp.bad_messages", C, "Of those: not readable; of topics gone to weft.dead."},
  {"otlp.refused_messages", C, "Messages of programs that were sent away: too large, of a wrong type, or there was no room."},
  {"otlp.forwarded", C, "Spans of programs that the agent wrote to the topic of sources.otlp."},
  {"otlp.spans", C, "Spans of them, handed to stage 2."},
  {"otlp.invalid_spans", C, "Spans left out, because their ids or times cannot be."},
  {"otlp.retries", C, "Transactions with such spans that were made again."},
  {"otlp.passed_over", C, "Messages that came before reading had gone back to the last commit; they are read again."},
  {"otlp.paused_us", C, "Time in which topics were not read, because what was read could not be committed."},

  // Recordings.
  {"recording.records", C, "Records written to the recording."},
  {"recording.bytes", C, "Bytes written to the recording."},
  {"recording.lost_records", C, "Records that the recording lacks, because it could not be written."},
  {"replay.records", C, "Records read from a recording."},
  {"replay.undecodable_records", C, "Of those: not understood."},
  {"replay.corrupt_records", C, "Of those: damaged."},
  {"replay.malformed", C, "Entries in traces of others that could not be read."},

  // The transport.
  {"transport.admitted_bytes", G, "Bytes on the way between sources and engine."},
  {"transport.publish_full", C, "Batches refused, because the transport was full."},
  {"transport.log_trimmed", C, "Records that the logs in memory let go before their time."},

  // The agent's spool: records + recovered_records = delivered + dropped + waiting + damaged while
  // they waited.
  {"spool.records", C, "Records that the spool took."},
  {"spool.delivered_records", C, "Records that the brokers have, those of a process before among them."},
  {"spool.waiting_records", G, "Records that wait in the spool or are on their way."},
  {"spool.bytes", G, "Bytes of the spool's files."},
  {"spool.read_back_records", C, "Records published from disk, because memory had no room for them."},
  {"spool.unstored_records", C, "Records that stayed in memory only, because the disk refused them."},
  {"spool.dropped_records", C, "Records dropped, oldest first, because the spool was full."},
  {"spool.dropped", C, "Observations dropped, or damaged on disk; agent.dropped has those of this process.", "partition"},
  {"spool.damaged_records", C, "Records on disk whose checksum was wrong."},
  {"spool.damaged_bytes", C, "Bytes on disk that could not be read as records."},
  {"spool.torn_tails", C, "Files whose last record was not written to its end."},
  {"spool.write_errors", C, "Writes that the disk refused."},
  {"spool.syncs", C, "Times that a file was synced, because its records waited."},
  {"spool.recovered_records", C, "Records found that a process before had not delivered."},
  {"spool.recovered", C, "Observations in them."},
  {"spool.recovered_published", C, "Of those: delivered since."},

  // Both stages.
  {"stage.partitions", G, "Partitions that this process owns.", "stage"},
  {"stage.gained", C, "Partitions that the group gave to this process.", "stage"},
  {"stage.revoked", C, "Partitions that the group took back in good order.", "stage"},
  {"stage.lost", C, "Partitions that the group gave away without asking.", "stage"},
  {"stage.failed", C, "Partitions dropped, because another owner or the transport was in the way.", "stage"},
  {"stage.lag_ns", G, "Age of the newest record read, 0 where all has been read.", "stage,partition"},
  {"stage.watermark_lag_ns", G, "How far the watermark is behind the log's clock.", "stage,partition"},
  {"stage.buffered_spans", G, "Spans held in memory.", "stage,partition"},
  {"stage.buffered_bytes", G, "Bytes of the spans held in memory.", "stage,partition"},
  {"stage.read_bytes", C, "Bytes of records read.", "stage"},
  {"stage.written_bytes", C, "Bytes of records written.", "stage"},
  {"stage.commit_ns", H, "Time of a commit.", "stage"},
  {"stage.takeover_ns", H, "Time until a partition was taken over, its logs read back.", "stage"},

  // Kafka.
  {"kafka.lag", G, "Records of a stage's input that are not read yet.", "stage,partition"},
  {"kafka.partitions", G, "Partitions that the consumer group gave to this process.", "stage"},
  {"kafka.partitions_unread", C, "Partitions that were added to the topic under a running engine, which ends for it.", "stage"},
  {"kafka.partitions_lost", C, "Partitions that the group gave to others unasked.", "stage"},
  {"kafka.rebalances", C, "Times that the group shared its partitions out anew.", "stage"},
  {"kafka.commits", C, "Transactions committed.", "stage"},
  {"kafka.committed_steps", C, "Steps of partitions that they committed.", "stage"},
  {"kafka.commit_us", C, "Time that committing took.", "stage"},
  {"kafka.commit_retries", C, "Transactions that were made again.", "stage"},
  {"kafka.aborts", C, "Transactions aborted.", "stage"},
  {"kafka.fenced", C, "Steps refused, because their partition has a newer owner.", "stage"},
  {"kafka.owners_fenced", C, "Dead owners whose open transactions were ended at a take-over.", "stage"},
  {"kafka.commits_unknown", C, "Transactions of which nobody can say whether they took effect.", "stage"},
  {"kafka.published", C, "Records that sources published."},
  {"kafka.publishers_replaced", C, "Times that publishing began anew after a fatal error."},
  {"kafka.publish_repeated", C, "Records published once more then, because nobody had acknowledged them."},
  {"kafka.publish_lost", C, "Records that sources published and that were lost.", "partition"},
  {"kafka.publish_refused", C, "Of those: refused by the brokers for good.", "reason"},
  {"kafka.publish_in_flight_bytes", G, "Bytes published that no broker has acknowledged."},
  {"kafka.unreadable", C, "Records that are not for this version, gone to weft.dead."},
  {"kafka.unreadable_repeated", C, "Such records that an owner before had put there."},
  {"kafka.fetched_let_go", C, "Records that were fetched and let go, because memory was short and nobody read them; they are fetched again."},
  {"kafka.unstamped", C, "Records without an append time; their writers' was taken."},
  {"kafka.expired_records", C, "Records that retention removed before they were read."},
  {"kafka.watch_gaps", C, "Times that the ends of topics were not known for long."},
  {"kafka.watch_silent", G, "Seconds for which no broker has said where the topics end."},
  {"kafka.watch_failed", C, "Questions for the ends of topics that no broker answered."},
  {"kafka.warnings", C, "Warnings of the Kafka client; the log has some."},

  // Stage 1: agent.observed = spans + agent.dropped; spans + ended_by_engine = emitted + pending +
  // handed_over.
  {"stitch.records", C, "Records read by stage 1."},
  {"stitch.dead_records", C, "Of those: unreadable, gone to weft.dead."},
  {"stitch.dead_repeated", C, "Unreadable ones that an owner before had put there."},
  {"stitch.duplicate_batches", C, "Batches that came twice."},
  {"stitch.sequence_gaps", C, "Batches that never came."},
  {"stitch.spans", C, "Observations of finished exchanges read by stage 1."},
  {"stitch.ended_by_engine", C, "Spans that stage 1 ended, because their agent stopped or fell silent."},
  {"stitch.emitted", C, "Spans handed to stage 2."},
  {"stitch.emitted_open", C, "Spans shown to stage 2 while they were open."},
  {"stitch.pending", G, "Observations not handed on yet."},
  {"stitch.handed_over", C, "Observations not handed on when their partition went: its next owner reads them again."},
  {"stitch.duplicates", C, "Observations that came twice."},
  {"stitch.late", C, "Observations that came after their window was decided."},
  {"stitch.windows", C, "Windows decided."},
  {"stitch.open_windows", G, "Windows not decided yet.", "partition"},
  {"stitch.pending_links", G, "Requests whose caller's trace is not known yet.", "partition"},
  {"stitch.calls", C, "Calls for which a parent was looked for."},
  {"stitch.unlinked", C, "Of those: no parent was found."},
  {"stitch.roots", C, "Requests that began a trace."},
  {"stitch.answers", C, "Requests whose caller was found."},
  {"stitch.late_answers", C, "Callers found after their request had begun a trace of its own."},
  {"stitch.answer_deadline", C, "Requests that began a trace, because no answer came in time."},
  {"stitch.answer_patience", C, "Of those, what gave up because some partition reads nothing."},
  {"stitch.links_forgotten", C, "Calls and requests that were forgotten early, for want of memory."},
  {"stitch.same_keys", C, "Requests with the wire id of another one."},
  {"stitch.link_conflicts", C, "Calls with the wire id of another one."},
  {"stitch.foreign_wants", C, "Questions from a partition that does not exist."},
  {"stitch.relearned_otherwise", C,
   "Calls decided again after a take-over with another result than the logged one, which stands."},
  {"stitch.relearned_windows", C, "Windows learned again after a take-over, behind the saved state."},
  {"stitch.too_many_links", C, "Calls and requests that the join of links had no room for."},
  {"stitch.context_conflicts", C, "Requests whose trace context and wire id name two traces."},
  {"stitch.untrusted_context", C, "Requests from outside the networks that brought a trace context."},
  {"stitch.sdk_spans", C, "Calls that took the id that an SDK had given them."},
  {"stitch.agents_lost", C, "Agents that fell silent."},
  {"stitch.input_held", C, "Turns that read no events: too much is held because other partitions are behind."},
  {"stitch.over_bytes", C, "Turns that read events past the bound of memory: this partition is behind itself."},
  {"stitch.restored", C, "Decisions read back at a take-over."},
  {"stitch.compacted_bytes", C, "Bytes freed by copying what was left of old records."},
  {"stitch.correlator_failures", C, "Calls of a correlator that failed."},
  {"stitch.voices_ignored", C, "Voices of correlators for what cannot be."},
  {"stitch.state_too_large", C, "Learned state that a correlator could not save."},
  {"stitch.lost_at_stop", C, "Observations that were not decided when the engine had to stop."},

  // Stage 2: spans = kept + sampled_out + pending + replaced + skipped + handed_over.
  {"trace.spans", C, "Ended spans read by stage 2."},
  {"trace.announced", C, "Open spans read by stage 2."},
  {"trace.bad_records", C, "Records unreadable, gone to weft.dead."},
  {"trace.bad_decisions", C, "Logged decisions that could not be read."},
  {"trace.open", G, "Traces not decided yet."},
  {"trace.pending", G, "Spans of traces not decided yet."},
  {"trace.handed_over", C, "Spans of undecided traces whose partition went: its next owner reads them again."},
  {"trace.closed", C, "Traces decided."},
  {"trace.deadline", C, "Of those: by a budget, as they were."},
  {"trace.kept", C, "Spans handed to the exporters."},
  {"trace.sampled_out", C, "Spans of traces that a sampler dropped."},
  {"trace.replaced", C, "Spans that came twice."},
  {"trace.skipped", C, "Spans read again and known to be stored."},
  {"trace.late", C, "Spans that came after their trace was decided."},
  {"trace.exported", C, "Spans stored in every sink."},
  {"trace.sampler_failures", C, "Calls of a sampler that failed."},
  {"trace.rule_kept", C, "Traces kept, by the rules that they met.", "rule"},
  {"trace.rule_dropped", C, "Traces sampled out, by the rules that they met.", "rule"},
  {"trace.state_too_large", C, "Times that what a sampler had learned could not be saved."},

  {"redact.hidden", C, "Texts in which something was hidden, of the different ones in each batch."},
  {"redact.hashed", C, "Values that became a keyed hash, likewise."},
  {"redact.dropped", C, "Attributes that went, likewise."},

  // Sinks: trace.kept = rows + dropped + pending, each.
  {"sink.rows", C, "Spans stored.", "sink"},
  {"sink.dropped", C, "Spans that the sink could not store: lost.", "sink"},
  {"sink.overflowed", C, "Of those: others waited behind them and the queue was full.", "sink"},
  {"sink.refused", C, "Of those: the receiver will never take them.", "sink"},
  {"sink.handed_over", C, "Spans not exported when their partition went: its next owner exports them.", "sink"},
  {"sink.retries", C, "Batches tried again.", "sink"},
  {"sink.pending", G, "Spans waiting for the sink.", "sink"},
  {"sink.queued_bytes", G, "Bytes waiting for the sink.", "sink"},
  {"sink.delay_ns", H, "From a span's end to its being stored, by the clocks of its host and of this one.", "sink"},

  // Plugins count what they like.
  {"plugin.events", C, "What plugins count, by their own names.", "plugin,event"},
};
// clang-format on

}  // namespace

std::string_view KindName(MetricKind kind) {
  return kind == C ? "counter" : kind == G ? "gauge" : "histogram";
}

std::span<const MetricInfo> Catalogue() { return kCatalogue; }

const MetricInfo* FindMetric(std::string_view name) {
  const auto* const found = std::ranges::find(kCatalogue, name, &MetricInfo::name);
  return found == std::end(kCatalogue) ? nullptr : found;
}

double UnitOf(std::string_view name) {
  return name.ends_with("_ns") ? 1e-9 : name.ends_with("_us") ? 1e-6 : 1;
}

std::string PrometheusName(std::string_view name, MetricKind kind) {
  const bool time = UnitOf(name) != 1;
  if (time) name.remove_suffix(3);
  std::string out = "weft_" + std::string(name);
  std::ranges::replace(out, '.', '_');
  if (time) out += "_seconds";
  if (kind == C) out += "_total";
  return out;
}

std::string CatalogueMarkdown() {
  std::string out = "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& metric : kCatalogue)
    out += fmt::format("| `{}` | {} | {} | {} |\n", PrometheusName(metric.name, metric.kind),
                       KindName(metric.kind), metric.labels, metric.help);
  return out;
}

}  // namespace weft::telemetry
