"""What the tests with a real Kafka share: members of one group, each with a store of its own.

  with KafkaCluster() as kafka:
      group = Group(build, kafka.bootstrap, folder, name="weft")
      group.make_topics()
      group.start(2); group.wait_for_members(2); ... group.rows() ...; group.stop()
"""
import glob
import json
import os
import sqlite3
import subprocess
import sys
import time

from e2e import HERE, WeftProcess

sys.path.insert(0, os.path.join(HERE, "..", "support", "kafka"))

from kafka_artifacts import Unavailable  # noqa: E402, F401  (re-exported)
from kafka_cluster import KafkaCluster, KafkaError, prepare_kafka  # noqa: E402, F401  (re-exported)

SETTLE_SECONDS = 60
IDS = "SELECT span_id, parent_id, trace_id FROM spans"


class Group:
    """One group of engines on topics of its own: several can follow each other on one broker."""

    def __init__(self, build, brokers, folder, name="weft", partitions=8, settings=""):
        self.build = build
        self.name = name
        self.partitions = partitions
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.config = os.path.join(self.folder, "weft.yaml")
        self.members = {}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"transport: {{kind: kafka}}\nkafka:\n  brokers: [{brokers}]\n  group: {name}\n"
                       f"  topic_prefix: {name}.\n{settings}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members.values():
            member.__exit__()

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_topics(self, *options):
        """Tries for a while: brokers that have just started may still be looking for each other."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            done = subprocess.run([self.build.weft, "topics", "create", "--config", self.config, "--partitions",
                                   str(self.partitions), *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise KafkaError(f"the topics cannot be made: {done.stdout}")
            time.sleep(1)

    def start_member(self, number, store=None, **process):
        """A new process; `number` names its store and its log, which go on where an earlier one had them."""
        self.members[number] = WeftProcess(
            self.build, "engine", "--config", self.config, "--db", store or self.path(f"weft-{number}.db"),
            log=self.path(f"engine-{number}.log"), **process)
        return self.members[number]

    def start(self, count):
        for number in range(1, count + 1):
            self.start_member(number)

    def stop(self, seconds=60):
        """Exit codes of all members."""
        for member in self.members.values():
            member.signal(15)
        return [member.wait(seconds) for member in self.members.values()]

    def agent(self, *options, log="agent.log", **process):
        return WeftProcess(self.build, "agent", "--config", self.config, *options, log=self.path(log), **process)

    def wait_for_members(self, count):
        """Until that many engines have partitions of both stages."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            groups = [check for check in self.doctor() if check["name"].startswith("group")]
            wanted = f"{count} member" + ("s" if count > 1 else "")
            if len(groups) == 2 and all(check["state"] == "ok" and wanted in check["detail"] for check in groups):
                return
            if time.monotonic() > deadline:
                raise KafkaError(f"not {wanted} share the work: {groups}")
            time.sleep(0.2)

    def doctor(self):
        """The checks of `weft doctor --kafka`."""
        done = subprocess.run([self.build.weft, "doctor", "--kafka", "--json", "--config", self.config],
                              stdout=subprocess.PIPE, check=False)
        return json.loads(done.stdout)["checks"]

    # --- what they stored -------------------------------------------------------------------------

    def stores(self):
        return sorted(glob.glob(self.path("weft-*.db")))

    def count_rows(self):
        """Rows of all files: what two of them have counts twice."""
        count = 0
        for store in self.stores():
            with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
                count += connection.execute("SELECT count(*) FROM span_rows").fetchone()[0]
        return count

    def wait_for_rows(self, count, seconds=SETTLE_SECONDS):
        deadline = time.monotonic() + seconds
        while (have := self.count_rows()) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return have

    def wait_for_spans(self, count, seconds=SETTLE_SECONDS):
        """As wait_for_rows, but what two files have counts once: after deaths."""
        deadline = time.monotonic() + seconds
        while (have := len({span for span, _, _ in self.ids()})) < count and time.monotonic() < deadline:
            time.sleep(0.5)
        return have

    def ids(self):
        """(span, parent, trace) of all stores read as one."""
        return span_ids(self.build, self.path("weft-*.db"))


def span_ids(build, db):
    done = subprocess.run([build.weft, "sql", "--db", db, "--format", "csv", IDS], stdout=subprocess.PIPE,
                          text=True, check=True)
    return sorted(tuple(line.split(",")) for line in done.stdout.splitlines()[1:])
