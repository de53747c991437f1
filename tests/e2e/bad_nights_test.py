#!/usr/bin/env python3
"""What an operator sees when things go wrong around weft, and that nothing is lost that need not be.

Recordings are replayed, so that no rights are needed but for mounts and cgroups. What happens inside the
sink, the loader and the engine has its own tests: tests/unit/sinks/sqlite_failure_test.cc,
tests/unit/plugin, tests/unit/graph.
"""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from e2e import HERE, STORED_RECORDING, Build, WeftProcess, check_store, main, read_ledger, wait_for

BUILD = Build(sys.argv[1])
ROOT = os.path.join(HERE, "..", "..")
SPANS = 8984  # of the recording

CRASHES = """
#include <stdlib.h>
#include "engine/api/plugin_abi.h"
static int32_t decide(void *instance, const weft_spans *spans, const weft_traces *traces, weft_decisions *out,
                      weft_error *error) { HOW; return WEFT_OK; }
static int32_t create(const weft_host *host, weft_str config, void **instance, weft_error *error) {
  *instance = (void *)&create; return WEFT_OK; }
static void destroy(void *instance) {}
static const weft_sampler operations = {.struct_size = sizeof operations, .decide = decide};
static const weft_plugin table = {sizeof table, WEFT_ABI_MAJOR, WEFT_ABI_MINOR, WEFT_PLUGIN_SAMPLER, "NAME", "1.0.0",
                                  "{}", create, destroy, &operations};
WEFT_EXPORT const weft_plugin *weft_plugin_v1(void) { return &table; }
"""


