#!/usr/bin/env python3
"""docs/first-hour.md is true: its commands are run as they stand there, and find what it says that they find.

  first_hour_test.py BUILD             run them
  first_hour_test.py BUILD --write     and put what they say into the page

The page's ids are those of the run that wrote it: an id in a command stands for the one at the same place in what the
earlier command says now. What is added to the page's commands: `weft run` watches the shop's processes alone, because
others may be at work here.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

from e2e import HERE, PATIENCE, Build, ShopError, bpf_problem, main, skip
from shop import find_program, find_python

BUILD = Build(sys.argv[1])
ROOT = os.path.join(HERE, "..", "..")
PAGE = os.path.join(ROOT, "docs", "first-hour.md")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
HEX = re.compile(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b")
# What the page says that a command finds; each has to be in its output.
FINDINGS = {
    "weft graph": [r"shop-front +payments +\d+ +\d+ ", r"catalog +inventory "],
    "weft sql \"SELECT operation, count": [r"GET /api/product/\{id\}"],
    "weft sql \"SELECT service, what": [r"\A[^\n]*\ninventory +work .* [5-9]\d"],
    "weft sql \"SELECT service, operation, count(*)": [r"\A[^\n]*\npayments +POST /charge/\{id\}"],
    "weft traces --errors": ["POST /api/checkout/{id}".replace("{", r"\{").replace("}", r"\}")],
    "weft sql \"SELECT value": [r"^ *500 +\d+$", r"^ *200 +\d+$"],
    "weft explain": [r"^parent [0-9a-f]{16}: request served '[^\n]*' of shop-front", "confidence"],
    "weft compare": [r"\n-\d[^\n]* inventory +GET /stock/\{id\}"],
}


class Customer:
    """The shop in a terminal of its own, until the next one is started there."""

    def __init__(self, command, folder):
        words = shlex.split(command)
        # In its own terminal it is not a background process.
        self._process = subprocess.Popen([sys.executable, "-B", *words], cwd=folder, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{command}: it ended")
        self._group = os.getpgid(json.loads(line)["pids"]["redis"])

    def pids(self):
        own = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getpgid(int(pid)) == self._group:
                    own.append(pid)
            except ProcessLookupError:
                continue
        return ",".join(own)

    def end(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


class Ids:
    """What the page's ids are called this time."""

    def __init__(self):
        self._now = {}

    def note(self, written, said):
        """The first line with the same name, where that may be cut off; of lines without one, the id as far down."""
        lines = [line for line in said.splitlines() if HEX.search(line)]
        ids = HEX.findall(said)
        for at, id_ in enumerate(HEX.findall(written)):
            line = next(line for line in written.splitlines() if id_ in line)
            if name(line):
                now = next((HEX.findall(other)[0] for other in lines if alike(name(line), name(other))), None)
            else:
                now = ids[min(at, len(ids) - 1)] if ids else None
            self._now.setdefault(id_, (now, f"nothing like this line of the page is there now:\n{line}\n{said}"))

    def in_(self, command):
        def now(found):
            id_, why = self._now.get(found[0], (found[0], ""))
            if id_ is None:
                raise AssertionError(why)
            return id_
        return HEX.sub(now, command)


def name(line):
    """A span's, without figures, bars and ids, and whether it is cut off."""
    found = re.search(r"(→? ?(?:GET|POST|DELETE|MGET|SET) ?[^ {…]*)[^ …]*(…?)", HEX.sub("", line))
    return found and found.groups()


def alike(one, other):
    if other is None:
        return False
    return (one[0] == other[0] or one[1] and other[0].startswith(one[0]) or
            other[1] and one[0].startswith(other[0]))


class FirstHourTest(unittest.TestCase):
    def run_page(self):
        """[(where its output begins in the page, where it ends, command, what it said)]"""
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        ids, customer, out = Ids(), None, []
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.join(ROOT, "tests"), os.path.join(folder, "tests"))
            os.makedirs(os.path.join(folder, "build"))
            os.symlink(BUILD.path, os.path.join(folder, "build", "release"))
            env = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "110",
                   "PATH": os.path.join(folder, "build", "release", "engine", "cli") + ":" + os.environ["PATH"]}
            try:
                for block in BLOCK.finditer(page):
                    for command in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block[1], re.M):
                        text = ids.in_(command[1]).removeprefix("sudo ")
                        if "shop.py" in text:
                            if customer:
                                customer.end()
                            customer = Customer(text, folder)
                            continue
                        if text.startswith("weft run"):
                            text += " --pid " + customer.pids()
                        done = subprocess.run(["bash", "-c", text], cwd=folder, env=env, text=True, timeout=PATIENCE, check=False,
                                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}")
                        said = re.sub(r"(tracing )pids [\d, ]+( into)", r"\1every process on this host\2", done.stdout)
                        ids.note(command[2], said)
                        begin = block.start(1)
                        out.append((begin + command.start(), begin + command.end(), ids.in_(command[1]), said))
            finally:
                if customer:
                    customer.end()
        return page, out

    def test_the_commands_of_the_page_find_what_it_says(self):
        page, said = self.run_page()
        self.assertGreater(len(said), 10)
        found = 0
        for _, _, command, output in said:
            for begin, patterns in FINDINGS.items():
                if command.startswith(begin):
                    found += 1
                    for pattern in patterns:
                        self.assertRegex(output, re.compile(pattern, re.M if pattern.startswith("^") else 0), command)
        self.assertGreaterEqual(found, len(FINDINGS), "a finding is no longer in the page")
        for begin, end, command, output in said:
            written = page[begin:end].partition("\n")[2]
            self.assertTrue(written.strip(), f"{command}: the page has no output; write it with --write")
            if not command.startswith(("weft explain", "weft run", "weft trace ")):  # tables have a fixed head
                self.assertEqual(output.split("\n")[0].split(), written.split("\n")[0].split(), command)


def write():
    page, said = FirstHourTest().run_page()
    for begin, end, command, output in reversed(said):
        page = page[:begin] + f"$ {'sudo ' if command.startswith('weft run') and 'sudo' not in command else ''}{command}\n{output}" + page[end:]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(re.sub(r" +$", "", page, flags=re.M))


if __name__ == "__main__":
    if problem := bpf_problem(BUILD):
        skip(problem, needs="bpf")
    try:
        find_python()
        for program in ("nginx", "redis-server", "node"):
            find_program(program)
    except ShopError as error:
        skip(str(error))
    if "--write" in sys.argv[2:]:
        write()
    else:
        main()
