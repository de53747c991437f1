#!/usr/bin/env python3
"""Traces the live shop for some seconds: nothing is lost, nothing is left unexplained, links are right."""
import os
import sys
import tempfile
import unittest

import truth
from e2e import Build, Shop, ShopError, WeftRun, check_store, main, phase_roots, read_ledger, run_load, skip
from e2e import bpf_problem, reconcile

BUILD = Build(sys.argv[1])

# Floors that hold on a busy machine; `make demo` shows what is usual. They judge correlators that have
# seen the shop: what they learn from is an unjudged phase before.
FLOORS = {1: {"span_accuracy": 0.99, "trace_exact": 0.95}, 8: {"span_accuracy": 0.80, "trace_exact": 0.30}}
SECONDS = {1: 6, 8: 3}
WARM_UP = 2  # at once, for the first phase


class LiveTraceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.db = os.path.join(cls.directory.name, "weft.db")
        cls.load = {}
        try:
            shop = Shop(BUILD.e2e)
            shop.start()
        except ShopError as error:
            skip(str(error))
        try:
            with WeftRun(BUILD, "--db", cls.db, "--capture-truth", "--exclude-process", "shop-load",
                         log=os.path.join(cls.directory.name, "log")) as weft:
                weft.wait_until_tracing()
                for concurrency in (WARM_UP, *FLOORS):
                    first, _ = phase_roots(concurrency)
                    cls.load[concurrency] = run_load(BUILD, shop.port, "--concurrency", concurrency, "--duration",
                                                     SECONDS.get(concurrency, 3), "--first-truth", first)
                weft.stop()
                cls.code, cls.output = weft.code, weft.output()
        finally:
            shop.stop()

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_weft_ends_in_order(self):
        self.assertEqual(self.code, 0, self.output)

    def test_ledger_reconciles_to_the_unit(self):
        ledger = reconcile(read_ledger(self.db))
        self.assertEqual(ledger["unexplained"], 0, read_ledger(self.db))
        self.assertEqual(ledger["lost"], 0, read_ledger(self.db))
        self.assertGreater(ledger["stored"], 0)

    def test_store_is_consistent(self):
        self.assertEqual(check_store(self.db), [])

    def test_every_request_has_a_root(self):
        spans = truth.read_spans(self.db)
        roots = {truth.root_number(s.truth) for s in spans if s.truth and not s.parent_id}
        for concurrency, load in self.load.items():
            first, _ = phase_roots(concurrency)
            missing = set(range(first, first + load["sent"])) - roots
            self.assertEqual(missing, set())

    def test_links_between_processes_are_right(self):
        score = truth.judge(self.db)
        self.assertGreaterEqual(score["cross_process_accuracy"], 0.999,
                                {k: v for k, v in read_ledger(self.db).items() if v})

    def test_links_inside_processes_are_above_the_floor(self):
        for concurrency, floors in FLOORS.items():
            score = truth.judge(self.db, *phase_roots(concurrency))
            for name, floor in floors.items():
                with self.subTest(name, concurrency=concurrency):
                    self.assertGreaterEqual(score[name], floor, score)


if __name__ == "__main__":
    if problem := bpf_problem(BUILD):
        skip(problem, needs="bpf")
    main()
