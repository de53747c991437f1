-- What is rare is found without a look at every batch: directories of many batches in one.
--
-- attribute_groups: traces [first_trace, end_trace), oldest first and without gaps; what is behind the
-- last one is in attribute_directory alone, batch by batch. how: 1 as there, 2 in attribute_parts (of
-- what came late for such a trace attribute_directory has the rest, in the parts from 32 on), 0: nobody
-- knows, the rows are read. ranges: batches of which an entry says "some traces", 32 bits each, numbers
-- of the first and the last trace in the group.
CREATE TABLE attribute_groups(
  first_trace INTEGER PRIMARY KEY,
  end_trace INTEGER NOT NULL,
  how INTEGER NOT NULL,
  entries INTEGER NOT NULL,     -- how many
  ranges BLOB NOT NULL);
CREATE TABLE attribute_parts(
  first_trace INTEGER NOT NULL,
  part INTEGER NOT NULL,
  entries BLOB NOT NULL,        -- 32 bits each, little endian; see sql/attribute_hash.h
  PRIMARY KEY(first_trace, part)) WITHOUT ROWID;
INSERT INTO attribute_groups
SELECT 0, 1 + max((SELECT coalesce(max(id), 0) FROM trace_rows),
  (SELECT coalesce(max(first_trace), 1) - 1 FROM slices)), 1, 0, x'';

-- Which (operation, class) a block of span_by_operation has, of blocks that are no longer written to:
-- 20 bytes per operation, see sql/class_mask.h. A bit may stand for a span that is gone.
CREATE TABLE class_blocks(
  block INTEGER PRIMARY KEY,    -- id >> 33 of span_rows
  classes BLOB NOT NULL);
INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES
  ('attribute_groups', NULL, '1000'),
  ('attribute_parts', 'attribute_parts', '500000 500 1'),
  ('class_blocks', NULL, '1000');
