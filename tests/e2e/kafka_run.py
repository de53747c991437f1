"""One agent and several engines on a Kafka of their own: what the demo and the tests start.

    with KafkaCluster() as kafka:
        run = KafkaRun(build, kafka.bootstrap, folder)
        run.trace(2, work, "--replay", recording)
        ... run.db, run.ledger() ...
"""
import glob
import json
import os
import sqlite3
import subprocess
import sys
import time

from e2e import HERE, WeftProcess, read_ledger, reconcile

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support", "kafka"))

from kafka_artifacts import Unavailable, fetch  # noqa: E402, F401  (re-exported)
from kafka_cluster import KafkaCluster, KafkaError  # noqa: E402, F401

PARTITIONS = 8
SETTLE_SECONDS = 60


class KafkaRun:
    """After trace(): db (a pattern of the engines' stores), agent and engines (ended)."""

    def __init__(self, build, brokers, folder, say=lambda line: None):
        self.build = build
        self.brokers = brokers
        self.folder = folder
        self.db = os.path.join(folder, "weft-*.db")
        self.agent = None
        self.engines = []
        self._summary = os.path.join(folder, "agent.json")
        self._say = say

    def trace(self, engines, work, *agent_options, backlog_seconds=None):
        """The agent for as long as `work(agent)` takes, the engines until they have stored what it saw. With
        backlog_seconds the engines start so long after the agent's end."""
        subprocess.run([self.build.weft, "topics", "create", "--brokers", self.brokers,
                        "--partitions", str(PARTITIONS)], stdout=subprocess.DEVNULL, check=True)
        try:
            if backlog_seconds is None:
                self._start_engines(engines)
            self.agent = self._start("agent", "agent", *agent_options, "--json-summary", self._summary)
            self.agent.wait_until_it_says("publishing")
            work(self.agent)
            if backlog_seconds is not None:
                if self.agent.code is None:
                    self.agent.stop(60)
                time.sleep(backlog_seconds)
                self._start_engines(engines)
            self._say(f"  {self._wait_until_stored()} spans are stored")
            for engine in self.engines:
                engine.stop(60)
        finally:
            for process in (self.agent, *self.engines):
                if process:
                    process.__exit__()

    def stores(self):
        return sorted(glob.glob(self.db))

    def observed(self):
        return self._agent_counters()["agent.observed"]

    def ledger(self):
        """The agent's counters and those of all engines."""
        counters = self._agent_counters()
        for store in self.stores():
            for name, value in read_ledger(store).items():
                counters[name] = counters.get(name, 0) + value
        return reconcile(counters)

    def _start(self, name, command, *options):
        self._say("  weft " + " ".join(os.path.relpath(word) if word.startswith("/") else word
                                       for word in (command, "--brokers", self.brokers, *options)))
        return WeftProcess(self.build, command, "--brokers", self.brokers, *options,
                           log=os.path.join(self.folder, f"{name}.log"))

    def _start_engines(self, count):
        for number in range(1, count + 1):
            self.engines.append(self._start(f"engine-{number}", "engine", "--db",
                                            os.path.join(self.folder, f"weft-{number}.db")))
        self._wait_for_members()

    def _wait_for_members(self):
        """Until the engines share the partitions of both stages."""
        members = f"{len(self.engines)} member"
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            done = subprocess.run([self.build.weft, "doctor", "--kafka", "--json", "--brokers", self.brokers],
                                  stdout=subprocess.PIPE, check=False)
            groups = [check for check in json.loads(done.stdout)["checks"] if check["name"].startswith("group")]
            if len(groups) == 2 and all(check["state"] == "ok" and members in check["detail"] for check in groups):
                return
            if time.monotonic() > deadline:
                raise KafkaError(f"the engines do not share the work: {groups}")

    def _agent_counters(self):
        with open(self._summary, encoding="utf-8") as file:
            return json.load(file)["counters"]

    def _count_spans(self):
        count = 0
        for store in self.stores():
            with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
                count += connection.execute("SELECT count(*) FROM span_rows").fetchone()[0]
        return count

    def _wait_until_stored(self):
        """The last traces close when the agent has been silent for a while."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (count := self._count_spans()) < self.observed() and time.monotonic() < deadline:
            time.sleep(0.2)
        return count
