#!/usr/bin/env python3
"""kill -9 at random moments of a run: the store opens, no stored trace is lost, none is double.

  kill_test.py BUILD_DIR            20 moments; WEFT_KILLS=200 WEFT_SEED=7 as many as wanted, the same again
"""
import os
import random
import sqlite3
import sys
import tempfile
import time
import unittest

from e2e import STORED_RECORDING, Build, WeftProcess, check_store, main

BUILD = Build(sys.argv[1])
KILLS = int(os.environ.get("WEFT_KILLS", "20"))
SEED = int(os.environ.get("WEFT_SEED", str(random.randrange(1 << 30))))
FRESH_EVERY = 5  # runs into one file: the later ones mostly meet what is stored already


def stored(db):
    """Trace id -> span ids. Opening it is a recovery of SQLite's."""
    traces = {}
    with sqlite3.connect(db) as connection:
        for trace, span in connection.execute(
                "SELECT hex(t.trace_id), s.span_id FROM trace_rows t JOIN span_rows s ON s.id >> 20 = t.id"):
            traces.setdefault(trace, []).append(span)
    return traces


class KillTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name

    def replay(self, db):
        return WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", db, "--quiet", "--pace", "4",
                           log=os.path.join(self.folder, "log"))

    def test_the_store_survives_every_moment(self):
        print(f"WEFT_KILLS={KILLS} WEFT_SEED={SEED} runs this again", flush=True)
        dice = random.Random(SEED)
        begun = time.monotonic()
        with self.replay(os.path.join(self.folder, "whole.db")) as weft:
            self.assertEqual(weft.wait(), 0, weft.output())
        length = time.monotonic() - begun
        whole = stored(os.path.join(self.folder, "whole.db"))
        self.assertGreater(len(whole), 500)
        killed = grown = 0
        db, before = "", {}
        for number in range(KILLS):
            if number % FRESH_EVERY == 0:
                db, before = os.path.join(self.folder, f"{number}.db"), {}
            with self.replay(db) as weft:
                time.sleep(dice.uniform(0, 1.1 * length))
                if weft.poll() is None:
                    weft.kill()
                    killed += 1
            if not os.path.exists(db):
                continue  # it had not come that far
            moment = f"moment {number}"
            if os.path.getsize(db) > 0:
                after = self.assert_whole(db, moment)
                for trace, spans in before.items():
                    self.assertLessEqual(set(spans), set(after.get(trace, [])), f"{moment}: trace {trace}")
                grown += sum(map(len, after.values())) > sum(map(len, before.values()))
                before = after
        # And whoever runs to the end has everything, once.
        with self.replay(db) as weft:
            self.assertEqual(weft.wait(), 0, weft.output())
        after = self.assert_whole(db, "the end")
        self.assertEqual({t: sorted(s) for t, s in after.items()}, {t: sorted(s) for t, s in whole.items()})
        print(f"{killed} of {KILLS} runs were killed, {grown} had stored something new")
        self.assertGreater(killed, KILLS // 2)

    def assert_whole(self, db, moment):
        with sqlite3.connect(db) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'trace_rows'").fetchone()[0]:
                return {}
        self.assertEqual(check_store(db), [], moment)
        traces = stored(db)
        for trace, spans in traces.items():
            self.assertEqual(len(spans), len(set(spans)), f"{moment}: trace {trace} has spans twice")
        with sqlite3.connect(db) as connection:
            twice = connection.execute("SELECT count(*) - count(DISTINCT trace_id) FROM trace_rows").fetchone()[0]
        self.assertEqual(twice, 0, f"{moment}: traces stored twice")
        return traces


if __name__ == "__main__":
    main()
