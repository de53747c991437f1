-- self_time: what each span did itself: its duration without the parts in which at least one span
-- below it was under way. A call's own time is what it waited for something that has no span: the
-- network, or a peer that is not traced. Parts of spans that ran beside each other count in each, so
-- the sum over a trace can be longer than the trace; critical_path adds up.
--
-- Which operations work longest themselves?
--   SELECT service, operation, count(*), round(avg(self_ms), 2) AS mean_self_ms FROM self_time
--   WHERE trace_start_ns >= 1700000000000000000 GROUP BY 1, 2 ORDER BY sum(self_ms) DESC LIMIT 10;
--
-- Here and in critical_path the work is done trace by trace in one subquery and unpacked again, so
-- that conditions on the trace (trace_id, trace_start_ns) come first, whatever else is asked.
CREATE VIEW self_time AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  o.service AS service,
  o.name AS operation,
  CASE o.kind WHEN 1 THEN 'INTERNAL' WHEN 2 THEN 'SERVER' WHEN 3 THEN 'CLIENT' WHEN 4 THEN 'PRODUCER'
    WHEN 5 THEN 'CONSUMER' ELSE 'UNSPECIFIED' END AS kind,
  s.duration_ns / 1e6 AS duration_ms,
  (e.value ->> 1) / 1e6 AS self_ms,
  s.duration_ns AS duration_ns,
  e.value ->> 1 AS self_ns,
  s.start_ns AS start_ns,
  t.start_ns AS trace_start_ns,
  s.id AS row
FROM trace_rows t
CROSS JOIN json_each((
  SELECT json_group_array(json_array(row, duration_ns - covered)) FROM (
    SELECT row, duration_ns,
      coalesce(sum(max(0, high - max(low, coalesce(reach, low)))), 0) AS covered
    FROM (
      SELECT p.id AS row, p.duration_ns AS duration_ns, max(c.start_ns, p.start_ns) AS low,
        min(c.start_ns + c.duration_ns, p.start_ns + p.duration_ns) AS high,
        max(min(c.start_ns + c.duration_ns, p.start_ns + p.duration_ns)) OVER (
          PARTITION BY p.id ORDER BY c.start_ns
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
      FROM span_rows p
      LEFT JOIN span_rows c
        ON +c.parent_id = p.span_id AND c.id >= t.id << 20 AND c.id < (t.id + 1) << 20
      WHERE p.id >= t.id << 20 AND p.id < (t.id + 1) << 20 AND p.duration_ns IS NOT NULL)
    GROUP BY row))) e
CROSS JOIN span_rows s ON s.id = e.value ->> 0
CROSS JOIN operations o ON o.id = s.operation;

-- critical_path: the spans that a trace's duration is made of, one row each. Going back in time from
-- the end of the root, the path leads through the span below that ended last, then the one that ended
-- last before that one began, and so on down. `own_ms` is the span's part: over a trace they sum to
-- the root's duration. `what` says what the part was: work (of the service), network (of a call
-- whose callee is traced), not traced (a call to `peer`, of which nothing more is known).
--
-- What made this request slow?
--   SELECT service, operation, what, own_ms FROM critical_path
--   WHERE trace_id = '0abc0000000000000000000000000002' ORDER BY own_ms DESC;
CREATE VIEW critical_path AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  o.service AS service,
  o.name AS operation,
  CASE o.kind WHEN 1 THEN 'INTERNAL' WHEN 2 THEN 'SERVER' WHEN 3 THEN 'CLIENT' WHEN 4 THEN 'PRODUCER'
    WHEN 5 THEN 'CONSUMER' ELSE 'UNSPECIFIED' END AS kind,
  CASE WHEN o.kind NOT IN (3, 4) THEN 'work' WHEN e.value ->> 3 THEN 'network' ELSE 'not traced' END
    AS what,
  coalesce(c.peer, '') AS peer,
  (e.value ->> 1) / 1e6 AS own_ms,
  e.value ->> 1 AS own_ns,
  round(100.0 * (e.value ->> 1) / max(e.value ->> 2, 1), 2) AS percent,
  (s.start_ns - t.start_ns) / 1e6 AS begins_ms,
  s.duration_ns / 1e6 AS duration_ms,
  t.start_ns AS trace_start_ns,
  t.duration_ns / 1e6 AS trace_ms,
  coalesce(r.service, '') AS root_service,
  coalesce(r.name, '') AS root_operation,
  s.id AS row
