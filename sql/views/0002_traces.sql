-- traces: one row per trace; service and operation are the root's, '' where no root was seen.
--
-- Which requests failed today?
--   SELECT trace_id, service, operation, duration_ms FROM traces WHERE errors > 0;
CREATE VIEW traces AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  coalesce(o.service, '') AS service,
  coalesce(o.name, '') AS operation,
  t.start_ns AS start_ns,
  t.start_ns + t.duration_ns AS end_ns,
  t.duration_ns AS duration_ns,
  t.duration_ns / 1e6 AS duration_ms,
  t.spans AS spans,
  t.errors AS errors,
  t.flags AS flags,
  (t.flags >> 1) & 1 AS has_late,
  (t.flags >> 2) & 1 AS incomplete,
  t.weight AS weight,
  coalesce(r.text, '') AS rule,
  t.id AS row
FROM trace_rows t
LEFT JOIN operations o ON o.id = t.operation
LEFT JOIN strings r ON r.id = t.rule;

-- slow_traces: the same, slowest first, with the services that took part.
--
-- What were the ten slowest requests, and who served them?
--   SELECT trace_id, operation, duration_ms, services FROM slow_traces LIMIT 10;
CREATE VIEW slow_traces AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  coalesce(o.service, '') AS service,
  coalesce(o.name, '') AS operation,
  t.duration_ns / 1e6 AS duration_ms,
  t.spans AS spans,
  t.errors AS errors,
  (SELECT group_concat(DISTINCT so.service)
     FROM span_rows s JOIN operations so ON so.id = s.operation
    WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20) AS services,
  t.start_ns AS start_ns
FROM trace_rows t
LEFT JOIN operations o ON o.id = t.operation
ORDER BY t.class & 63 DESC, t.duration_ns DESC;

-- decisions: what was decided about each stored trace, and by which rule.
--
-- How many requests were there before sampling?
--   SELECT count(*) AS stored, sum(weight) AS were FROM decisions;
CREATE VIEW decisions AS
SELECT lower(hex(t.trace_id)) AS trace_id, 1 AS keep, t.weight AS weight,
  coalesce(r.text, '') AS rule, t.spans AS spans, t.flags AS flags, t.errors AS errors,
  t.duration_ns / 1e6 AS duration_ms, t.start_ns AS start_ns
FROM trace_rows t
LEFT JOIN strings r ON r.id = t.rule;

-- processes: what was traced.
--
-- What runs on that node?
--   SELECT service, executable, pid FROM processes WHERE node = 'node-1';
CREATE VIEW processes AS
SELECT printf('%016x', process_id) AS process_id, host AS node, service, executable, pid,
  coalesce(attributes, '{}') AS attributes
FROM process_rows;

-- ledger: the counters of the newest run. What was lost, and where?
--   SELECT * FROM ledger WHERE name LIKE '%drop%' AND value > 0;
CREATE VIEW ledger AS
SELECT name, value FROM ledger_rows WHERE run = (SELECT max(id) FROM runs);
