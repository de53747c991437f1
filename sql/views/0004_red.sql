-- requests: one row per request that a service has answered; what `red` sums up. `series` is a
-- number for service and operation: sorting by it takes half as long as by the names.
--
-- How did the durations of one operation develop?
--   SELECT start_ns / 60000000000 AS minute, count(*), avg(duration_ns) / 1e6 AS mean_ms
--   FROM requests WHERE service = 'shop-cart' AND operation = 'GET /cart' GROUP BY 1;
CREATE VIEW requests AS
SELECT o.service AS service, o.name AS operation, s.status = 2 AS error,
  s.duration_ns AS duration_ns, s.start_ns AS start_ns, s.id AS row, o.id AS series
FROM operations o
JOIN span_rows s ON s.operation = o.id
WHERE o.kind IN (2, 5) AND s.duration_ns IS NOT NULL;

-- red: rate, errors and duration of what each service answered, per operation. Percentiles are
-- nearest-rank over all stored spans; spans that have not ended have no duration and do not count.
--
-- Which operations are slow or fail?
--   SELECT service, operation, count, error_percent, p95_ms FROM red ORDER BY p95_ms DESC;
CREATE VIEW red AS
WITH ranked AS (
  SELECT series, error, duration_ns, start_ns, service, operation,
    row_number() OVER (PARTITION BY series ORDER BY duration_ns) AS rank,
    count(*) OVER (PARTITION BY series) AS n
  FROM requests),
totals AS (
  SELECT service, operation, count(*) AS count, sum(error) AS errors, avg(duration_ns) AS mean,
    min(CASE WHEN rank >= n * 0.50 THEN duration_ns END) AS p50,
    min(CASE WHEN rank >= n * 0.95 THEN duration_ns END) AS p95,
    min(CASE WHEN rank >= n * 0.99 THEN duration_ns END) AS p99,
    max(duration_ns) AS max, min(start_ns) AS first, max(start_ns) AS last
  FROM ranked GROUP BY series)
SELECT service, operation, count,
  round(count / max((last - first) / 1e9, 1.0), 3) AS per_second,
  errors,
  round(100.0 * errors / count, 2) AS error_percent,
  round(mean / 1e6, 3) AS mean_ms,
  round(p50 / 1e6, 3) AS p50_ms,
  round(p95 / 1e6, 3) AS p95_ms,
  round(p99 / 1e6, 3) AS p99_ms,
  round(max / 1e6, 3) AS max_ms
FROM totals;
