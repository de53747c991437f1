-- links: child and parent, with the evidence that made the link and how sure it is; `candidates`
-- is the JSON list of what was weighed, best first, where there was a choice.
--
-- Which links are doubtful?
--   SELECT child, parent, confidence, evidence FROM links WHERE confidence < 0.8;
CREATE VIEW links AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS child,
  printf('%016x', s.parent_id) AS parent,
  s.confidence / 1000.0 AS confidence,
  rtrim(
    CASE WHEN s.evidence & 1 THEN 'context ' ELSE '' END ||
    CASE WHEN s.evidence & 2 THEN 'wire ' ELSE '' END ||
    CASE WHEN s.evidence & 4 THEN 'thread ' ELSE '' END ||
    CASE WHEN s.evidence & 8 THEN 'delay ' ELSE '' END ||
    CASE WHEN s.evidence & 16 THEN 'token ' ELSE '' END ||
    CASE WHEN s.evidence & 32 THEN 'order ' ELSE '' END ||
    CASE WHEN s.evidence & 64 THEN 'only ' ELSE '' END ||
    CASE WHEN s.evidence & 128 THEN 'custom ' ELSE '' END) AS evidence,
  k.candidates AS candidates
FROM span_rows s
JOIN trace_rows t
  ON t.id = s.id >> 20 AND s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
LEFT JOIN candidate_rows k ON k.span = s.id
WHERE s.parent_id <> 0;

-- candidates: one row for each parent that was weighed for a span and its log-odds; `chosen` is 0
-- for those that were refused.
--
-- Which links were close decisions?
--   SELECT child, candidate, log_odds, chosen FROM candidates WHERE child IN
--     (SELECT child FROM links WHERE confidence < 0.7) ORDER BY child, log_odds DESC;
CREATE VIEW candidates AS
SELECT
  printf('%016x', s.span_id) AS child,
  json_extract(e.value, '$[0]') AS candidate,
  json_extract(e.value, '$[1]') AS log_odds,
  json_extract(e.value, '$[2]') AS evidence,
  json_extract(e.value, '$[0]') = printf('%016x', s.parent_id) AS chosen
FROM candidate_rows k
JOIN span_rows s ON s.id = k.span
JOIN json_each(k.candidates) e;

-- attributes: one row per attribute. Readable with plain sqlite3.
--
-- Which paths did that trace touch?
--   SELECT value FROM attributes WHERE trace_id = '...' AND key = 'url.path';
CREATE VIEW attributes AS
SELECT
  lower(hex(t.trace_id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  e.key AS key,
  e.value AS value,
  e.type AS type
FROM span_rows s
JOIN trace_rows t
  ON t.id = s.id >> 20 AND s.id >= t.id << 20 AND s.id < (t.id + 1) << 20
LEFT JOIN attribute_sets a ON a.id = s.attribute_set
JOIN json_each(
  CASE WHEN s.attributes IS NULL THEN coalesce(a.json, '{}')
    WHEN a.json IS NULL THEN s.attributes
    ELSE json_patch(a.json, s.attributes) END) e;
