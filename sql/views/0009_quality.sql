-- completeness: how far each trace can be believed: what is missing, and how sure its links are.
-- `confidence` is that of its weakest link; doubtful links are those below 0.9.
--
-- Which slow traces are whole and sure?
--   SELECT c.trace_id, t.duration_ms FROM traces t JOIN completeness c ON c.trace_id = t.trace_id
--   WHERE t.start_ns >= 1700000000000000000 AND c.complete AND c.confidence >= 0.9
--   ORDER BY t.duration_ms DESC LIMIT 10;
CREATE VIEW completeness AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  t.flags & 0x235 = 0 AND t.operation IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM span_rows s
    WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20 AND s.parent_id <> 0
      AND NOT EXISTS (SELECT 1 FROM span_rows p WHERE p.id >= t.id << 20
        AND p.id < (t.id + 1) << 20 AND p.span_id = s.parent_id)) AS complete,
  t.spans AS spans,
  t.operation IS NOT NULL AS has_root,
  (SELECT count(*) FROM span_rows s WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
    AND s.flags & 1) AS open_spans,
  (SELECT count(*) FROM span_rows s WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
    AND s.flags & 2) AS late_spans,
  (SELECT count(*) FROM span_rows s WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
    AND s.flags & 4) AS incomplete_spans,
  (SELECT count(*) FROM span_rows s
    WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20 AND s.parent_id <> 0
      AND NOT EXISTS (SELECT 1 FROM span_rows p WHERE p.id >= t.id << 20
        AND p.id < (t.id + 1) << 20 AND p.span_id = s.parent_id)) AS orphans,
  (SELECT count(*) FROM span_rows s WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
    AND s.parent_id <> 0 AND s.confidence < 900) AS doubtful_links,
  coalesce((SELECT min(s.confidence) FROM span_rows s WHERE s.id >= t.id << 20
    AND s.id < (t.id + 1) << 20 AND s.parent_id <> 0), 1000) / 1000.0 AS confidence,
  t.start_ns AS trace_start_ns,
  t.id AS row
FROM trace_rows t;

-- orphans: spans whose parent is not stored in their trace: lost on the way, not sampled, not traced
-- (a context from outside names it), or still to come.
--
-- Whose callers are missing?
--   SELECT service, operation, count(*) FROM orphans GROUP BY 1, 2 ORDER BY 3 DESC;
CREATE VIEW orphans AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  printf('%016x', s.parent_id) AS parent_id,
  o.service AS service,
  o.name AS operation,
  CASE o.kind WHEN 1 THEN 'INTERNAL' WHEN 2 THEN 'SERVER' WHEN 3 THEN 'CLIENT' WHEN 4 THEN 'PRODUCER'
    WHEN 5 THEN 'CONSUMER' ELSE 'UNSPECIFIED' END AS kind,
  (s.flags >> 1) & 1 AS is_late,
  (t.flags >> 2) & 1 AS trace_incomplete,
  s.start_ns AS start_ns,
  t.start_ns AS trace_start_ns,
  s.id AS row
FROM trace_rows t
CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
CROSS JOIN operations o ON o.id = s.operation
WHERE s.parent_id <> 0 AND NOT EXISTS (
  SELECT 1 FROM span_rows p WHERE p.id >= t.id << 20 AND p.id < (t.id + 1) << 20
    AND p.span_id = s.parent_id);

-- late_spans: spans that came after their trace was decided, and were added to it.
--
-- Which services report late?
--   SELECT service, count(*) FROM late_spans GROUP BY 1;
CREATE VIEW late_spans AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  o.service AS service,
  o.name AS operation,
  p.host AS node,
  p.pid AS pid,
  s.start_ns AS start_ns,
  (s.start_ns - t.start_ns) / 1e6 AS begins_ms,
  s.duration_ns / 1e6 AS duration_ms,
  t.start_ns AS trace_start_ns,
  s.id AS row
FROM trace_rows t
CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << 20 AND s.flags & 2
CROSS JOIN operations o ON o.id = s.operation
LEFT JOIN connection_rows c ON c.id = s.connection
LEFT JOIN process_rows p ON p.id = c.process
WHERE t.flags & 2;

-- rules: what each rule of the samplers kept. `stands_for` counts the traces that there were before
-- sampling, from the weights; '' is what no sampler decided.
--
-- Which rule fills the disk?
--   SELECT rule, traces, spans, stands_for FROM rules ORDER BY spans DESC;
CREATE VIEW rules AS
SELECT rule, count(*) AS traces, sum(weight) AS stands_for, sum(spans) AS spans,
  sum(errors > 0) AS failed_traces, round(avg(duration_ms), 3) AS mean_ms,
  max(duration_ms) AS max_ms, min(start_ns) AS first_ns, max(start_ns) AS last_ns
FROM decisions GROUP BY rule;
