-- edges: one row per call: a client span and, where the callee is traced as well, its server span
-- below it. Calls to what is not traced have the peer's name as callee; requests that come from
-- outside have caller ''. duration_ns is what the caller saw (the callee where there is no caller).
CREATE VIEW edges AS
SELECT co.service AS caller,
  coalesce((SELECT so.service FROM span_rows s JOIN operations so ON so.id = s.operation
     WHERE s.id >= (c.id >> 20) << 20 AND s.id < ((c.id >> 20) + 1) << 20
       AND s.parent_id = c.span_id AND so.kind IN (2, 5)),
    (SELECT k.peer FROM connection_rows k WHERE k.id = c.connection), '') AS callee,
  c.status = 2 AS error, c.duration_ns AS duration_ns, c.start_ns AS start_ns, c.id AS row
FROM span_rows c JOIN operations co ON co.id = c.operation
WHERE co.kind IN (3, 4)
UNION ALL
SELECT '', so.service, s.status = 2, s.duration_ns, s.start_ns, s.id
FROM span_rows s JOIN operations so ON so.id = s.operation
WHERE so.kind IN (2, 5) AND s.parent_id = 0;

-- service_graph: who calls whom, how often, with which errors and delays.
--
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
