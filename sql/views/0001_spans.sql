-- spans: one row per span with everything that was seen: ids as text, both addresses and ports, fd,
-- pid, the threads of both halves, node, sizes, whether the connection was new.
--
-- What did the cart service do around noon that took more than 100 ms?
--   SELECT operation, duration_ms, status FROM spans
--   WHERE service = 'shop-cart' AND duration_ms > 100;
--
-- Filters on trace_id, service and operation are searched through indexes; the other joins are LEFT,
-- so that SQLite leaves out those whose columns a query does not use.
CREATE VIEW spans AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  CASE s.parent_id WHEN 0 THEN '' ELSE printf('%016x', s.parent_id) END AS parent_id,
  o.service AS service,
  o.name AS operation,
  CASE o.kind WHEN 1 THEN 'INTERNAL' WHEN 2 THEN 'SERVER' WHEN 3 THEN 'CLIENT' WHEN 4 THEN 'PRODUCER'
    WHEN 5 THEN 'CONSUMER' ELSE 'UNSPECIFIED' END AS kind,
  CASE o.protocol WHEN 1 THEN 'http' WHEN 2 THEN 'redis' WHEN 3 THEN 'tcp' ELSE '' END AS protocol,
  s.start_ns AS start_ns,
  s.start_ns + s.duration_ns AS end_ns,
  s.duration_ns AS duration_ns,
  s.duration_ns / 1e6 AS duration_ms,
  CASE s.status WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' ELSE 'UNSET' END AS status,
  c.peer AS peer,
  p.host AS node,
  p.pid AS pid,
  p.executable AS executable,
  c.local_address AS local_address,
  c.local_port AS local_port,
  c.remote_address AS remote_address,
  c.remote_port AS remote_port,
  c.fd AS fd,
  s.request_tid AS request_tid,
  coalesce(s.response_tid, s.request_tid) AS response_tid,
  s.request_bytes AS request_bytes,
  s.response_bytes AS response_bytes,
  (s.flags >> 7) & 1 AS new_connection,
  printf('%016x', c.connection) AS connection,
  s.confidence / 1000.0 AS confidence,
  s.evidence AS evidence,
  s.flags AS flags,
  s.flags & 1 AS is_open,
  (s.flags >> 1) & 1 AS is_late,
  (s.flags >> 2) & 1 AS is_incomplete,
  CASE WHEN s.attributes IS NULL THEN coalesce(a.json, '{}')
    WHEN a.json IS NULL THEN s.attributes
    ELSE json_patch(a.json, s.attributes) END AS attributes,
  s.id AS row
FROM span_rows s
JOIN trace_rows t
  ON t.id = s.id >> 20 AND s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
JOIN operations o ON o.id = s.operation
LEFT JOIN connection_rows c ON c.id = s.connection
LEFT JOIN process_rows p ON p.id = c.process
LEFT JOIN attribute_sets a ON a.id = s.attribute_set;
