#!/usr/bin/env python3
"""The shop alone: every page answers, truth reaches Redis along the right path, nothing is left over."""
import collections
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

from e2e import HERE, PATIENCE, Build, WithShop, main, run_load
from clients import encode_command

BUILD = Build(sys.argv[1])

# Page -> truths, less the request's own part, with which Redis must be called for one request.
# front calls in order; cart fans out to the catalogue after its own Redis call; payments makes three
# calls, the second of them to cart.
LEAVES = {
    "about": [], "healthz": [],
    "product": ["1.1", "2.1"],
    "add": ["1.1", "1.2"],
    "search": ["1", "2.1", "3.1", "4.1"],
}


def cart_leaves(user):
    return ["1.1"] + [f"1.{2 + i}.1" for i in range(2 + user % 3)]


def checkout_leaves(user):
    items = 2 + user % 3
    reserve = [f"{2 + i}.{call}" for i in range(items) for call in (1, 2)]
    pay = 2 + items
    return ["1.1"] + reserve + [f"{pay}.1", f"{pay}.2.1", f"{pay}.3"]


class Monitor:
    """Redis' own log of the commands that it gets."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.sendall(encode_command("MONITOR"))
        self._lines = self._socket.makefile("r")
        self._lines.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def truths_until(self, marker):
        """truth -> times seen, up to the command that carries the marker."""
        seen = collections.Counter()
        for line in self._lines:
            if marker in line:
                return seen
            if "weft-truth:" in line:
                seen[line.split("weft-truth:")[1].split('"')[0]] += 1
        raise ConnectionError("redis has closed the monitor")


class ShopTest(WithShop):
    build = BUILD

    def leaves(self, request):
        """Redis truths of one request given as (method, path)."""
        from clients import HttpPool, RedisPool
        redis = self.shop.ports["redis"]
        with Monitor(redis) as monitor:
            status, _ = HttpPool(self.shop.port).request(*request, "r1", None if request[0] == "GET" else b"{}")
            self.assertEqual(status, 200)
            RedisPool(redis).command("GET", "end-of-test")
            seen = monitor.truths_until("end-of-test")
        self.assertTrue(all(n == 1 for n in seen.values()), seen)
        return sorted(truth.removeprefix("r1.") for truth in seen)

    def test_truth_of_every_page_reaches_redis_along_its_path(self):
        for page, request in {"about": ("GET", "/api/about"), "healthz": ("GET", "/healthz"),
                              "product": ("GET", "/api/product/3"), "add": ("POST", "/api/cart/3"),
                              "search": ("GET", "/search?q=q3")}.items():
            with self.subTest(page):
                self.assertEqual(self.leaves(request), sorted(LEAVES[page]))
        for user in range(3):
            with self.subTest("cart", user=user):
                self.assertEqual(self.leaves(("GET", f"/api/cart/{user}")), sorted(cart_leaves(user)))
            with self.subTest("checkout", user=user):
                self.assertEqual(self.leaves(("POST", f"/api/checkout/{user}")),
                                 sorted(checkout_leaves(user)))

    def test_all_requests_are_answered_at_every_concurrency(self):
        first = 1
        for concurrency in (1, 8, 32):
            result = run_load(BUILD, self.shop.port, "--concurrency", concurrency, "--count", 300,
                              "--first-truth", first)
            self.assertEqual((result["sent"], result["ok"], result["failed"]), (300, 300, 0))
            self.assertEqual(result["first_truth"], f"r{first}")
            first += 300
            self.assertEqual(result["last_truth"], f"r{first - 1}")

    def test_without_truth_none_is_sent(self):
        with Monitor(self.shop.ports["redis"]) as monitor:
            run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 50, "--no-truth")
            from clients import RedisPool
            RedisPool(self.shop.ports["redis"]).command("GET", "end-of-test")
            self.assertEqual(monitor.truths_until("end-of-test"), {})


class ShopEndsTest(unittest.TestCase):
    def end_with(self, number):
        """Starts a shop of its own, sends it the signal, returns the pids that outlive it."""
        process = subprocess.Popen([sys.executable, os.path.join(HERE, "shop", "shop.py"),
                                    "--build-dir", BUILD.e2e],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not process.stdout.readline():
            self.skipTest("the shop cannot run here")
        group = next(int(line.split()[4]) for line in self.stats() if int(line.split()[3]) == process.pid)
        process.send_signal(number)
        process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE  # the kernel reaps the killed group on its own time
        while (alive := self.alive(group)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return alive

    @staticmethod
    def stats():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            yield pid + " x " + text.rpartition(")")[2].strip()  # pid, name, state, ppid, pgrp

    def alive(self, group):
        return [line.split()[0] for line in self.stats()
                if int(line.split()[4]) == group and line.split()[2] != "Z"]

    def test_sigterm_leaves_no_process_behind(self):
        self.assertEqual(self.end_with(signal.SIGTERM), [])

    def test_sigkill_leaves_no_process_behind(self):
        self.assertEqual(self.end_with(signal.SIGKILL), [])


if __name__ == "__main__":
    main()
