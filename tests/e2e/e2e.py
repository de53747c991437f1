"""What the end-to-end tests and the demo share: the build's programs, load, skipping."""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "shop"))

from shop import Shop, ShopError  # noqa: E402, F401  (re-exported)

SKIP = 77
PATIENCE = 180  # seconds that a test waits for an event, on however busy a machine
DENIED = 3  # exit code of weft where privileges or kernel features are missing
STORED_RECORDING = os.path.join(HERE, "shop", "recording.weft.zst")


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


def wait_for(condition, what, seconds=PATIENCE):
    """Until condition() is true; what it gave."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(0.05)
    return value


class BackgroundLoad:
    """Load without truth until the block ends."""

    def __init__(self, build, port, concurrency=8):
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", build.load, "--port", str(port), "--concurrency", str(concurrency), "--duration",
                                          "86400", "--no-truth"],
                                         stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()


def phase_roots(concurrency):
    """(first, last) root number of a load phase: the millions digit group says how many at once."""
    return concurrency * 1_000_000 + 1, concurrency * 1_000_000 + 999_999


def weft_json(build, *arguments):
    """Runs a command of weft that answers in JSON."""
    done = subprocess.run([build.weft, *arguments, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def replay(build, recording, db, *options, log=subprocess.DEVNULL):
    """Decides a recording anew into a new database."""
    subprocess.run([build.weft, "replay", recording, "--db", db, *options], stdout=log, stderr=log, check=True)


def bpf_problem(build):
    """None if weft can watch programs here, else what `weft doctor` says."""
    if not os.path.exists(build.weft):
        return "weft is not built"
    with tempfile.TemporaryDirectory() as directory:  # not the store that happens to be here
        done = subprocess.run([build.weft, "doctor", "--db", os.path.join(directory, "weft.db")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.rstrip() if done.returncode == DENIED else None


class WeftProcess:
    """A weft in the background. Attributes after the end: code, cpu_cores, rss_mb."""

    def __init__(self, build, command, *options, log, prefix=(), go_on=False):
        """prefix: begins the command line, and makes way for weft (exec). go_on: the log is appended to."""
        self.command = f"weft {command}"
        self._log_path = log
        self._log = open(log, "ab" if go_on else "wb")  # anew: what it says must be this run's
        self._process = subprocess.Popen([*prefix, build.weft, command, *options], stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=self._log)
        self._started = time.monotonic()
        self.code = None
        self.cpu_cores = self.rss_mb = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._log.close()

    @property
    def pid(self):
        return self._process.pid

    def output(self):
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_until_it_says(self, words, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while words not in self.output():
            if self.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command} does not say '{words}':\n{self.output()}")
            time.sleep(0.05)

    def signal(self, number):
        """To one that still runs. Not by Popen, which reaps what has ended, and with it what it used."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def stop(self, seconds=PATIENCE):
        """SIGTERM, then waits; returns the exit code. Raises if weft does not end in time."""
        self.signal(signal.SIGTERM)
        return self._reap(seconds)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self._reap(PATIENCE)

    def wait(self, seconds=PATIENCE):
        return self._reap(seconds)

    def poll(self):
        """The exit code, or None while it runs."""
        if self.code is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self._reap(PATIENCE)
        return self.code

    def _reap(self, seconds):
        if self.code is not None:
            return self.code
        deadline = time.monotonic() + seconds
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.command} does not end:\n{self.output()[-2000:]}")
            time.sleep(0.01)
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        elapsed = time.monotonic() - self._started
        self.cpu_cores = (usage.ru_utime + usage.ru_stime) / elapsed
        self.rss_mb = usage.ru_maxrss / 1024
        return self.code


class WeftRun(WeftProcess):
    """A `weft run` in the background."""

    def __init__(self, build, *options, log):
        super().__init__(build, "run", *options, log=log)

    def wait_until_tracing(self, seconds=PATIENCE):
        self.wait_until_it_says("tracing", seconds)


def read_ledger(db):
    """Counters of the newest run that wrote to the database."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return dict(connection.execute("SELECT name, value FROM ledger"))


def reconcile(counters):
    """The whole path in a few numbers, see "Ledger" in ARCHITECTURE.md. At rest unexplained is 0."""
    def total(*names):
        return sum(value for name, value in counters.items() if name.split("{")[0] in names)

    observed = total("agent.observed")
    stored = counters.get("sink.rows{sink=sqlite}", 0)
    sampled_out = total("trace.sampled_out")
    lost = total("agent.dropped", "stitch.lost_at_stop") + counters.get("sink.dropped{sink=sqlite}", 0)
    kernel = total("kernel.seen") - total("kernel.filtered", "kernel.submitted", "kernel.ring_full",
                                          "kernel.map_full", "kernel.unreadable")
    records = total("agent.records") - total("agent.decoded", "agent.parse_failed")
    return {"observed": observed, "stored": stored, "sampled_out": sampled_out, "lost": lost,
            "kernel_records_lost": total("kernel.ring_full", "kernel.map_full", "kernel.unreadable"),
            "unexplained": abs(observed - stored - sampled_out - lost) + abs(kernel) + abs(records)}


def check_store(db):
    """Problems of a database: what SQLite finds, and rows whose partner is missing. [] is good."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        for name, query in {
                "spans without their trace":
                    "SELECT count(*) FROM span_rows WHERE id >> 20 NOT IN (SELECT id FROM trace_rows)",
                "traces whose number of spans is wrong":
                    "SELECT count(*) FROM trace_rows t WHERE spans <> (SELECT count(*) FROM span_rows s"
                    " WHERE s.id >= t.id << 20 AND s.id < (t.id + 1) << 20)",
                "spans without their operation":
                    "SELECT count(*) FROM span_rows WHERE operation NOT IN (SELECT id FROM operations)",
                "spans without their connection":
                    "SELECT count(*) FROM span_rows WHERE connection NOT IN"
                    " (SELECT id FROM connection_rows UNION ALL SELECT 0)",
                "spans without their attributes":
                    "SELECT count(*) FROM span_rows WHERE attribute_set NOT IN"
                    " (SELECT id FROM attribute_sets UNION ALL SELECT 0)",
                "spans stored twice":
                    "SELECT count(*) - count(DISTINCT span_id) FROM span_rows"}.items():
            if count := connection.execute(query).fetchone()[0]:
                problems.append(f"{count} {name}")
        return problems


def required(what):
    """Whether the run insists on a capability, as continuous integration does: WEFT_REQUIRE=bpf."""
    return what in os.environ.get("WEFT_REQUIRE", "").split(",")


def skip(reason, needs=None):
    """Ends the test as skipped, or as failed where WEFT_REQUIRE names what is missing."""
    if needs and required(needs):
        sys.exit(f"FAILED: {reason} (WEFT_REQUIRE asks for {needs})")
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP)


class WithShop(unittest.TestCase):
    """Tests beside one shop, which runs as long as their class; `build` is the Build to take it from."""
    build = None

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop(cls.build.e2e)
        try:
            cls.shop.start()
        except ShopError as error:
            skip(str(error))

    @classmethod
    def tearDownClass(cls):
        cls.shop.stop()


def main():
    """Runs the calling module's unittest cases; the build folder is the first argument."""
    unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
