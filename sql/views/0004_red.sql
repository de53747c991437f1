-- red: rate, errors and duration of what each service answered, per operation. Percentiles are
-- nearest-rank over all stored spans; spans that have not ended are counted but have no duration.
--
-- Which operations are slow or fail?
--   SELECT service, operation, count, error_percent, p95_ms FROM red ORDER BY p95_ms DESC;
CREATE VIEW red AS
WITH ranked AS (
  SELECT operation, status = 2 AS error, duration_ns, start_ns,
    row_number() OVER (PARTITION BY operation ORDER BY duration_ns) AS rank,
    count(*) OVER (PARTITION BY operation) AS n
  FROM span_rows
  WHERE duration_ns IS NOT NULL
    AND operation IN (SELECT id FROM operations WHERE kind IN (2, 5))),
totals AS (
  SELECT operation, count(*) AS count, sum(error) AS errors, avg(duration_ns) AS mean,
    min(CASE WHEN rank >= n * 0.50 THEN duration_ns END) AS p50,
    min(CASE WHEN rank >= n * 0.95 THEN duration_ns END) AS p95,
    min(CASE WHEN rank >= n * 0.99 THEN duration_ns END) AS p99,
    max(duration_ns) AS max, min(start_ns) AS first, max(start_ns) AS last
  FROM ranked GROUP BY operation)
SELECT
  o.service AS service,
  o.name AS operation,
  w.count AS count,
  round(w.count / max((w.last - w.first) / 1e9, 1.0), 3) AS per_second,
  w.errors AS errors,
  round(100.0 * w.errors / w.count, 2) AS error_percent,
  round(w.mean / 1e6, 3) AS mean_ms,
  round(w.p50 / 1e6, 3) AS p50_ms,
  round(w.p95 / 1e6, 3) AS p95_ms,
  round(w.p99 / 1e6, 3) AS p99_ms,
  round(w.max / 1e6, 3) AS max_ms
FROM totals w
JOIN operations o ON o.id = w.operation;
