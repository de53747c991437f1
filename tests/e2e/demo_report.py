"""The demo: the shop under load for about 20 s, what weft found in it, and how much of that is right.

`Demo` traces with `weft run`; demo_kafka has the one that goes through Kafka.
"""
import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

from e2e import (HERE, STORED_RECORDING, Build, Shop, ShopError, WeftRun, bpf_problem, phase_roots,
                 read_ledger, reconcile, replay, run_load, weft_json)

ROOT = os.path.dirname(os.path.dirname(HERE))
CONCURRENCIES = (1, 8, 32)  # requests at once, a phase of the load each
PHASE_SECONDS = 6.5
# What is measured beside the full chain.
CHAINS = {"thread": "thread", "delay": "delay", "no-token": "context,thread,delay", "no-thread": "context,token,delay"}
TERMINAL = sys.stdout.isatty()


def bold(text):
    return f"\033[1m{text}\033[0m" if TERMINAL else text


def say(text=""):
    print(text, flush=True)


def heading(text):
    say("\n" + bold(text))


class Demo:
    """run() does all of it; leaves weft.db, graph.svg, report.json and the recording in build/demo."""

    name = "demo"
    chains = CHAINS

    def __init__(self, build, hooks, concurrencies):
        self.build = build
        self.hooks = hooks
        self.concurrencies = concurrencies
        self.out = os.path.join(ROOT, "build", self.name)
        self.db = os.path.join(self.out, "weft.db")
        self.recording = os.path.join(self.out, "recording.weft.zst")
        self.report = {}

    def run(self):
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)
        problem = bpf_problem(self.build)
        if problem is None:
            self.trace_live()
        else:
            heading("This machine does not let weft watch programs:")
            say(problem)
            self.show_recording()
        self.measure()
        self.show()
        path = os.path.join(self.out, "report.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.report, file, indent=2)
            file.write("\n")

    # --- getting the data ---------------------------------------------------------------------

    @contextlib.contextmanager
    def shop(self):
        heading("Starting the shop: nginx, Python (threads, asyncio, worker pool), Node.js, Go, Redis")
        with Shop(self.build.e2e) as shop:
            for note in shop.notes:
                say(f"  note: {note}")
            say("  " + ", ".join(f"{name} (pid {pid})" for name, pid in shop.pids.items()))
            yield shop

    def trace_live(self):
        with self.shop() as shop:
            command = ["--db", self.db, "--record", self.recording, "--capture-truth",
                       "--exclude-process", "shop-load", "--hooks", self.hooks]
            heading("Tracing it from outside: weft run " + " ".join(os.path.relpath(x) if x[0] == "/" else x
                                                                     for x in command))
            with WeftRun(self.build, *command, log=os.path.join(self.out, "weft-run.log")) as weft:
                weft.wait_until_tracing()
                self.load(shop)
                weft.stop()
        self.report["hooks"] = self.hooks
        self.report["agent_cpu_cores"] = round(weft.cpu_cores, 3)
        self.report["agent_rss_mb"] = round(weft.rss_mb, 1)

    def load(self, shop):
        self.report["load"] = [self.load_phase(shop, concurrency) for concurrency in self.concurrencies]

    def load_phase(self, shop, concurrency):
        if TERMINAL:
            print(f"  {concurrency:3} at once for {PHASE_SECONDS:g} s ...", end="\r", flush=True)
        first, _ = phase_roots(concurrency)
        result = run_load(self.build, shop.port, "--concurrency", concurrency, "--duration", PHASE_SECONDS,
                          "--first-truth", first, "--seed", concurrency)
        latency = result["latency_ms"]
        say(f"  {concurrency:3} at once: {result['ok']:6} requests, {result['per_second']:6.0f}/s, "
            f"p50 {latency['p50']:5.1f} ms, p99 {latency['p99']:5.1f} ms, {result['failed']} failed")
        return {"concurrency": concurrency, **result}

    def show_recording(self):
        if not os.path.exists(STORED_RECORDING):
            sys.exit("demo: no recording of the shop in this tree, nothing to show")
        heading("Going on with a recording of the same shop: " + os.path.relpath(STORED_RECORDING))
        self.recording, self.concurrencies = STORED_RECORDING, CONCURRENCIES
        self.replay("all", None, self.db)
        self.report["from_recording"] = True

    def replay(self, name, correlators, db):
        """Decides the recording again with another chain of correlators."""
        options = [] if correlators is None else ["--correlators", correlators]
        with open(os.path.join(self.out, f"replay-{name}.log"), "w", encoding="utf-8") as log:
            replay(self.build, self.recording, db, *options, log=log)

    # --- judging it ---------------------------------------------------------------------------

    def measure(self):
        heading("Scoring against the ground truth")
        chains = {"all": self.score("all", self.db)}
        for name, correlators in self.chains.items():
            db = os.path.join(self.out, f"{name}.db")
            started = time.monotonic()
            self.replay(name, correlators, db)
            chains[name] = self.score(name, db)
            say(f"  decided again with {correlators} only ({time.monotonic() - started:.1f} s)")
        whole = chains["all"]["total"]
        self.report = {**{key: whole[key] for key in ("traces", "spans", "trace_exact", "span_accuracy",
                                                      "ambiguous_accuracy", "cross_process_accuracy")},
                       "ledger": self.ledger(),
                       "agent_cpu_cores": None, "agent_rss_mb": None, **self.report, "chains": chains}

    def ledger(self):
        return reconcile(read_ledger(self.db))

    def score(self, name, db):
        """{"total": ..., "by_concurrency": {"1": ...}} as `weft eval` sees it."""
        result = {"total": weft_json(self.build, "eval", "--db", db), "by_concurrency": {}}
        for concurrency in self.concurrencies:
            first, last = phase_roots(concurrency)
            result["by_concurrency"][str(concurrency)] = weft_json(
                self.build, "eval", "--db", db, "--roots", f"r{first}-r{last}")
        return result

    # --- showing it ---------------------------------------------------------------------------

    def show(self):
        report = self.report
        heading("What weft found")
        say(f"  {report['traces']} traces of {report['spans']} spans")
        heading("The slowest trace")
        slowest = weft_json(self.build, "sql", "--db", self.db,
                            "select trace_id from slow_traces limit 1")
        if slowest:
            self.weft("trace", "--db", self.db, slowest[0]["trace_id"])
        heading("Who calls whom")
        self.weft("sql", "--db", self.db, "select iif(caller = '', '(outside)', caller) as caller, callee, calls,"
                  " errors, p50_ms, p95_ms from service_graph")
        self.draw_graph()
        self.show_accuracy()
        heading("The ledger: every observation is accounted for")
        for name, count in report["ledger"].items():
            say(f"  {name.replace('_', ' '):20} {count:>10}")
        self.show_cost()
        self.show_next_steps()

    def show_cost(self):
        cores, megabytes = self.report["agent_cpu_cores"], self.report["agent_rss_mb"]
        if cores is not None:
            say(f"  weft itself used {cores:.2f} cores and {megabytes:.0f} MB")

    def show_accuracy(self):
        heading("Right against the ground truth (the X-Weft-Truth header, which only the scoring sees)")
        columns = ("span_accuracy", "ambiguous_accuracy", "trace_exact", "cross_process_accuracy")
        say(f"  {'chain':9} {'at once':>8} " + "".join(f"{name.replace('_', ' '):>24}" for name in columns))
        for chain, scores in self.report["chains"].items():
            rows = [("all", scores["total"]), *scores["by_concurrency"].items()]
            for concurrency, score in rows:
                cells = "".join(f"{100 * score[name]:22.2f} %" for name in columns)
                say(f"  {chain:9} {concurrency:>8} {cells}")

    def draw_graph(self):
        dot = os.path.join(self.out, "graph.dot")
        with open(dot, "w", encoding="utf-8") as file:
            subprocess.run([self.build.weft, "graph", "--db", self.db], stdout=file, check=True)
        svg = os.path.join(self.out, "graph.svg")
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tsvg", "-o", svg, dot], check=True)
            say(f"  drawn in {os.path.relpath(svg)}")
        else:
            say("  graphviz is missing, so there is no graph.svg: apt-get install graphviz")

    def show_next_steps(self):
        weft, db = os.path.relpath(self.build.weft), shlex.quote(os.path.relpath(self.db))
        doubtful = weft_json(self.build, "sql", "--db", self.db, "select child from links"
                             " where candidates is not null order by confidence limit 1")
        span = doubtful[0]["child"] if doubtful else "SPAN_ID"
        heading(f"All of it is in {os.path.relpath(self.db)}. Try next:")
        for command in (f"{weft} traces --db {db} --service shop-cart --min-duration 20ms",
                        f'{weft} sql --db {db} "select service, operation, count, p95_ms from red"',
                        f"{weft} explain --db {db} {span}",
                        f"sudo {weft} run",
                        f"{weft} --help"):
            say(f"  {command}")

    def weft(self, *arguments):
        subprocess.run([self.build.weft, *arguments], check=True)


def at_once(text):
    numbers = tuple(int(number) for number in text.split(","))
    if not all(1 <= number <= 256 for number in numbers):
        raise ValueError(text)
    return numbers


def main(demo):
    """Of a program that shows `demo`, a class."""
    parser = argparse.ArgumentParser(description=f"What `make {demo.name}` runs.")
    parser.add_argument("build_dir")
    parser.add_argument("hooks", nargs="?", default="auto", choices=("auto", "socket", "syscalls"))
    parser.add_argument("--at-once", type=at_once, default=CONCURRENCIES, metavar="N,...",
                        help="requests at once in the load's phases, 1 to 256 (default: 1,8,32)")
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    if not os.path.exists(build.weft):
        sys.exit(f"demo: {build.weft} is not built; run `make {demo.name}`")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        demo(build, arguments.hooks, arguments.at_once).run()
    except ShopError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
