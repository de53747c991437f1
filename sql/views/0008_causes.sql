-- error_causes: where errors began: the failed spans that no failed span below them explains.
-- `first` is 1 for the one of a trace that ended first. A call (kind CLIENT) stands here where its
-- peer is not traced, did not answer, or answered something that only the caller takes for an error.
--
-- Why did requests fail?
--   SELECT service, operation, peer, count(*) AS traces FROM error_causes WHERE first
--   GROUP BY 1, 2, 3 ORDER BY traces DESC;
CREATE VIEW error_causes AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  o.service AS service,
  o.name AS operation,
  CASE o.kind WHEN 1 THEN 'INTERNAL' WHEN 2 THEN 'SERVER' WHEN 3 THEN 'CLIENT' WHEN 4 THEN 'PRODUCER'
    WHEN 5 THEN 'CONSUMER' ELSE 'UNSPECIFIED' END AS kind,
  coalesce(c.peer, '') AS peer,
  NOT EXISTS (
    SELECT 1 FROM span_rows f WHERE f.id >= t.id << 20 AND f.id < (t.id + 1) << 20
      AND f.status = 2 AND f.id <> s.id
      AND (f.start_ns + f.duration_ns, f.id) < (s.start_ns + s.duration_ns, s.id)
      AND NOT EXISTS (SELECT 1 FROM span_rows b WHERE b.id >= t.id << 20 AND b.id < (t.id + 1) << 20
        AND b.parent_id = f.span_id AND b.status = 2)) AS first,
  t.errors AS trace_errors,
  (s.start_ns - t.start_ns) / 1e6 AS begins_ms,
  s.duration_ns / 1e6 AS duration_ms,
  coalesce(r.service, '') AS root_service,
  coalesce(r.name, '') AS root_operation,
  CASE WHEN s.attributes IS NULL THEN coalesce(a.json, '{}')
    WHEN a.json IS NULL THEN s.attributes
    ELSE json_patch(a.json, s.attributes) END AS attributes,
  t.start_ns AS trace_start_ns,
  s.id AS row
FROM trace_rows t
CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << 20 AND +s.status = 2
CROSS JOIN operations o ON o.id = s.operation
LEFT JOIN operations r ON r.id = t.operation
LEFT JOIN connection_rows c ON c.id = s.connection
LEFT JOIN attribute_sets a ON a.id = s.attribute_set
WHERE t.class >= 64 AND NOT EXISTS (
  SELECT 1 FROM span_rows b WHERE b.id >= t.id << 20 AND b.id < (t.id + 1) << 20
    AND b.parent_id = s.span_id AND b.status = 2);

-- network_time: what lay between both ends of each call that was seen at both: with the four times
-- P1 (the caller sends), P2 (the callee receives), P3 (the callee answers) and P4 (the caller
-- receives), network = (P4 - P1) - (P3 - P2). That compares no clocks of two hosts; out and back do,
-- and are given only where both ends are on one node. Queues in front of the callee count as
-- network: it has not read yet.
--
-- Between which services does the network, or a queue, cost time?
--   SELECT caller, callee, count(*), round(avg(network_ms), 3), round(max(network_ms), 3)
--   FROM network_time GROUP BY 1, 2 ORDER BY 4 DESC;
CREATE VIEW network_time AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', c.span_id) AS client_span_id,
  printf('%016x', s.span_id) AS server_span_id,
  co.service AS caller,
  so.service AS callee,
  so.name AS operation,
  c.duration_ns / 1e6 AS client_ms,
  s.duration_ns / 1e6 AS server_ms,
  (c.duration_ns - s.duration_ns) / 1e6 AS network_ms,
  iif(cp.host = sp.host, (s.start_ns - c.start_ns) / 1e6, NULL) AS out_ms,
  iif(cp.host = sp.host, (c.start_ns + c.duration_ns - s.start_ns - s.duration_ns) / 1e6, NULL)
    AS back_ms,
  cp.host AS caller_node,
  sp.host AS callee_node,
  c.duration_ns - s.duration_ns AS network_ns,
  c.start_ns AS start_ns,
  t.start_ns AS trace_start_ns
FROM trace_rows t
CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
CROSS JOIN operations so ON so.id = s.operation AND so.kind IN (2, 5)
CROSS JOIN span_rows c ON c.id >= t.id << 20 AND c.id < (t.id + 1) << 20 AND +c.span_id = s.parent_id
CROSS JOIN operations co ON co.id = c.operation AND co.kind IN (3, 4)
LEFT JOIN connection_rows ck ON ck.id = c.connection
LEFT JOIN process_rows cp ON cp.id = ck.process
LEFT JOIN connection_rows sk ON sk.id = s.connection
LEFT JOIN process_rows sp ON sp.id = sk.process
WHERE s.duration_ns IS NOT NULL AND c.duration_ns IS NOT NULL;
