-- The store. People read the views (sql/views); the tables behind them end in _rows and are shaped
-- for size: about 200 bytes a span with its indexes.
--
-- A span's row id holds its trace: id = trace << 20 | number of the span in its trace. So a trace is
-- one range of rows, a late span finds its place, no column and no index is spent on the relation,
-- and row order is the order of arrival.

-- Names that many rows share: rules of samplers.
CREATE TABLE strings(
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE);

-- What a span is: four columns that repeat in every row, as one small number.
CREATE TABLE operations(
  id INTEGER PRIMARY KEY,
  service TEXT NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,      -- OpenTelemetry's SpanKind: 2 server, 3 client, 4 producer, 5 consumer
  protocol INTEGER NOT NULL,
  UNIQUE(service, name, kind, protocol));

-- Attributes with few values, as whole sets: one JSON object per distinct combination.
CREATE TABLE attribute_sets(
  id INTEGER PRIMARY KEY,
  json TEXT NOT NULL UNIQUE);

-- Keys that proved to have too many values for attribute_sets: theirs are in span_rows.attributes.
CREATE TABLE attribute_keys(
  key TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE process_rows(
  id INTEGER PRIMARY KEY,
  process_id INTEGER NOT NULL,
  host TEXT NOT NULL,
  service TEXT NOT NULL,
  executable TEXT NOT NULL,
  pid INTEGER NOT NULL,
  attributes TEXT,            -- JSON: further resource attributes
  last_slice INTEGER NOT NULL);

-- One end of a connection; a row belongs to the slice in which it was used and goes with it.
CREATE TABLE connection_rows(
  id INTEGER PRIMARY KEY,
  process INTEGER NOT NULL,   -- process_rows; 0: unknown
  connection INTEGER NOT NULL,
  local_address TEXT NOT NULL,
  local_port INTEGER NOT NULL,
  remote_address TEXT NOT NULL,
  remote_port INTEGER NOT NULL,
  fd INTEGER NOT NULL,
  peer TEXT NOT NULL);

-- class: duration in half octaves from 1 us (0..63), plus 64 for errors; see sql/span_class.h.
CREATE TABLE trace_rows(
  id INTEGER PRIMARY KEY,
  trace_id BLOB NOT NULL,
  start_ns INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  operation INTEGER,          -- of the root; NULL: no root was seen
  class INTEGER NOT NULL,
  spans INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  flags INTEGER NOT NULL,     -- union of the spans' flags
  weight REAL NOT NULL,       -- how many traces this one stands for
  rule INTEGER);              -- strings: which rule kept it
CREATE UNIQUE INDEX trace_by_id ON trace_rows(lower(hex(trace_id)));
CREATE INDEX trace_by_start ON trace_rows(start_ns);
CREATE INDEX trace_by_class ON trace_rows(class);

CREATE TABLE span_rows(
  id INTEGER PRIMARY KEY,
  span_id INTEGER NOT NULL,
  parent_id INTEGER NOT NULL, -- 0: none
  start_ns INTEGER NOT NULL,  -- Unix time
  duration_ns INTEGER,        -- NULL: not ended yet
  operation INTEGER NOT NULL,
  class INTEGER NOT NULL,
  status INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  connection INTEGER NOT NULL,
  request_tid INTEGER NOT NULL,
  response_tid INTEGER,       -- NULL: the same as request_tid
  request_bytes INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL,
  confidence INTEGER NOT NULL,  -- of the link to the parent, in thousandths
  evidence INTEGER NOT NULL,
  attribute_set INTEGER NOT NULL,  -- 0: none
  attributes TEXT);           -- JSON: the attributes that are not in the set
CREATE INDEX span_by_operation ON span_rows(operation, class);

-- By span id: for the spans of each stored batch the upper halves of their ids, 32 bits each, little
-- endian, in no order. Ids are random: an index over them would touch a page per span, and cost half
-- of all inserts; reading these for a day takes some ten milliseconds.
CREATE TABLE span_directory(
  id INTEGER PRIMARY KEY,
  first_trace INTEGER NOT NULL,
  last_trace INTEGER NOT NULL,
  prefixes BLOB NOT NULL);
CREATE INDEX directory_by_trace ON span_directory(last_trace);

-- What was weighed for the parent where there was a choice, best first:
-- [["span id", log-odds, evidence], ...].
CREATE TABLE candidate_rows(
  span INTEGER PRIMARY KEY,
  candidates TEXT NOT NULL);

-- Retention works by slices: traces and connections from first_* on, up to the next slice's.
CREATE TABLE slices(
  id INTEGER PRIMARY KEY,
  stored_ns INTEGER NOT NULL,     -- when the slice was begun
  first_trace INTEGER NOT NULL,
  first_connection INTEGER NOT NULL,
  min_start_ns INTEGER NOT NULL,  -- of its traces
  max_start_ns INTEGER NOT NULL,
  spans INTEGER NOT NULL);

-- Where reading goes on, written with the rows: exactly once.
CREATE TABLE offsets(
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY(topic, partition)) WITHOUT ROWID;

-- Counters of each run of weft, written at intervals and at the end.
CREATE TABLE runs(
  id INTEGER PRIMARY KEY,
  version TEXT NOT NULL,
  started_ns INTEGER NOT NULL,
  updated_ns INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE ledger_rows(
  run INTEGER NOT NULL,
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY(run, name)) WITHOUT ROWID;
