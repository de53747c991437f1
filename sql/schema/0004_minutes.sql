-- What services answered, per minute and operation, kept up by the writer in the transactions that
-- store the spans: rates and percentiles over hours need not read every span.
--
-- histogram is a JSON object, bucket of the duration -> requests, sixteen buckets an octave from
-- 1.024 us (see DurationBucket in sql/span_class.h); read the view minute_counts.
CREATE TABLE minute_rows(
  minute_ns INTEGER NOT NULL,   -- Unix time in which the requests began
  operation INTEGER NOT NULL,
  slice INTEGER NOT NULL,       -- the last one that added to the row, and with which it goes
  requests INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  total_ns INTEGER NOT NULL,
  max_ns INTEGER NOT NULL,
  weight REAL NOT NULL,         -- sum of the traces' weights: how many there were before sampling
  histogram TEXT NOT NULL,
  PRIMARY KEY(minute_ns, operation)) WITHOUT ROWID;

-- What is stored already.
INSERT INTO minute_rows
SELECT minute_ns, operation, (SELECT coalesce(max(id), 0) FROM slices), sum(n), sum(errors),
  sum(total_ns), max(max_ns), sum(weight), json_group_object(bucket, n)
FROM (
  SELECT s.start_ns - s.start_ns % 60000000000 AS minute_ns, s.operation AS operation,
    CASE WHEN s.duration_ns < 1024 THEN 0 WHEN (s.class & 63) = 63 THEN 497
      ELSE 1 + ((s.class & 63) - 1) / 2 * 16
        + ((s.duration_ns >> (((s.class & 63) - 1) / 2 + 6)) & 15) END AS bucket,
    count(*) AS n, sum(s.status = 2) AS errors, sum(s.duration_ns) AS total_ns,
    max(s.duration_ns) AS max_ns, sum(t.weight) AS weight
  FROM operations o CROSS JOIN span_rows s ON s.operation = o.id
  CROSS JOIN trace_rows t ON t.id = s.id >> 20
  WHERE o.kind IN (2, 5) AND s.duration_ns IS NOT NULL GROUP BY 1, 2, 3)
GROUP BY minute_ns, operation;

INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES('minute_rows', 'minute_rows', '100000 100 1');
