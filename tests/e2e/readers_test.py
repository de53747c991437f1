#!/usr/bin/env python3
"""Who else may read a store, while it is written and afterwards; and copies of it."""
import contextlib
import grp
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, WeftProcess, check_store, main, skip, wait_for

BUILD = Build(sys.argv[1])
NOBODY = 65534


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class ReadersTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        os.chmod(self.folder, 0o755)
        self.db = os.path.join(self.folder, "weft.db")
        self.group = next(g for g in grp.getgrall() if 0 < g.gr_gid < 1000 and not g.gr_mem)

    def configured(self, group):
        path = os.path.join(self.folder, "weft.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"store: {{path: {self.db}, group: {group or chr(34) * 2}}}\n")
        return path

    def writing(self, group, pace="1"):
        """A weft that writes to the store for 8 s / pace; returns when it has stored something."""
        weft = WeftProcess(BUILD, "replay", STORED_RECORDING, "--config", self.configured(group), "--pace", pace,
                           log=os.path.join(self.folder, "log"))
        self.addCleanup(weft.__exit__)
        wait_for(self.stored, weft.output)
        return weft

    def stored(self):
        try:
            with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as connection:
                return connection.execute("SELECT count(*) FROM trace_rows").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    def replayed(self, group):
        subprocess.run([BUILD.weft, "replay", STORED_RECORDING, "--config", self.configured(group), "--quiet"], check=True)

    def as_user(self, *command, groups=(), cwd=None):
        return subprocess.run([BUILD.weft, *command], user=NOBODY, group=NOBODY, extra_groups=list(groups), cwd=cwd or "/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def counted_by(self, groups=(), db=None):
        done = self.as_user("sql", "--db", db or self.db, "--format", "csv", "SELECT count(*) AS n FROM traces", groups=groups)
        return int(done.stdout.split()[-1]) if done.returncode == 0 else done.stderr

    def test_only_the_owner_reads_where_no_group_is_named(self):
        self.replayed("")
        self.assertEqual(mode(self.db), 0o600)
        words = self.counted_by()
        for part in ("Permission denied", "store.group", "weft snapshot"):
            self.assertIn(part, words)

    def test_members_of_the_group_read_while_it_is_written_and_afterwards(self):
        weft = self.writing(self.group.gr_name)
        for suffix in ("", "-wal", "-shm"):
            self.assertEqual(mode(self.db + suffix), 0o640, suffix)
            self.assertEqual(os.stat(self.db + suffix).st_gid, self.group.gr_gid, suffix)
        first = self.counted_by([self.group.gr_gid])
        self.assertGreater(first, 0)
        self.assertIn("Permission denied", self.counted_by())
        self.assertEqual(weft.wait(), 0, weft.output())
        after = self.counted_by([self.group.gr_gid])
        self.assertGreaterEqual(after, first)
        self.assertEqual(after, self.stored())
        # And the next run goes on in it, while somebody reads.
        self.replayed(self.group.gr_name)
        self.assertEqual(check_store(self.db), [])
        self.assertGreaterEqual(self.counted_by([self.group.gr_gid]), after)

    def test_members_read_what_a_killed_run_left(self):
        weft = self.writing(self.group.gr_name, pace="0.1")
        weft.kill()
        self.assertEqual(self.counted_by([self.group.gr_gid]), self.stored())

    def test_an_unknown_group_is_named(self):
        done = subprocess.run([BUILD.weft, "replay", STORED_RECORDING, "--config", self.configured("no-such-group")],
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("groupadd --system no-such-group", done.stderr)
        self.assertFalse(os.path.exists(self.db))

    def test_a_readable_store_in_a_folder_that_cannot_be_written(self):
        self.replayed("")
        os.chmod(self.db, 0o644)
        self.assertEqual(self.counted_by(), self.stored())

    def test_a_log_that_cannot_be_read_in_place_gets_clear_words(self):
        self.writing("", pace="0.1").kill()
        # A copy that somebody put there, without the log's index.
        copy = os.path.join(self.folder, "copy")
        os.mkdir(copy, 0o755)
        for suffix in ("", "-wal"):
            shutil.copy(self.db + suffix, os.path.join(copy, "weft.db" + suffix))
            os.chmod(os.path.join(copy, "weft.db" + suffix), 0o644)
        words = self.counted_by(db=os.path.join(copy, "weft.db"))
        for part in ("weft.db-wal has what the file has not", "cp ", "weft snapshot"):
            self.assertIn(part, str(words))

    def test_snapshot_is_consistent_while_the_store_is_written(self):
        weft = self.writing("", pace="0.2")
        copies = []
        while len(copies) < 4:
            before = self.stored()
            copies.append(os.path.join(self.folder, f"copy-{len(copies)}.db"))
            subprocess.run([BUILD.weft, "snapshot", "--db", self.db, copies[-1], "--quiet"], check=True)
            wait_for(lambda: weft.poll() is not None or self.stored() > before, "more that is stored")
        weft.stop()
        counts = []
        for copy in copies:
            self.assertEqual(check_store(copy), [], copy)
            self.assertEqual(mode(copy), 0o600)
            self.assertFalse(os.path.exists(copy + "-wal"))
            with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as connection:
                counts.append(connection.execute("SELECT count(*) FROM trace_rows").fetchone()[0])
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[0], 0)
        # Anybody who may read the copy can, in any folder.
        os.chmod(copies[-1], 0o444)
        self.assertEqual(self.counted_by(db=copies[-1]), counts[-1])

    def test_following_shows_each_trace_that_is_stored_meanwhile_once(self):
        weft = self.writing("", pace="0.5")
        log = os.path.join(self.folder, "followed")
        with WeftProcess(BUILD, "traces", "--db", self.db, "--follow", log=log) as follow:
            wait_for(follow.output, "the first line")
            self.assertEqual(weft.wait(), 0, weft.output())
            with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as connection:
                stored = [row[0][:16] for row in connection.execute("SELECT lower(hex(trace_id)) FROM trace_rows ORDER BY id")]
            wait_for(lambda: stored[-1] in follow.output(), "the last trace")
            follow.stop()
        shown = [line.split()[0] for line in follow.output().splitlines()]
        self.assertEqual(sorted(shown), sorted(stored[-len(shown):]))

    def test_following_failures_shows_a_trace_whose_failing_span_comes_late(self):
        self.replayed("")
        log = os.path.join(self.folder, "followed")
        with contextlib.closing(sqlite3.connect(self.db, isolation_level=None)) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(trace_rows)")]
            last, = connection.execute("SELECT max(id) FROM trace_rows").fetchone()

            def store(row, error):
                values = {"id": row, "errors": error, "trace_id": f"x'{row:016x}{0:016x}'"}
                picked = ",".join(str(values.get(column, column)) for column in columns)
                connection.execute(f"INSERT INTO trace_rows SELECT {picked} FROM trace_rows WHERE id = {last}")
                connection.execute(f"UPDATE trace_rows SET class = class % 64 + {64 * error} WHERE id = {row}")
            with WeftProcess(BUILD, "traces", "--db", self.db, "--follow", "--errors", log=log) as follow:
                row = last + 1  # until one is seen, it may not have begun to look

                def failed():
                    nonlocal row
                    row += 1
                    store(row, 1)
                    return follow.output()
                wait_for(failed, "the first line")
                late = row + 1
                store(late, 0)
                store(late + 1, 1)
                wait_for(lambda: f"{late + 1:016x}" in follow.output(), "a trace stored after it")
                connection.execute(f"UPDATE trace_rows SET errors = 1, class = class + 64 WHERE id = {late}")
                wait_for(lambda: f"{late:016x}" in follow.output(), "the trace that came to fail")
                follow.stop()
        shown = follow.output().splitlines()
        self.assertEqual(len(shown), len(set(shown)), shown)

    def test_snapshot_overwrites_nothing(self):
        self.replayed("")
        taken = os.path.join(self.folder, "taken")
        with open(taken, "w", encoding="utf-8") as file:
            file.write("mine")
        done = subprocess.run([BUILD.weft, "snapshot", "--db", self.db, taken], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is there already", done.stderr)


if __name__ == "__main__":
    if os.geteuid() != 0:
        skip("only root can become another user")
    main()
