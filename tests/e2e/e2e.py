"""What the end-to-end tests and the demo share: the build's programs, load, skipping."""
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "shop"))

from shop import Shop, ShopError  # noqa: E402, F401  (re-exported)

SKIP = 77


class Build:
    """The programs of one build folder."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.e2e = os.path.join(self.path, "tests", "e2e")
        self.weft = os.path.join(self.path, "engine", "cli", "weft")
        self.load = os.path.join(self.e2e, "shop-load")


def run_load(build, port, *options):
    """Runs the load generator to its end; returns what it printed."""
    done = subprocess.run([build.load, "--port", str(port), *map(str, options)],
                          stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout)


def required(what):
    """Whether the run insists on a capability, as continuous integration does: WEFT_REQUIRE=bpf."""
    return what in os.environ.get("WEFT_REQUIRE", "").split(",")


def skip(reason, needs=None):
    """Ends the test as skipped, or as failed where WEFT_REQUIRE names what is missing."""
    if needs and required(needs):
        sys.exit(f"FAILED: {reason} (WEFT_REQUIRE asks for {needs})")
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP)


def main():
    """Runs the calling module's unittest cases; the build folder is the first argument."""
    unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
