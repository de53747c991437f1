-- minute_counts: what services answered, per minute and operation, from counts that the writer keeps:
-- nothing here reads spans. `estimated` is the number of requests before sampling, by the traces'
-- weights. `histogram` is a JSON object, bucket -> requests: bucket b > 0 begins at
-- (16 + (b - 1) % 16) << ((b - 1) / 16 + 6) ns and is 1 << ((b - 1) / 16 + 6) ns wide, 0 is below 1024 ns.
--
-- How many requests did cart answer, and fail, in each minute?
--   SELECT minute_ns, sum(requests), sum(errors) FROM minute_counts WHERE service = 'cart' GROUP BY 1;
CREATE VIEW minute_counts AS
SELECT m.minute_ns AS minute_ns, o.service AS service, o.name AS operation,
  m.requests AS requests, m.errors AS errors, m.total_ns AS total_ns, m.max_ns AS max_ns,
  m.weight AS estimated, m.histogram AS histogram
FROM minute_rows m JOIN operations o ON o.id = m.operation;

-- red_minutes: rate, errors and duration of what each service answered, minute by minute, in
-- milliseconds for gigabytes of spans. Percentiles are interpolated in histograms and at most 6.3 % off;
-- `red` has exact ones and reads every span.
--
-- When did cart become slow?
--   SELECT minute, operation, per_second, error_percent, p95_ms FROM red_minutes
--   WHERE service = 'cart' AND minute_ns >= 1700000000000000000 ORDER BY minute_ns;
CREATE VIEW red_minutes AS
WITH buckets AS (
  SELECT minute_ns, service, operation, CAST(e.key AS INTEGER) AS bucket, sum(e.value) AS n
  FROM minute_counts, json_each(histogram) e GROUP BY 1, 2, 3, 4),
ranked AS (
  SELECT *, sum(n) OVER (PARTITION BY minute_ns, service, operation ORDER BY bucket) AS reach,
    sum(n) OVER (PARTITION BY minute_ns, service, operation) AS requests,
    iif(bucket = 0, 0, (16 + (bucket - 1) % 16) << ((bucket - 1) / 16 + 6)) AS low,
    iif(bucket = 0, 1024, 1 << ((bucket - 1) / 16 + 6)) AS width
  FROM buckets),
percentiles AS (
  SELECT minute_ns, service, operation, max(requests) AS requests,
    min(iif(reach >= requests * 0.50 AND reach - n < requests * 0.50,
      low + width * (requests * 0.50 - reach + n) / n, NULL)) AS p50,
    min(iif(reach >= requests * 0.95 AND reach - n < requests * 0.95,
      low + width * (requests * 0.95 - reach + n) / n, NULL)) AS p95,
    min(iif(reach >= requests * 0.99 AND reach - n < requests * 0.99,
      low + width * (requests * 0.99 - reach + n) / n, NULL)) AS p99
  FROM ranked GROUP BY 1, 2, 3),
totals AS (
  SELECT minute_ns, service, operation, sum(requests) AS requests, sum(errors) AS errors,
    sum(total_ns) AS total, max(max_ns) AS max, sum(estimated) AS estimated
  FROM minute_counts GROUP BY 1, 2, 3)
SELECT strftime('%Y-%m-%d %H:%M', minute_ns / 1000000000, 'unixepoch') AS minute,
  service, operation, t.requests AS count,
  round(t.requests / 60.0, 3) AS per_second,
  t.errors AS errors,
  round(100.0 * t.errors / t.requests, 2) AS error_percent,
  round(t.total / 1e6 / t.requests, 3) AS mean_ms,
  round(min(p50, t.max) / 1e6, 3) AS p50_ms,
  round(min(p95, t.max) / 1e6, 3) AS p95_ms,
  round(min(p99, t.max) / 1e6, 3) AS p99_ms,
  round(t.max / 1e6, 3) AS max_ms,
  t.estimated AS estimated,
  minute_ns
FROM totals t JOIN percentiles USING (minute_ns, service, operation);

-- red_hour: the same over the last hour that is stored, per operation: 60 minutes up to the newest.
-- Its million buckets are summed by number first: by names that takes twice as long.
--
-- What was slow or failed in the last hour?
--   SELECT service, operation, count, error_percent, p95_ms FROM red_hour ORDER BY p95_ms DESC;
CREATE VIEW red_hour AS
WITH hour AS MATERIALIZED (
  SELECT *, dense_rank() OVER (ORDER BY service, operation) AS number FROM minute_counts
  WHERE minute_ns > (SELECT max(minute_ns) FROM minute_counts) - 3600000000000),
by_number AS (
  SELECT number, CAST(e.key AS INTEGER) AS bucket, sum(e.value) AS n
  FROM hour, json_each(histogram) e GROUP BY 1, 2),
ranked AS (
  SELECT *, sum(n) OVER (PARTITION BY number ORDER BY bucket) AS reach,
    sum(n) OVER (PARTITION BY number) AS requests,
    iif(bucket = 0, 0, (16 + (bucket - 1) % 16) << ((bucket - 1) / 16 + 6)) AS low,
    iif(bucket = 0, 1024, 1 << ((bucket - 1) / 16 + 6)) AS width
  FROM by_number),
percentiles AS (
  SELECT number, max(requests) AS requests,
    min(iif(reach >= requests * 0.50 AND reach - n < requests * 0.50,
      low + width * (requests * 0.50 - reach + n) / n, NULL)) AS p50,
    min(iif(reach >= requests * 0.95 AND reach - n < requests * 0.95,
      low + width * (requests * 0.95 - reach + n) / n, NULL)) AS p95,
    min(iif(reach >= requests * 0.99 AND reach - n < requests * 0.99,
      low + width * (requests * 0.99 - reach + n) / n, NULL)) AS p99
  FROM ranked GROUP BY 1),
totals AS (
  SELECT number, service, operation, sum(requests) AS requests, sum(errors) AS errors,
    sum(total_ns) AS total, max(max_ns) AS max, sum(estimated) AS estimated
  FROM hour GROUP BY 1)
SELECT service, operation, t.requests AS count,
  round(t.requests / 3600.0, 3) AS per_second,
  t.errors AS errors,
  round(100.0 * t.errors / t.requests, 2) AS error_percent,
  round(t.total / 1e6 / t.requests, 3) AS mean_ms,
  round(min(p50, t.max) / 1e6, 3) AS p50_ms,
  round(min(p95, t.max) / 1e6, 3) AS p95_ms,
  round(min(p99, t.max) / 1e6, 3) AS p99_ms,
  round(t.max / 1e6, 3) AS max_ms,
  t.estimated AS estimated
FROM totals t JOIN percentiles USING (number);
