-- otel_traces: the columns of the OpenTelemetry Collector's ClickHouse table of that name, so that
-- queries written for it carry over. Timestamp is Unix seconds with fraction in ClickHouse's text
-- form; maps are JSON objects. The Events and Links columns are JSON arrays.
--
-- What does one trace look like to queries made for ClickHouse?
--   SELECT ServiceName, SpanName, Duration / 1e6 FROM otel_traces
--   WHERE TraceId = '4bf92f3577b34da6a3ce929d0e0e4736' ORDER BY Timestamp;
CREATE VIEW otel_traces AS
SELECT
  strftime('%Y-%m-%d %H:%M:%S', s.start_ns / 1000000000, 'unixepoch') ||
    printf('.%09d', s.start_ns % 1000000000) AS Timestamp,
  lower(hex(t.trace_id)) AS TraceId,
  printf('%016x', s.span_id) AS SpanId,
  CASE s.parent_id WHEN 0 THEN '' ELSE printf('%016x', s.parent_id) END AS ParentSpanId,
  '' AS TraceState,
  o.name AS SpanName,
  CASE o.kind WHEN 1 THEN 'Internal' WHEN 2 THEN 'Server' WHEN 3 THEN 'Client' WHEN 4 THEN 'Producer'
    WHEN 5 THEN 'Consumer' ELSE 'Unspecified' END AS SpanKind,
  o.service AS ServiceName,
  json_patch(json_object('service.name', o.service, 'host.name', p.host, 'process.pid', p.pid,
    'process.executable.path', p.executable), coalesce(p.attributes, '{}')) AS ResourceAttributes,
  'weft' AS ScopeName,
  '' AS ScopeVersion,
  CASE WHEN s.attributes IS NULL THEN coalesce(a.json, '{}')
    WHEN a.json IS NULL THEN s.attributes
    ELSE json_patch(a.json, s.attributes) END AS SpanAttributes,
  s.duration_ns AS Duration,
  CASE s.status WHEN 1 THEN 'Ok' WHEN 2 THEN 'Error' ELSE 'Unset' END AS StatusCode,
  '' AS StatusMessage,
  '[]' AS "Events.Timestamp",
  '[]' AS "Events.Name",
  '[]' AS "Events.Attributes",
  '[]' AS "Links.TraceId",
  '[]' AS "Links.SpanId",
  '[]' AS "Links.TraceState",
  '[]' AS "Links.Attributes"
FROM span_rows s
JOIN trace_rows t
  ON t.id = s.id >> 20 AND s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
JOIN operations o ON o.id = s.operation
LEFT JOIN connection_rows c ON c.id = s.connection
LEFT JOIN process_rows p ON p.id = c.process
LEFT JOIN attribute_sets a ON a.id = s.attribute_set;
