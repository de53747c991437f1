-- Where attributes are: for the traces of each stored batch a hash of every attribute pair in
-- span_rows.attributes, and of every attribute set, with the trace's number in the batch; see
-- sql/attribute_hash.h. Looking up a value reads one of 32 parts per batch, newest first. Part 0 is
-- there for every batch that has a directory; the rows of others are read themselves.
CREATE TABLE attribute_directory(
  first_trace INTEGER NOT NULL,
  part INTEGER NOT NULL,
  entries BLOB NOT NULL,      -- 32 bits each, little endian
  PRIMARY KEY(first_trace, part)) WITHOUT ROWID;
INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES
  ('attribute_directory', 'attribute_directory', '80000 32 1');
