-- edges: one row per call: a client span and, where the callee is traced as well, its server span
-- below it. Calls to what is not traced have the peer's name as callee; requests that come from
-- outside have caller ''. duration_ns is what the caller saw (the callee where there is no caller).
--
-- What did cart call in the traces since then?
--   SELECT callee, count(*), sum(error) FROM edges
--   WHERE caller = 'cart' AND trace_start_ns >= 1700000000000000000 GROUP BY 1;
CREATE VIEW edges AS
SELECT co.service AS caller,
  coalesce((SELECT so.service FROM span_rows s JOIN operations so ON so.id = s.operation
     WHERE s.id >= (c.id >> 20) << 20 AND s.id < ((c.id >> 20) + 1) << 20
       AND s.parent_id = c.span_id AND so.kind IN (2, 5)),
    (SELECT k.peer FROM connection_rows k WHERE k.id = c.connection), '') AS callee,
  c.status = 2 AS error, c.duration_ns AS duration_ns, c.start_ns AS start_ns, c.id AS row,
  t.start_ns AS trace_start_ns, t.id AS trace
FROM trace_rows t
CROSS JOIN span_rows c ON c.id >= t.id << 20 AND c.id < (t.id + 1) << 20
CROSS JOIN operations co ON co.id = c.operation
WHERE co.kind IN (3, 4)
UNION ALL
SELECT '', so.service, s.status = 2, s.duration_ns, s.start_ns, s.id, t.start_ns, t.id
FROM trace_rows t
CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
CROSS JOIN operations so ON so.id = s.operation
WHERE so.kind IN (2, 5) AND +s.parent_id = 0;

-- service_graph: who calls whom, how often, with which errors and delays.
--
-- Which calls are slow or fail?
--   SELECT caller, callee, calls, errors, p95_ms FROM service_graph;
CREATE VIEW service_graph AS
WITH ranked AS (
  SELECT caller, callee, error, duration_ns,
    row_number() OVER (PARTITION BY caller, callee ORDER BY duration_ns) AS rank,
    count(*) OVER (PARTITION BY caller, callee) AS n
  FROM edges WHERE duration_ns IS NOT NULL)
SELECT caller, callee, count(*) AS calls, sum(error) AS errors,
  round(min(CASE WHEN rank >= n * 0.50 THEN duration_ns END) / 1e6, 3) AS p50_ms,
  round(min(CASE WHEN rank >= n * 0.95 THEN duration_ns END) / 1e6, 3) AS p95_ms
FROM ranked GROUP BY caller, callee;

-- service_graph_minutes: the same for each minute in which traces began.
--
-- When did calls to pay begin to fail?
--   SELECT minute, calls, errors, p95_ms FROM service_graph_minutes
--   WHERE callee = 'pay' ORDER BY minute_ns;
CREATE VIEW service_graph_minutes AS
WITH ranked AS (
  SELECT trace_start_ns / 60000000000 AS number, caller, callee, error, duration_ns,
    row_number() OVER (PARTITION BY trace_start_ns / 60000000000, caller, callee
      ORDER BY duration_ns) AS rank,
    count(*) OVER (PARTITION BY trace_start_ns / 60000000000, caller, callee) AS n
  FROM edges WHERE duration_ns IS NOT NULL)
SELECT strftime('%Y-%m-%d %H:%M', number * 60, 'unixepoch') AS minute, caller, callee,
  count(*) AS calls, sum(error) AS errors,
  round(min(CASE WHEN rank >= n * 0.50 THEN duration_ns END) / 1e6, 3) AS p50_ms,
  round(min(CASE WHEN rank >= n * 0.95 THEN duration_ns END) / 1e6, 3) AS p95_ms,
  number * 60000000000 AS minute_ns
FROM ranked GROUP BY number, caller, callee;
