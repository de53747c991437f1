# The records of every stream. A record is one batch: columns, not rows, so that reading is a check
# of lengths and indices and no copy. Fields get new numbers only; never reuse or renumber.
#
# Column rules: a list is either empty ("all zero") or exactly `n` long; CSR offset lists are n + 1
# long and ascending; string columns index `strings`, whose entry 0 is the empty string. The columns
# marked (*) in weft_spans are always n long.
# Times are nanoseconds. The reader's limits are in engine/api/codec.h.
@0xd3c1f5a27b964e08;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weft::wire");

const schemaVersion :UInt32 = 1;

# A dictionary: entry i is bytes[offset[i] .. offset[i+1]).
struct Strings {
  offset @0 :List(UInt32);
  bytes @1 :Data;
}

# Distinct (key, typed value) pairs; types as weft_attr_type.
struct Pairs {
  key @0 :List(UInt32);
  type @1 :List(UInt8);
  value @2 :List(UInt64);
}

struct Processes {
  processId @0 :List(UInt64);
  host @1 :List(UInt32);
  service @2 :List(UInt32);
  executable @3 :List(UInt32);
  pid @4 :List(UInt32);
  attrOffset @5 :List(UInt32);
  attr @6 :List(UInt32);
}

struct SpanColumns {
  n @0 :UInt32;
  spanId @1 :List(UInt64);
  parentId @2 :List(UInt64);
  traceHi @3 :List(UInt64);
  traceLo @4 :List(UInt64);
  exchange @5 :List(UInt64);
  connection @6 :List(UInt64);
  wireId @7 :List(UInt64);
  startNs @8 :List(Int64);
  endNs @9 :List(Int64);
  kind @10 :List(UInt8);
  status @11 :List(UInt8);
  protocol @12 :List(UInt8);
  flags @13 :List(UInt32);
  process @14 :List(UInt32);
  localPort @15 :List(UInt16);
  remotePort @16 :List(UInt16);
  fd @17 :List(Int32);
  requestTid @18 :List(UInt32);
  responseTid @19 :List(UInt32);
  requestBytes @20 :List(UInt64);
  responseBytes @21 :List(UInt64);
  contextTraceHi @22 :List(UInt64);
  contextTraceLo @23 :List(UInt64);
  contextSpanId @24 :List(UInt64);
  confidence @25 :List(Float32);
  evidence @26 :List(UInt32);
  service @27 :List(UInt32);
  operation @28 :List(UInt32);
  peer @29 :List(UInt32);
  localAddress @30 :List(UInt32);
  remoteAddress @31 :List(UInt32);
  requestId @32 :List(UInt32);
  # Attributes in CSR form: pair numbers attr[attrOffset[i] .. attrOffset[i+1]).
  attrOffset @33 :List(UInt32);
  attr @34 :List(UInt32);
  # Candidates weighed for the parent, best first; CSR; weft.spans only.
  candidateOffset @35 :List(UInt32);
  candidateSpanId @36 :List(UInt64);
  candidateLogOdds @37 :List(Float32);
  candidateEvidence @38 :List(UInt32);
  # Ground truth for scoring: a column and a dictionary of its own, so that nothing that decides can
  # reach it through the strings.
  truth @39 :List(UInt32);
  truthStrings @40 :Strings;
  # Tables.
  pairs @41 :Pairs;
  processes @42 :Processes;
  strings @43 :Strings;
  # Tokens of the payload in CSR form: token[tokenOffset[i] .. tokenOffset[i+1]); weft.events only.
  tokenOffset @44 :List(UInt32);
  token @45 :List(UInt32);
  # Further columns.
  optionId @46 :List(UInt64);  # exchange's id after the connection's TCP option
}

# Integers of n rows: value i is base + the i-th little-endian number of `width` bytes (0, 1, 2, 4, 8)
# in data. A column that is not there is all zero.
struct Column {
  base @0 :UInt64;
  width @1 :UInt8;
  data @2 :Data;
}

