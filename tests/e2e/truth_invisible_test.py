#!/usr/bin/env python3
"""The truth is for scoring only: with and without it weft decides the same, to the last id."""
import os
import sqlite3
import sys
import tempfile
import unittest

import truth
from e2e import STORED_RECORDING, Build, main, replay, skip

BUILD = Build(sys.argv[1])


def decisions(db):
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        spans = set(connection.execute(
            "SELECT trace_id, span_id, parent_id, start_ns, confidence, evidence, flags FROM spans"))
        weighed = set(connection.execute("SELECT child, parent, candidates FROM links"))
    return spans, weighed


class TruthInvisibleTest(unittest.TestCase):
    def test_replay_with_and_without_truth_gives_the_same_links_and_ids(self):
        with tempfile.TemporaryDirectory() as directory:
            seen, hidden = os.path.join(directory, "seen.db"), os.path.join(directory, "hidden.db")
            replay(BUILD, STORED_RECORDING, seen)
            replay(BUILD, STORED_RECORDING, hidden, "--drop-truth")
            self.assertTrue(any(s.truth for s in truth.read_spans(seen)))
            self.assertFalse(any(s.truth for s in truth.read_spans(hidden)))
            self.assertEqual(decisions(seen), decisions(hidden))


if __name__ == "__main__":
    if not os.path.exists(STORED_RECORDING):
        skip("there is no recording of the shop in this tree")
    main()
