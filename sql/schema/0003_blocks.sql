-- The index of operations begins with the block of the row, 8,192 traces: a batch of spans then touches
-- the few hundred pages of its block, not one page per span all over the index, which was more than
-- half of all work. A search for an operation goes from block to block ("skip-scan").
DROP INDEX span_by_operation;
CREATE INDEX span_by_operation ON span_rows(id >> 33, operation, class);

-- SQLite skips so only where statistics say that it is worth it. They are those of a store of
-- 10 million spans; ANALYZE replaces them by real ones.
ANALYZE sqlite_master;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES
  ('span_rows', 'span_by_operation', '10000000 100000 400 20'),
  ('trace_rows', 'trace_by_id', '1000000 1'),
  ('trace_rows', 'trace_by_start', '1000000 1'),
  ('trace_rows', 'trace_by_class', '1000000 10000'),
  ('trace_rows', 'trace_resumed', '1000 1'),
  ('candidate_rows', NULL, '1000000'),
  ('operations', 'sqlite_autoindex_operations_1', '400 40 2 1 1'),
  ('attribute_sets', 'sqlite_autoindex_attribute_sets_1', '10000 1'),
  ('connection_rows', NULL, '10000'),
  ('process_rows', NULL, '100'),
  ('strings', 'sqlite_autoindex_strings_1', '10 1');