# The rows of weft.events and weft.spans: SpanColumns, each column as narrow as its values allow.
# Differences are given where the meaning is another one.
struct EventColumns {
  n @0 :UInt32;
  spanId @1 :Column;  # not there: follows from wire id and side, else from exchange and side
  parentId @2 :Column;
  traceHi @3 :Column;
  traceLo @4 :Column;  # not there: as in the id that a root's trace with this upper half has
  exchange @5 :Column;
  connection @6 :Column;
  wireId @7 :Column;
  startNs @8 :Column;
  endNs @9 :Column;  # 0: none; else end - start + 1
  kind @10 :Column;
  status @11 :Column;
  protocol @12 :Column;
  flags @13 :Column;
  process @14 :Column;
  localPort @15 :Column;
  remotePort @16 :Column;
  fd @17 :Column;
  requestTid @18 :Column;
  responseTid @19 :Column;
  requestBytes @20 :Column;
  responseBytes @21 :Column;
  contextTraceHi @22 :Column;
  contextTraceLo @23 :Column;
  contextSpanId @24 :Column;
  service @25 :Column;  # not there: the process's
  operation @26 :Column;
  peer @27 :Column;
  localAddress @28 :Column;
  remoteAddress @29 :Column;
  requestId @30 :Column;
  optionId @31 :Column;
  attrOffset @32 :Column;
  attr @33 :Column;
  tokenOffset @34 :Column;
  token @35 :Column;
  truth @36 :Column;
  truthStrings @37 :Strings;
  pairKey @38 :Column;
  pairType @39 :Column;
  pairValue @40 :Column;
  pairs @41 :UInt32;
  processes @42 :Processes;
  stringOffset @43 :Column;  # strings + 1 values; entry i is stringBytes[offset i .. offset i+1)
  stringBytes @44 :Data;
  strings @45 :UInt32;
  # weft.spans only. Confidence and log odds: the bits of Float32.
  confidence @46 :Column;
  evidence @47 :Column;
  candidateOffset @48 :Column;
  candidateSpanId @49 :Column;
  candidateLogOdds @50 :Column;
  candidateEvidence @51 :Column;
}

struct NamedCount {
  name @0 :Text;
  value @1 :UInt64;
}

# weft.events, written by agents: one batch for one host shard. Also the heartbeat (n = 0).
struct EventBatch {
  hostId @0 :Text;           # stable over reboots (machine-id)
  hostName @1 :Text;
  agentId @2 :UInt64;        # new at every start of the agent
  bootId @3 :UInt64;
  sequence @4 :UInt64;       # of (agentId, partition), from 1 without holes: finds gaps, duplicates
  nowNs @5 :Int64;           # the host's monotonic clock when the batch was sealed
  watermarkNs @6 :Int64;     # everything begun before it is published, whole or as open
  unixOffsetNs @7 :Int64;    # CLOCK_REALTIME - CLOCK_MONOTONIC
  last @8 :Bool;             # the agent stops in order; its watermark is infinite from here
  addresses @9 :List(Text);  # of this host: a peer at one of them is watched
  spans @10 :SpanColumns;    # in recordings only, of before columns were packed
  ledger @11 :List(NamedCount);  # running totals of this agent, on heartbeats
  columns @12 :EventColumns;  # times are the host's monotonic clock
  observedBefore @13 :UInt64;    # ended observations in its earlier batches for this partition
}

# weft.events, written by the partition's owner: a timer that decided, as a record.
struct AgentLost {
  agentId @0 :UInt64;
  hostId @1 :Text;
  lastWatermarkNs @2 :Int64;
}

# weft.links. Column `what`: 0 exists, 1 want, 2 answer. The key in wireId may be an option id as well.
# Columns that are all zero are not there.
struct LinkBatch {
  what @0 :List(UInt8);
  wireId @1 :List(UInt64);
  spanId @2 :List(UInt64);    # exists, answer: the client span, 0: it follows from the key, a wire id
  traceHi @3 :List(UInt64);   # exists: 0/0 while unknown; answer: 0/0 means "you are a root"
  traceLo @4 :List(UInt64);   # XOR the lower half that a root's trace id with this upper half has
  partition @5 :List(UInt32); # want: where to answer; not there: fromPartition
  flags @6 :List(UInt32);     # bit 0 (want): nobody watches the peer, answer at once; bit 1
                              # (answer): "root" was answered before; bit 2 (want, answer): the
                              # key is an option id; bit 3 (answer): "root", but an agent that may
                              # have the parent fell silent
  # The sender's links watermark in log time, see ARCHITECTURE.md; one per batch.
  fromPartition @7 :UInt32;
  watermarkNs @8 :Int64;
  # How far the sender had read its events, as log time. What is here was said by then, however much
  # later it was appended. 0 in records of before it was told: the record's append time.
  inputNs @9 :Int64;
  # So much lower the watermark would be if agents that fell silent of late held it back.
  silentNs @10 :Int64;
}

