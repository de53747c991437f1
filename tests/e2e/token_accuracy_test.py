#!/usr/bin/env python3
"""Tokens settle what timing and threads cannot: the stored recording of the shop, with and without."""
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, main, phase_roots, replay, skip, weft_json

BUILD = Build(sys.argv[1])
TOKEN = 16  # WEFT_EVIDENCE_TOKEN


def accuracy(db, concurrency):
    first, last = phase_roots(concurrency)
    return weft_json(BUILD, "eval", db, "--roots", f"r{first}-r{last}")


class TokenAccuracyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.full = os.path.join(cls.directory.name, "full.db")
        cls.without = os.path.join(cls.directory.name, "without.db")
        replay(BUILD, STORED_RECORDING, cls.full)
        replay(BUILD, STORED_RECORDING, cls.without, "--correlators", "context,thread,delay")

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    # Floors below what such a short, cold run shows: 99.7 and 98.9 % of the spans.
    def test_most_calls_are_right_at_any_concurrency(self):
        for concurrency, floor in ((1, 0.99), (8, 0.97), (32, 0.95)):
            self.assertGreaterEqual(accuracy(self.full, concurrency)["span_accuracy"], floor, concurrency)

    def test_many_more_than_without_tokens_where_much_goes_on_at_once(self):
        full, without = accuracy(self.full, 32), accuracy(self.without, 32)
        self.assertGreaterEqual(full["span_accuracy"], without["span_accuracy"] + 0.05)
        self.assertGreaterEqual(full["trace_exact"], without["trace_exact"] + 0.15)

    def test_explain_names_the_token(self):
        with sqlite3.connect(f"file:{self.full}?mode=ro", uri=True) as connection:
            span, = connection.execute(
                "SELECT span_id FROM spans WHERE evidence & ? AND confidence < 0.99 LIMIT 1", (TOKEN,)).fetchone()
        text = subprocess.run([BUILD.weft, "explain", "--db", self.full, span], text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        self.assertIn("token: the call has a rare value in common", text)
        self.assertIn("token", text[text.index("Weighed"):])


if __name__ == "__main__":
    if not os.path.exists(STORED_RECORDING):
        skip("there is no recording of the shop in this tree")
    main()