def weft(*arguments, **more):
    done = subprocess.run([BUILD.weft, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    return done.returncode, done.stdout


class BadNight(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        self.db = os.path.join(self.folder, "weft.db")
        self.log = os.path.join(self.folder, "log")

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def assert_everything_is_stored(self, db=None):
        self.assertEqual(check_store(db or self.db), [])
        ledger = read_ledger(db or self.db)
        self.assertEqual(ledger["sink.rows{sink=sqlite}"], SPANS)
        self.assertEqual(ledger.get("sink.dropped{sink=sqlite}", 0), 0)


class RecordingTest(BadNight):
    def setUp(self):
        super().setUp()
        with open(STORED_RECORDING, "rb") as file:
            self.recording = file.read()

    def test_one_that_ends_early_gives_what_it_has_and_says_so(self):
        path = self.file("cut", self.recording[:len(self.recording) // 2])
        code, said = weft("replay", path, "--db", self.db)
        self.assertEqual(code, 1, said)
        self.assertIn("the file ends inside a record", said)
        self.assertEqual(check_store(self.db), [])
        self.assertGreater(read_ledger(self.db)["sink.rows{sink=sqlite}"], 2000)

    def test_damage_in_the_middle_costs_one_record(self):
        broken = bytearray(self.recording)
        for at in range(len(broken) // 2, len(broken) // 2 + 20):
            broken[at] ^= 0xff
        code, said = weft("replay", self.file("flipped", broken), "--db", self.db)
        self.assertEqual(code, 1, said)
        self.assertIn("a record's content is damaged; it is skipped; 1 records skipped", said)
        self.assertGreater(read_ledger(self.db)["sink.rows{sink=sqlite}"], 0.9 * SPANS)

    def test_a_replay_that_was_stopped_is_not_repeated_into_the_same_store(self):
        with WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, "--pace", "0.1", log=self.log) as process:
            wait_for(lambda: self.observed() > 100, process.output)
            self.assertEqual(process.stop(), 0, process.output())
        self.assertLess(read_ledger(self.db)["sink.rows{sink=sqlite}"], SPANS)
        code, said = weft("replay", STORED_RECORDING, "--db", self.db)
        self.assertEqual(code, 2, said)
        for words in ("has a part of this recording", "--db"):
            self.assertIn(words, said)
        other = os.path.join(self.folder, "other.db")
        for _ in range(2):  # one that came to its end may be repeated: it finds all of it there
            self.assertEqual(weft("replay", STORED_RECORDING, "--db", other)[0], 0)
        self.assertEqual(check_store(other), [])

    def test_a_replay_that_is_stopped_and_then_killed_has_said_so_in_its_store(self):
        with WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, "--pace", "0.1", log=self.log) as process:
            wait_for(lambda: self.observed() > 100, process.output)
            process.signal(signal.SIGTERM)
            process.wait_until_it_says("writing out")  # from here on things are decided early
            process.kill()
        code, said = weft("replay", STORED_RECORDING, "--db", self.db)
        self.assertEqual(code, 2, said)
        self.assertIn("has a part of this recording", said)

    def observed(self):
        try:
            return read_ledger(self.db).get("agent.observed", 0)
        except sqlite3.OperationalError:  # it is not there yet
            return 0

    def test_what_is_no_recording_is_named(self):
        for content, words in ((b"", "is empty"), (b"hello\n", "neither a recording of weft nor traces")):
            code, said = weft("replay", self.file("other", content), "--db", self.db)
            self.assertEqual(code, 2, said)
            self.assertIn(words, said)


class StoreTest(BadNight):
    def replay(self, *options):
        process = WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, *options, log=self.log)
        self.addCleanup(process.__exit__)
        return process

    def test_a_locked_store_is_waited_for(self):
        process = self.replay("--pace", "0.5")
        process.wait_until_it_says("replaying")
        other = sqlite3.connect(self.db, isolation_level=None, timeout=30, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        self.addCleanup(other.close)
        # sqlite3's own patience is 2 s: after that the batch is brought again.
        process.wait_until_it_says("retries a batch")
        self.assertIn("database is locked", process.output())
        other.execute("ROLLBACK")
        self.assertEqual(process.wait(), 0, process.output())
        self.assert_everything_is_stored()

    def test_a_newer_schema_is_refused_and_left_alone(self):
        self.assertEqual(weft("replay", STORED_RECORDING, "--db", self.db, "--quiet")[0], 0)
        with sqlite3.connect(self.db) as connection:
            connection.execute("PRAGMA user_version = 999")
        for command in (("traces", "--db", self.db), ("replay", STORED_RECORDING, "--db", self.db)):
            code, said = weft(*command)
            self.assertEqual(code, 2, said)
            self.assertIn("newer weft (schema 999", said)

    def test_what_is_left_of_a_damaged_store_is_read_and_the_rest_named(self):
        self.assertEqual(weft("replay", STORED_RECORDING, "--db", self.db, "--quiet")[0], 0)
        # Pages of spans, wherever this run has put them.
        with sqlite3.connect(self.db) as connection:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            try:
                leaves = connection.execute("SELECT pageno FROM dbstat WHERE name = 'span_rows' AND pagetype = 'leaf'"
                                            " ORDER BY path").fetchall()
            except sqlite3.OperationalError as error:
                self.skipTest(f"this SQLite does not tell where its pages are: {error}")
        with open(self.db, "r+b") as file:
            for part in (3, 5, 7):
                file.seek((leaves[len(leaves) * part // 10][0] - 1) * page)
                file.write(b"\xa5" * page)
        code, said = weft("sql", "--db", self.db, "SELECT count(*), max(attributes) FROM spans")
        self.assertEqual(code, 1, said)
        self.assertIn("weft recover", said)
        code, said = weft("doctor", "--db", self.db)
        self.assertIn("weft recover", said)
        rescued = os.path.join(self.folder, "rescued.db")
        code, said = weft("recover", self.db, rescued)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, r"not those with ids \d+\.\.")
        self.assertEqual(check_store(rescued), [])
        with sqlite3.connect(rescued) as connection:
            spans = connection.execute("SELECT count(*) FROM span_rows").fetchone()[0]
        self.assertGreater(spans, SPANS // 2)
        self.assertLess(spans, SPANS)
        code, said = weft("traces", "--db", rescued)
        self.assertEqual(code, 0, said)
        self.assertEqual(weft("recover", rescued, os.path.join(self.folder, "again.db"))[0], 0)

    def test_a_full_disk_is_waited_for_and_space_is_enough_to_go_on(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "weft-test", disk], check=False).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=False)
        self.db = os.path.join(disk, "weft.db")
        process = self.replay("--stop-timeout", "2m")
        process.wait_until_it_says("retries a batch")
        self.assertIn("disk is full", process.output())
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        self.assertEqual(process.wait(), 0, process.output())
        self.assert_everything_is_stored()


@unittest.skipUnless(shutil.which("cc"), "no C compiler here")
class PluginTest(BadNight):
    def setUp(self):
        super().setUp()
        self.plugins = os.path.join(self.folder, "plugins")
        shutil.copytree(os.path.join(BUILD.path, "plugins"), self.plugins)

    def plugin(self, name, how):
        source = self.file(f"{name}.c", CRASHES.replace("HOW", how).replace("NAME", name).encode())
        subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-I", ROOT, "-o",
                        os.path.join(self.plugins, f"weft-sampler-{name}.so"), source], check=True)

    def replay_with(self, name):
        config = self.file("weft.yaml", f"samplers: [{name}]\nplugin_dir: {self.plugins}\n".encode())
        return weft("replay", STORED_RECORDING, "--db", self.db, "--config", config)

    def test_one_that_crashes_is_named_and_what_is_stored_stays_whole(self):
        for name, how, signal in (("crash", "*(volatile int *)0 = 1", "SIGSEGV"), ("abort", "abort()", "SIGABRT")):
            self.plugin(name, how)
            code, said = self.replay_with(name)
            self.assertLess(code, 0, said)
            self.assertIn(f"crashed ({signal}) in the plugin {self.plugins}/weft-sampler-{name}.so", said)
            self.assertEqual(check_store(self.db), [])
        self.assertEqual(weft("replay", STORED_RECORDING, "--db", self.db, "--quiet")[0], 0)
        self.assertEqual(check_store(self.db), [])

    def test_one_that_fails_keeps_everything_and_is_counted(self):
        self.plugin("fails", "return WEFT_FAILED")
        code, said = self.replay_with("fails")
        self.assertEqual(code, 0, said)
        self.assert_everything_is_stored()
        self.assertGreater(read_ledger(self.db)["trace.sampler_failures"], 0)

    def test_one_that_is_missing_or_broken_is_named_before_anything_is_written(self):
        code, said = self.replay_with("haed")
        self.assertEqual(code, 2, said)
        self.assertIn('did you mean "sampler head"', said)
        self.file(os.path.join("plugins", "weft-sampler-broken.so"), b"no library")
        code, said = self.replay_with("broken")
        self.assertEqual(code, 2, said)
        self.assertIn("weft-sampler-broken.so", said)


class MemoryTest(BadNight):
    def group(self, bytes_):
        """A memory cgroup with that limit; its cgroup.procs."""
        for mount, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            path = f"{mount}/weft-test-{os.getpid()}"
            try:
                os.mkdir(path)
                self.addCleanup(os.rmdir, path)
                with open(os.path.join(path, limit), "w", encoding="ascii") as file:
                    file.write(str(bytes_))
                return os.path.join(path, "cgroup.procs")
            except OSError:
                continue
        self.skipTest("no memory cgroup can be made here")

    def test_queues_are_made_to_fit_a_limit_and_nobody_is_killed(self):
        procs = self.group(160 << 20)
        process = WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, log=self.log,
                              prefix=("sh", "-c", f'echo $$ > {procs}; exec "$@"', "-"))
        self.addCleanup(process.__exit__)
        self.assertEqual(process.wait(), 0, process.output())
        self.assertIn("the cgroup's memory limit is 168MB: queues are made smaller", process.output())
        self.assert_everything_is_stored()
        self.assertLessEqual(read_ledger(self.db)["memory.queue_bytes"], 90 << 20)
        self.assertLess(process.rss_mb, 160)

    def test_an_agent_fits_its_queues_to_a_limit_before_any_broker_answers(self):
        procs = self.group(128 << 20)
        process = WeftProcess(BUILD, "agent", "--brokers", "127.0.0.1:1", "--replay", STORED_RECORDING, log=self.log,
                              prefix=("sh", "-c", f'echo $$ > {procs}; exec "$@"', "-"))
        self.addCleanup(process.__exit__)
        process.wait_until_it_says("the cgroup's memory limit is 134MB: queues are made smaller, 67.1MB in all")
        process.stop()

    def test_queues_shrink_while_memory_is_short_and_grow_again(self):
        procs = self.group(1 << 30)
        into = ("sh", "-c", f'echo $$ > {procs}; exec "$@"', "-")
        process = WeftProcess(BUILD, "replay", STORED_RECORDING, "--db", self.db, "--pace", "0.01", "--metrics",
                              "127.0.0.1:0", log=self.log, prefix=into)
        self.addCleanup(process.__exit__)
        process.wait_until_it_says("metrics: ")
        address = re.search(r"metrics: (\S+)", process.output()).group(1)

        def queues():
            with urllib.request.urlopen(address, timeout=10) as answer:
                return float(re.search(r"^weft_memory_queue_bytes (\S+)", answer.read().decode(), re.M).group(1))

        whole = queues()
        hog = subprocess.Popen([*into, sys.executable, "-c", "b = b'x' * (900 << 20); print('has it', flush=True); input()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(hog.wait)
        self.addCleanup(hog.kill)
        self.assertEqual(hog.stdout.readline(), b"has it\n")
        wait_for(lambda: queues() < whole / 4, lambda: f"smaller queues than {queues()}")
        self.assertIn("memory is short", process.output())
        hog.communicate(b"\n")
        wait_for(lambda: queues() == whole, lambda: f"queues of {whole}, not {queues()}")
        self.assertIn("memory suffices again", process.output())
        process.stop()
        self.assertGreater(read_ledger(self.db)["memory.shrunk"], 0)


if __name__ == "__main__":
    main()
