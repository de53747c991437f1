#!/usr/bin/env python3
"""How `weft run` ends: in order, at once, or killed; and how the next run goes on in the same file."""
import os
import signal
import sys
import tempfile
import threading
import time

import truth
from e2e import Build, WeftRun, WithShop, bpf_problem, check_store, main, run_load, skip

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

    def load_in_background(self, seconds):
        thread = threading.Thread(target=run_load, args=(BUILD, self.shop.port, "--concurrency", 8,
                                                         "--duration", seconds, "--no-truth"))
        thread.start()
        self.addCleanup(thread.join)

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
        self.load_in_background(4)
        time.sleep(1)  # some load, so that there is something to flush
        weft.signal(signal.SIGTERM)
        weft.signal(signal.SIGINT)  # another number: equal pending signals become one
        begun = time.monotonic()
        weft.wait(10)
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual(check_store(self.db), [])

    def test_kill_leaves_a_consistent_store_and_the_next_run_goes_on_in_it(self):
        weft = self.start()
        self.load_in_background(8)
        run_load(BUILD, self.shop.port, "--concurrency", 4, "--duration", 4)
        weft.kill()
        self.assertEqual(check_store(self.db), [])
        before = self.traced_roots()
        self.assertTrue(before, "nothing had been stored before the kill")

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
