#!/usr/bin/env python3
"""What `weft doctor` finds wrong with a store, its disk, plugins and run; and that the command which it gives mends it.

No kernel programs are needed: the store is a recording's, and then something is done to it. Whether processes are
traced is told beside a live run, in doctor_test.py; capabilities are taken away in privileges_test.py.
"""
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from e2e import DENIED, STORED_RECORDING, Build, WeftProcess, main, replay

BUILD = Build(sys.argv[1])
UNHEALTHY = 5
NOBODY = 65534


class DoctorFindingsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        cls.whole = os.path.join(cls.shared.name, "whole.db")
        replay(BUILD, STORED_RECORDING, cls.whole, "--quiet")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        self.db = os.path.join(self.folder, "weft.db")
        self.plugins = os.path.join(BUILD.path, "plugins")

    def doctor(self, db=None, **more):
        """(exit code, check by name: what is worst of that name, all of the JSON)"""
        command = [BUILD.weft, "doctor", "--db", db or self.db, "--plugin-dir", self.plugins]
        done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False, **more)
        told = json.loads(done.stdout)
        self.assertEqual(told["exit_code"], done.returncode)
        order = ("ok", "warn", "fail")
        checks = {}
        for check in sorted(told["checks"], key=lambda c: order.index(c["state"])):
            checks[check["name"]] = check
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **more)
        self.assertEqual(text.returncode, done.returncode)
        for check in told["checks"]:  # people read the same, with the remedy where there is something to mend
            if check["state"] == "ok":
                continue
            self.assertIn({"warn": "warn", "fail": "FAIL"}[check["state"]] + f"  {check['name']} ", text.stdout)
            if check["remedy"]:
                self.assertIn(f"-> {check['remedy']}\n", text.stdout)
        return done.returncode, checks, told

    def assert_code(self, code, expected):
        """Where the host itself lets nobody trace, that is the exit code, whatever else there is."""
        bare = subprocess.run([BUILD.weft, "doctor", "--db", os.path.join(self.shared.name, "none.db")],
                              stdout=subprocess.DEVNULL, check=False).returncode
        self.assertEqual(code, DENIED if bare == DENIED else expected)

    def store(self, *statements):
        shutil.copy(self.whole, self.db)
        with sqlite3.connect(self.db) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def found(self, name, state, words, remedy, code):
        """The finding is there; its check."""
        got, checks, _ = self.doctor()
        self.assertIn(name, checks)
        check = checks[name]
        self.assertEqual(check["state"], state, check)
        self.assertIn(words, check["detail"])
        self.assertIn(remedy, check["remedy"])
        self.assert_code(got, code)
        return check

    def mend(self, name, check):
        """Does what the remedy says, in a shell; the finding must be gone."""
        path = f"{os.path.dirname(BUILD.weft)}:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", check["remedy"]], env=dict(os.environ, PATH=path), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        _, checks, _ = self.doctor()
        self.assertEqual(checks[name]["state"], "ok", f"{check['remedy']}: {done.stdout}\n{checks[name]}")
        return done.stdout

    def test_a_store_that_is_well_is_no_finding(self):
        self.store()
        code, checks, told = self.doctor()
        self.assert_code(code, 0)
        for name in ("store", "ledger", "sink sqlite", "plugins", "disk"):
            self.assertEqual(checks[name]["state"], "ok", checks[name])
        self.assertRegex(checks["store"]["detail"], r"\d+ traces, 8984 spans, ")
        self.assertTrue(all(identity["holds"] for identity in told["identities"]))
        self.assertEqual(told["counters"]["sink.rows{sink=sqlite}"], 8984)

    def test_no_store_is_no_finding(self):
        code, checks, _ = self.doctor()
        self.assert_code(code, 0)
        self.assertIn("not there yet", checks["store"]["detail"])

    def test_a_damaged_store_is_recovered_by_the_command_given(self):
        self.store()
        with sqlite3.connect(self.db) as connection:  # of what every reader asks first, so that it cannot be missed
            page, size = connection.execute("SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master"
                                            " WHERE name = 'operations'").fetchone()
        connection.close()
        os.chmod(self.db, 0o640)
        with open(self.db, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)
        check = self.found("store", "fail", "malformed", f"weft recover --replace {self.db}", UNHEALTHY)
        self.assertIn("not those with ids", self.mend("store", check))
        self.assertTrue(os.path.exists(self.db + ".bad"))
        self.assertEqual(os.stat(self.db).st_mode & 0o777, 0o640)
        # One that was kept is not written over.
        done = subprocess.run([BUILD.weft, "recover", "--replace", self.db], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{self.db}.bad is there already", done.stderr)

    def test_a_store_of_which_nothing_can_be_read_is_called_so(self):
        self.store()
        with open(self.db, "r+b") as file:
            file.seek(200)
            file.write(b"\xa5" * 4096 * 40)
        self.found("store", "fail", "malformed", "weft recover", UNHEALTHY)
        done = subprocess.run([BUILD.weft, "recover", "--replace", self.db], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing can be rescued", done.stderr)
        self.assertFalse(os.path.exists(self.db + ".rescued"))

    def test_a_store_that_is_written_is_not_replaced(self):
        self.store()
        with WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, "--pace", "0.1", log=os.path.join(self.folder, "log")) as weft:
            weft.wait_until_it_says("replaying")
            done = subprocess.run([BUILD.weft, "recover", "--replace", self.db], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{weft.pid}", done.stderr)

    def test_a_store_of_a_newer_weft_is_moved_away(self):
        self.store("PRAGMA user_version = 999")
        self.mend("store", self.found("store", "fail", "newer weft (schema 999", f"mv {self.db} {self.db}.bad", UNHEALTHY))
        self.assertTrue(os.path.exists(self.db + ".bad"))

    def test_a_file_of_something_else_is_moved_away(self):
        with sqlite3.connect(self.db) as connection:
            connection.execute("CREATE TABLE mine(x)")
        connection.close()
        self.mend("store", self.found("store", "fail", "not a weft store", f"mv {self.db} ", UNHEALTHY))

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_who_may_not_read_the_store_is_told_who_may(self):
        self.store()
        os.chmod(self.folder, 0o755)
        _, checks, _ = self.doctor(user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(checks["store"]["state"], "fail")
        self.assertIn("store.group", checks["store"]["detail"])
        self.assertEqual(checks["store"]["remedy"], f"sudo weft doctor --db {self.db}")

    def test_a_folder_that_is_missing_is_made(self):
        self.db = os.path.join(self.folder, "not", "there", "weft.db")
        self.mend("disk", self.found("disk", "fail", "not there", "mkdir -p ", UNHEALTHY))

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a small disk")
    def test_a_disk_that_is_nearly_full(self):
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "weft-test", disk], check=False).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=False)
        self.db = os.path.join(disk, "weft.db")
        self.found("disk", "fail", "free at ", "store.path", UNHEALTHY)
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        self.found("disk", "warn", "free at ", "store.max_bytes", 0)

    def test_plugins_that_are_not_there_or_broken(self):
        self.plugins = os.path.join(self.folder, "plugins")
        os.mkdir(self.plugins)
        self.found("plugins", "fail", f"none in {self.plugins}", "--plugin-dir", UNHEALTHY)
        for name in ("weft-exporter-sqlite.so", "weft-sampler-head.so"):
            shutil.copy(os.path.join(BUILD.path, "plugins", name), self.plugins)
        broken = os.path.join(self.plugins, "weft-sampler-mine.so")
        with open(broken, "wb") as file:
            file.write(b"no library")
        self.found("plugin mine", "fail", "weft-sampler-mine.so", "remove the file", UNHEALTHY)
        os.unlink(broken)
        _, checks, _ = self.doctor()
        self.assertEqual(checks["plugins"]["state"], "ok")
        self.assertNotIn("plugin mine", checks)

    def test_a_ledger_that_does_not_add_up_is_to_be_reported(self):
        self.store("UPDATE ledger_rows SET value = value - 7 WHERE name = 'stitch.emitted'")
        check = self.found("ledger", "fail", "unexplained ", "weft doctor --json", UNHEALTHY)
        self.assertNotIn("unexplained 0", check["detail"])

    def test_what_was_lost_is_told_with_what_would_have_kept_it(self):
        for counter, remedy in (("kernel.ring_full", "sources.ebpf.ring_bytes"), ("kernel.map_full", "sources.ebpf.include"),
                                ("agent.gap_bytes", "`hooks` above"), ("kernel.uring_calls", "sources.ebpf.hooks: socket")):
            with self.subTest(counter):
                count = "INSERT OR REPLACE INTO ledger_rows SELECT max(id), '{}', 5 FROM runs"
                seen = "kernel.seen" if counter.endswith("_full") else counter
                self.store(count.format(counter), count.format(seen))
                self.found("ledger", "warn", "unexplained 0", remedy, 0)

    def test_a_sink_that_gave_spans_up_is_named_with_where_it_says_why(self):
        self.store("UPDATE ledger_rows SET value = value - 9 WHERE name = 'sink.rows{sink=sqlite}'",
                   "UPDATE ledger_rows SET value = 9 WHERE name = 'sink.dropped{sink=sqlite}'")
        self.found("sink sqlite", "warn", "9 given up", "journalctl -u weft | grep 'exporter sqlite'", 0)

    def test_a_run_that_was_killed_is_called_so(self):
        self.store(f"UPDATE runs SET ended = 0, updated_ns = {time.time_ns() - 3600 * 10**9}")
        _, checks, _ = self.doctor()
        self.assertIn("it was killed: the last word is ", checks["ledger"]["detail"])

    def test_a_clock_that_was_set_back(self):
        self.store(f"UPDATE trace_rows SET start_ns = {time.time_ns() + 7200 * 10**9} WHERE id = 1")
        self.found("clock", "warn", "in the future", "timedatectl set-ntp true", 0)

    def test_each_process_that_is_not_traced_is_told_why(self):
        # A run that goes on, and knows nothing of a server that listens.
        self.store(f"UPDATE runs SET ended = 0, started_ns = {time.time_ns() - 3600 * 10**9}, updated_ns = {time.time_ns()}")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            _, _, told = self.doctor()
            mine = [p for p in told["processes"] if p["pid"] == os.getpid()]
            self.assertEqual([(p["tracing"], p["ports"]) for p in mine], [("not seen", port)])
            self.assertIn("listens, and nobody is connected", mine[0]["why"])
            with socket.create_connection(server.getsockname()):
                _, _, told = self.doctor()
                mine = [p for p in told["processes"] if p["pid"] == os.getpid()]
                self.assertIn("no exchange has ended on its connections yet", mine[0]["why"])
            # And once nobody watches any more, how to begin.
            with sqlite3.connect(self.db) as connection:
                connection.execute("UPDATE runs SET ended = 1")
            connection.close()
            _, _, told = self.doctor()
            mine = [p for p in told["processes"] if p["pid"] == os.getpid()]
            self.assertEqual(mine[0]["remedy"], "weft run")


if __name__ == "__main__":
    main()