# weft.labels: what stage 1 decided, before it acts. Column `what`, bits: 1 parent, 2 trace,
# 4 emitted to weft.spans, 8 emitted while open, 16 alias (the parent of a root, found too late).
struct LabelBatch {
  what @0 :List(UInt8);
  exchange @1 :List(UInt64);
  spanId @2 :List(UInt64);
  parentId @3 :List(UInt64);       # 0: none
  parentExchange @4 :List(UInt64); # 0: none, or the parent is in another process
  traceHi @5 :List(UInt64);
  traceLo @6 :List(UInt64);        # as in LinkBatch
  confidence @7 :List(Float32);
  evidence @8 :List(UInt32);
  flags @9 :List(UInt32);
  # Windows decided: every window of processId[j] that ends at or before decidedNs[j].
  processId @10 :List(UInt64);
  decidedNs @11 :List(Int64);
}

# weft.spans, stage 1 to stage 2: spans with trace and parent; times are Unix ns.
struct SpanBatch {
  spans @0 :SpanColumns;  # of before columns were packed
  # Every span of fromPartition begun before this log time has been emitted, whole or as open.
  fromPartition @1 :UInt32;
  watermarkNs @2 :Int64;
  inputNs @3 :Int64;  # as in LinkBatch
  columns @4 :EventColumns;
}

# weft.decisions.
struct DecisionBatch {
  traceHi @0 :List(UInt64);
  traceLo @1 :List(UInt64);
  keep @2 :List(UInt8);
  weight @3 :List(Float64);
  rule @4 :List(UInt32);
  flags @5 :List(UInt32);   # union of the spans' flags; weft_flag
  spans @6 :List(UInt32);   # how many the decision saw
  strings @7 :Strings;
  # 0: a decision. Else a note made later: every span of this kept trace in records of weft.spans below
  # this offset is durable in every exporter, so a replay skips them.
  doneOffset @8 :List(UInt64);
}

# weft.state: learned state of one correlator for one process; compacted by (processId, name).
struct CorrelatorState {
  processId @0 :UInt64;
  correlator @1 :Text;
  decidedNs @2 :Int64;
  state @3 :Data;
}

# weft.state: what a stage has counted in one partition, in the transaction that it is true of.
struct StageLedger {
  stage @0 :UInt8;   # 1, 2; 3: spans of others, by one of those who wrote them to weft.spans
  partition @1 :UInt32;
  counts @2 :List(NamedCount);
  agents @3 :List(AgentTally);  # stage 1
}

struct AgentTally {
  agentId @0 :UInt64;
  hostId @1 :Text;
  sequence @2 :UInt64;  # the highest of a counted batch
  unused3 @3 :UInt64;
  sealed @4 :UInt64;    # ended observations that the agent wrote for this partition, by its word
  received @5 :UInt64;  # ... that arrived
  end @6 :UInt8;        # 0 it speaks, 1 it stopped in order, 2 it fell silent
  gaps @7 :List(UInt64);  # below sequence, not counted: first missing and first that is not, ascending
  spokenNs @8 :Int64;   # log time of the newest batch of one that fell silent, else 0
  # As sequence and gaps, of the batches that lie below the committed offset: they are decided.
  settled @9 :UInt64;
  settledGaps @10 :List(UInt64);
}

# weft.state: the running totals that an agent told last.
struct AgentLedger {
  agentId @0 :UInt64;
  hostId @1 :Text;
  hostName @2 :Text;
  counts @3 :List(NamedCount);
  last @4 :Bool;
}

# weft.dead: a record that could not be read, with the reason.
struct DeadRecord {
  stream @0 :UInt8;
  partition @1 :UInt32;
  offset @2 :UInt64;
  reason @3 :Text;
  record @4 :Data;
}
