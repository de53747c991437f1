-- Traces of which another member's store may have spans too (WEFT_FLAG_RESUMED): whoever reads
-- several stores as one looks only these up in the others.
CREATE INDEX trace_resumed ON trace_rows(id) WHERE flags & 1024;
