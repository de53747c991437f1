#!/usr/bin/env python3
"""SIGHUP: `weft run` reads its configuration again under load and loses nothing over it."""
import os
import signal
import sqlite3
import sys
import tempfile

from e2e import (BackgroundLoad, Build, WeftRun, WithShop, bpf_problem, check_store, main, read_ledger, reconcile,
                 run_load, skip, wait_for)

BUILD = Build(sys.argv[1])


class ReloadTest(WithShop):
    build = BUILD

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.db = os.path.join(directory.name, "weft.db")
        self.log = os.path.join(directory.name, "log")
        self.file = os.path.join(directory.name, "weft.yaml")

    def configure(self, text, exclude="shop-load", more=""):
        # In one step, as editors do it.
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(f"sources: {{ebpf: {{exclude: {{processes: [{exclude}]}}}}}}\nstore: {{path: {self.db}}}\n"
                       f"samplers: [{text}]\n{more}")
        os.rename(self.file + ".new", self.file)

    def start(self):
        weft = WeftRun(BUILD, "--config", self.file, log=self.log)
        self.addCleanup(weft.__exit__)
        weft.wait_until_tracing()
        return weft

    def reload(self, weft, says):
        before = weft.output().count(says)
        weft.signal(signal.SIGHUP)
        wait_for(lambda: weft.output().count(says) > before, weft.output)

    def query(self, sql):
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as connection:
            return connection.execute(sql).fetchall()

    def assert_nothing_was_lost(self):
        self.assertEqual(check_store(self.db), [])
        ledger = reconcile(read_ledger(self.db))
        self.assertEqual((ledger["unexplained"], ledger["lost"]), (0, 0), ledger)
        return ledger

    def test_chains_change_under_load_and_the_ledger_reconciles(self):
        self.configure("")
        weft = self.start()
        with BackgroundLoad(BUILD, self.shop.port):
            for round_number in range(6):
                run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 150, "--no-truth")
                sampler = ("{name: head, config: {ratio: 0.5}}", "", "{name: rate, config: {traces_per_second: 5}}")
                chain = "" if round_number % 2 else "correlators: [context, thread, delay]\n"
                self.configure(sampler[round_number % 3], more=chain)
                self.reload(weft, "configuration read again: correlators, samplers changed")
            run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 150, "--no-truth")
        self.assertEqual(weft.stop(), 0, weft.output())
        ledger = self.assert_nothing_was_lost()
        self.assertGreater(ledger["stored"], 0)
        self.assertGreater(ledger["sampled_out"], 0)
        self.assertEqual(read_ledger(self.db)["config.reloads"], 6)

    def test_a_wrong_file_changes_nothing_and_is_named(self):
        self.configure("{name: head, config: {ratio: 0.0}}")
        weft = self.start()
        self.configure("{name: haed}")
        self.reload(weft, "the configuration in force stays")
        self.assertIn('did you mean "sampler head"', weft.output())
        self.configure("", more="partitons: 3\n")
        self.reload(weft, "the configuration in force stays")
        self.assertIn("weft.yaml:4: partitons: unknown key; did you mean 'partitions'?", weft.output())
        self.configure("{name: head, config: {ratio: 7}}")
        self.reload(weft, "the configuration in force stays")
        run_load(BUILD, self.shop.port, "--concurrency", 8, "--count", 200, "--no-truth")
        self.assertEqual(weft.stop(), 0, weft.output())
        self.assertEqual(self.query("SELECT count(*) FROM trace_rows"), [(0,)])
        self.assertGreater(self.assert_nothing_was_lost()["sampled_out"], 0)
        self.assertEqual(read_ledger(self.db)["config.reloads_refused"], 3)

    def test_what_needs_a_restart_is_named(self):
        self.configure("")
        weft = self.start()
        self.configure("", more="partitions: 3\nmetrics: {listen: '127.0.0.1:0'}\n")
        self.reload(weft, "needs a restart: partitions, metrics.listen")
        self.assertIn("nothing to change", weft.output())
        self.assertEqual(weft.stop(), 0, weft.output())

    def test_processes_can_be_left_out_and_let_in(self):
        self.configure("", exclude="shop-load, nginx")
        weft = self.start()
        run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 100, "--no-truth")
        self.configure("", exclude="shop-load")
        self.reload(weft, "sources.ebpf.exclude.processes changed")
        run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 100, "--no-truth")
        self.assertEqual(weft.stop(), 0, weft.output())
        served = self.query(f"SELECT count(*) FROM spans WHERE kind = 'SERVER' AND local_port = {self.shop.port}")[0][0]
        self.assertGreaterEqual(served, 95)
        self.assertLess(served, 150)
        self.assert_nothing_was_lost()

    def test_without_a_file_a_hang_up_is_an_orderly_end(self):
        weft = WeftRun(BUILD, "--db", self.db, "--exclude-process", "shop-load", log=self.log)
        self.addCleanup(weft.__exit__)
        weft.wait_until_tracing()
        run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 50, "--no-truth")
        weft.signal(signal.SIGHUP)
        self.assertEqual(weft.wait(), 0, weft.output())
        self.assertGreater(self.query("SELECT count(*) FROM trace_rows")[0][0], 40)


if __name__ == "__main__":
    if problem := bpf_problem(BUILD):
        skip(problem, needs="bpf")
    main()
