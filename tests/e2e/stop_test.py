#!/usr/bin/env python3
"""How `weft run` ends: in order, at once, or killed; and how the next run goes on in the same file."""
import os
import signal
import sys
import tempfile

import truth
from e2e import BackgroundLoad, Build, WeftRun, WithShop, bpf_problem, check_store, main, run_load, skip, wait_for

BUILD = Build(sys.argv[1])
OPTIONS = ("--capture-truth", "--exclude-process", "shop-load")


class StopTest(WithShop):
    build = BUILD

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.db = os.path.join(directory.name, "weft.db")
        self.log = os.path.join(directory.name, "log")

    def start(self):
        weft = WeftRun(BUILD, "--db", self.db, *OPTIONS, log=self.log)
        self.addCleanup(weft.__exit__)
        weft.wait_until_tracing()
        return weft

    def traced_roots(self):
        return {truth.root_number(s.truth) for s in truth.read_spans(self.db) if s.truth and not s.parent_id}

    def test_sigterm_flushes_what_was_seen_and_exits_0(self):
        weft = self.start()
        run_load(BUILD, self.shop.port, "--concurrency", 8, "--count", 300)
        self.assertEqual(weft.stop(), 0, weft.output())
        self.assertEqual(set(range(1, 301)) - self.traced_roots(), set())
        self.assertEqual(check_store(self.db), [])

    def test_second_signal_exits_at_once(self):
        weft = self.start()
        with BackgroundLoad(BUILD, self.shop.port):
            run_load(BUILD, self.shop.port, "--concurrency", 8, "--count", 300, "--no-truth")  # something to flush
            weft.signal(signal.SIGTERM)
            weft.signal(signal.SIGINT)  # another number: equal pending signals become one
            code = weft.wait()
        # In order it would have been 0.
        self.assertIn(code, (128 + signal.SIGTERM, 128 + signal.SIGINT))
        self.assertEqual(check_store(self.db), [])

    def test_kill_leaves_a_consistent_store_and_the_next_run_goes_on_in_it(self):
        weft = self.start()
        with BackgroundLoad(BUILD, self.shop.port):
            run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 300)
            wait_for(lambda: os.path.exists(self.db) and self.traced_roots(), "something stored before the kill")
            weft.kill()
        self.assertEqual(check_store(self.db), [])
        before = self.traced_roots()
        weft = self.start()
        first = 1_000_000
        run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 200, "--first-truth", first)
        self.assertEqual(weft.stop(), 0, weft.output())
        self.assertEqual(check_store(self.db), [])
        after = self.traced_roots()
        self.assertEqual(before - after, set())
        self.assertEqual(set(range(first, first + 200)) - after, set())


if __name__ == "__main__":
    if problem := bpf_problem(BUILD):
        skip(problem, needs="bpf")
    main()