FROM trace_rows t
CROSS JOIN json_each((
  -- walk: what of the trace's time [low, high) belongs to a span or to what is below it.
  WITH RECURSIVE walk(entered, row, span, above, low, high) AS (
    SELECT * FROM (
      SELECT 1, p.id, p.span_id, 0, p.start_ns, p.start_ns + p.duration_ns FROM span_rows p
      WHERE p.id >= t.id << 20 AND p.id < (t.id + 1) << 20 AND p.duration_ns IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM span_rows q WHERE q.id >= t.id << 20
          AND q.id < (t.id + 1) << 20 AND +q.span_id = p.parent_id)
      ORDER BY p.duration_ns DESC, p.id LIMIT 1)
    UNION ALL
    SELECT k.entered, iif(k.entered, c.id, w.row), iif(k.entered, c.span_id, w.span),
      iif(k.entered, w.row, w.above), iif(k.entered, max(c.start_ns, w.low), w.low),
      iif(k.entered, min(c.start_ns + c.duration_ns, w.high), max(c.start_ns, w.low))
    FROM walk w
    CROSS JOIN span_rows c ON c.id = (
      SELECT row FROM (
        SELECT x.id AS row, min(x.start_ns + x.duration_ns, w.high) AS end_ns, x.start_ns AS start_ns
        FROM span_rows x
        WHERE x.id >= t.id << 20 AND x.id < (t.id + 1) << 20 AND x.parent_id = w.span
          AND x.start_ns < w.high AND x.start_ns + x.duration_ns > w.low)
      ORDER BY end_ns DESC, start_ns, row LIMIT 1)
    CROSS JOIN (SELECT 1 AS entered UNION ALL SELECT 0) k
    WHERE w.high > w.low)
  -- Each adds its time to its own row and takes it from the row above.
  SELECT json_group_array(json_array(row, own, total, EXISTS (
      SELECT 1 FROM span_rows x WHERE x.id >= t.id << 20 AND x.id < (t.id + 1) << 20
        AND x.parent_id = span)))
  FROM (
    SELECT iif(k.own, row, above) AS row, max(iif(k.own, span, NULL)) AS span,
      sum(iif(k.own, high - low, low - high)) AS own,
      sum(sum(iif(k.own, high - low, low - high))) OVER () AS total
    FROM walk CROSS JOIN (SELECT 1 AS own UNION ALL SELECT 0) k
    WHERE entered AND (k.own OR above <> 0) GROUP BY 1))) e
CROSS JOIN span_rows s ON s.id = e.value ->> 0
CROSS JOIN operations o ON o.id = s.operation
LEFT JOIN operations r ON r.id = t.operation
LEFT JOIN connection_rows c ON c.id = s.connection;

-- latency: where the time of requests goes: the critical paths of all traces, by the operation that
-- was asked for and the service or untraced peer that the time was spent in.
--
-- Where does the time of POST /order go?
--   SELECT service, what, mean_ms, percent FROM latency
--   WHERE root_operation = 'POST /order' ORDER BY percent DESC;
--
-- For a part of the traces, sum critical_path up yourself:
--   SELECT service, what, sum(own_ms) FROM critical_path
--   WHERE trace_start_ns >= 1700000000000000000 GROUP BY 1, 2 ORDER BY 3 DESC;
CREATE VIEW latency AS
SELECT root_service, root_operation, service, what, traces,
  total_ns / 1e6 AS total_ms,
  round(total_ns / 1e6 / traces, 3) AS mean_ms,
  round(100.0 * total_ns / sum(total_ns) OVER (PARTITION BY root_service, root_operation), 2)
    AS percent
FROM (
  SELECT root_service, root_operation, iif(what = 'not traced', peer, service) AS service, what,
    count(DISTINCT trace_id) AS traces, sum(own_ns) AS total_ns
  FROM critical_path GROUP BY 1, 2, 3, 4);
