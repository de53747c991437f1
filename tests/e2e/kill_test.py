#!/usr/bin/env python3
"""kill -9 at random moments of a run, and in the midst of its writes: the store opens, no stored trace is lost, none is
double.

  kill_test.py BUILD_DIR            20 moments; WEFT_KILLS=200 WEFT_SEED=7 as many as wanted, the same again

In the midst of a write means: strace kills at the n-th call of a kind on the store's files, before it is done. What is
written to the log is a commit, what is written to the file itself a checkpoint, and of a store of an older schema the
first ones are its migration; a store of a few hundred kilobytes is in retention all the time.
"""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from e2e import HERE, PATIENCE, STORED_RECORDING, Build, WeftProcess, check_store, main

BUILD = Build(sys.argv[1])
KILLS = int(os.environ.get("WEFT_KILLS", "20"))
SEED = int(os.environ.get("WEFT_SEED", str(random.randrange(1 << 30))))
MEASURE_EVERY = 10
FRESH_EVERY = 5  # runs into one file: the later ones mostly meet what is stored already


def stored(db):
    """Trace id -> span ids. Opening it is a recovery of SQLite's."""
    traces = {}
    with sqlite3.connect(db) as connection:
        for trace, span in connection.execute(
                "SELECT hex(t.trace_id), s.span_id FROM trace_rows t JOIN span_rows s ON s.id >> 20 = t.id"):
            traces.setdefault(trace, []).append(span)
    return traces


def tracing_problem():
    """Why strace cannot kill a child here; None if it can. Containers often forbid ptrace."""
    if not shutil.which("strace"):
        return "strace is not here (apt-get install strace)"
    done = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {done.stderr.strip()}" if done.returncode else None


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
        killed = grown = number = 0
        db, before = "", {}
        while killed < KILLS and number < 3 * KILLS:
            number += 1
            if number % FRESH_EVERY == 1:
                db, before = os.path.join(self.folder, f"{number}.db"), {}
            begun = time.monotonic()
            with self.replay(db) as weft:
                # Now and then one runs to its end: how long that takes changes with what else the machine does.
                until = begun + (PATIENCE if number % MEASURE_EVERY == 0 else dice.uniform(0, 1.1 * length))
                while weft.poll() is None and time.monotonic() < until:
                    time.sleep(0.002)
                if weft.poll() is None:
                    weft.kill()
                    killed += 1
                else:
                    length = time.monotonic() - begun
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
        print(f"{killed} of {number} runs were killed, {grown} had stored something new")
        self.assertEqual(killed, KILLS)

    def traced(self, db, paths, calls, nth=None, config=None):
        """A replay into db under strace, killed at the nth of these calls on these paths. How many there were."""
        log = os.path.join(self.folder, "strace")
        command = ["strace", "-f", "-qq", "-o", log, *(x for path in paths for x in ("-P", path)), "-e", f"trace={calls}"]
        if nth:
            command += ["-e", f"inject={calls}:signal=SIGKILL:when={nth}"]
        where = ["--config", config] if config else ["--db", db]
        code = subprocess.run([*command, BUILD.weft, "replay", STORED_RECORDING, *where, "--quiet"], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        with open(log, encoding="utf-8", errors="replace") as file:
            return code, sum("(" in line for line in file)

    def killed_in(self, name, calls, suffixes, prepare=lambda db: None, config=None, kept=True, first=None):
        """KILLS / 4 runs that are killed at random calls of this kind, of the first ones where so many are named; each
        store is looked at, and some are run to their end."""
        dice = random.Random(f"{SEED} {name}")
        db = os.path.join(self.folder, f"{name}.db")

        def fresh():
            for suffix in ("", "-wal", "-shm", "-lock"):
                if os.path.exists(db + suffix):
                    os.unlink(db + suffix)
            prepare(db)

        paths = [db + suffix for suffix in suffixes]
        fresh()
        code, count = self.traced(db, paths, calls, config=config)
        self.assertEqual(code, 0)
        self.assertGreater(count, 2, f"{name}: no such calls")
        whole = stored(db)
        killed = 0
        for number in range(max(KILLS // 4, 3)):
            fresh()
            nth = dice.randrange(1, min(count, first or count) + 1)
            code = self.traced(db, paths, calls, nth, config)[0]
            moment = f"{name}: {calls} number {nth} of about {count}"
            self.assertIn(code, (0, -signal.SIGKILL), f"{moment}: it ended by itself")
            killed += code != 0
            before = self.assert_whole(db, moment) if os.path.exists(db) and os.path.getsize(db) else {}
            if number % FRESH_EVERY:
                continue
            self.assertEqual(self.traced(db, paths, calls, config=config)[0], 0, moment)
            after = self.assert_whole(db, moment)
            if not kept:
                continue
            for trace, spans in before.items():
                self.assertLessEqual(set(spans), set(after.get(trace, [])), f"{moment}: trace {trace}")
            self.assertEqual({t: sorted(x) for t, x in after.items()}, {t: sorted(x) for t, x in whole.items()}, moment)
        print(f"{name}: {killed} killed, {count} calls in a whole run", flush=True)
        self.assertGreater(killed, 0)

    def test_the_store_survives_in_the_midst_of_its_writes(self):
        if problem := tracing_problem():
            print(f"SKIPPED: {problem}", flush=True)
            self.skipTest(problem)
        print(f"WEFT_KILLS={KILLS} WEFT_SEED={SEED} runs this again", flush=True)

        def old_store(db):
            folder = os.path.join(HERE, "..", "..", "sql", "schema")
            with sqlite3.connect(db) as connection:
                with open(os.path.join(folder, "0001_store.sql"), encoding="utf-8") as file:
                    connection.executescript(file.read())
                connection.execute("PRAGMA application_id = 0x77656674")
                connection.execute("PRAGMA user_version = 1")

        small = os.path.join(self.folder, "small.yaml")
        with open(small, "w", encoding="utf-8") as file:
            file.write(f"store: {{path: {os.path.join(self.folder, 'retention.db')}, max_bytes: 1MB}}\n")
        self.killed_in("commit", "pwrite64", ("-wal",))
        self.killed_in("checkpoint", "pwrite64", ("",))
        self.killed_in("sync", "fdatasync,fsync", ("", "-wal"))
        self.killed_in("migration", "pwrite64", ("", "-wal", "-journal"), old_store, first=60)
        self.killed_in("retention", "pwrite64", ("", "-wal"), config=small, kept=False)

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
