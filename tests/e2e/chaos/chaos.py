#!/usr/bin/env python3
"""What `make chaos` runs: a recording of the shop at its pace through a real Kafka, while things break.

  chaos.py BUILD_DIR [--seed N] [--minutes M] [--events N] [--brokers N] [--keep]

Three agents and some engines are processes of their own. The seed says what happens to whom and when; the
timing of the machine still differs from run to run. At the end what was stored is compared with a run of
one process. The last line is `lost N duplicate N wrong N events N`; 0 is returned if the first three are 0.
"""
import argparse
import bisect
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from e2e import STORED_RECORDING, Build, replay  # noqa: E402
from faults import CUT_GROUP, Network, SmallDisk  # noqa: E402
from judge import Verdict, read_rows  # noqa: E402
from kafka_group import Group, KafkaCluster, KafkaError, Unavailable  # noqa: E402

AGENTS = 3
PARTITIONS = 8
MEMBERS = range(2, 5)  # so many at a time
PERIOD_SECONDS = 4  # a new round of load
ACKNOWLEDGED_SECONDS = 10  # what an agent published so long ago in peace is in Kafka
DISK_MB = 200
QUIET_SECONDS = 60  # at the end: nothing more comes
ALL_THERE_SECONDS = 10  # the same, when the number of rows is right


def say(text):
    print(text, flush=True)


class Stored:
    """How far the stores are behind the recording, from the numbers of rows."""

    def __init__(self, db, stores):
        self._stores = stores
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
            ends = [row[0] for row in connection.execute("SELECT max(start_ns, coalesce(end_ns, 0)) FROM spans")]
        self.total = len(ends)
        first = min(ends)
        self._ends = sorted((end - first) / 1e9 for end in ends)

    def count(self):
        count = 0
        for store in self._stores():
            with contextlib.suppress(sqlite3.Error), contextlib.closing(
                    sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=0.2)) as connection:
                count += connection.execute("SELECT coalesce(sum(spans), 0) FROM trace_rows").fetchone()[0]
        return count

    def behind(self, recorded_seconds):
        """Seconds of the recording that should be there and are not."""
        count = self.count()
        due = bisect.bisect(self._ends, recorded_seconds)
        return max(0.0, recorded_seconds - self._ends[count]) if count < due else 0.0


class Chaos:
    def __init__(self, build, options, folder):
        self.build = build
        self.options = options
        self.folder = folder
        self.random = random.Random(options.seed)
        self.group = self.kafka = self.network = self.stored = None
        self.agents, self.disks, self.down = {}, {}, set()
        self.begun = 0
        self.peace_begins = 0.0  # since then nothing has kept agents from Kafka
        self.events = 0
        self.open = []  # [what, when] of events that are not recovered from
        self.recovered = []
        self.stopping = threading.Event()

    # --- the run --------------------------------------------------------------------------------

    def run(self):
        seconds = self.options.minutes * 60
        prefix = os.path.join(self.folder, "shop")
        subprocess.run([os.path.join(self.build.e2e, "chaos-recording"), STORED_RECORDING, prefix, str(AGENTS),
                        str(PARTITIONS), str(seconds), str(PERIOD_SECONDS)], check=True)
        alone = os.path.join(self.folder, "alone.db")
        replay(self.build, f"{prefix}.weft.zst", alone)
        say(f"chaos: seed {self.options.seed}: {self.options.events} events in {seconds:.0f} s")
        with KafkaCluster(self.options.brokers) as self.kafka, Network() as self.network, \
                Group(self.build, self.kafka.bootstrap, self.folder, partitions=PARTITIONS) as self.group:
            self.stored = Stored(alone, self.stores)
            say(f"  {self.stored.total} spans; {self.options.brokers} brokers in {self.kafka.folder}")
            try:
                self.disturb(seconds)
                self.settle(seconds)
                return self.judge(read_rows(self.build, alone))
            finally:
                self.stopping.set()
                for agent in self.agents.values():
                    agent.__exit__()
                for member in self.group.members.values():
                    member.__exit__()
                if self.options.keep:
                    shutil.copytree(self.group.folder, os.path.join(self.folder, "stores"), dirs_exist_ok=True)
                for disk in self.disks.values():
                    disk.close()

    def disturb(self, seconds):
        self.group.make_topics()
        for number in range(1, MEMBERS.start + 1):
            self.start_member(number)
        self.group.wait_for_members(MEMBERS.start)
        self.begun = int(time.time())
        self.peace_begins = self.now()
        for number in range(1, AGENTS + 1):
            self.start_agent(number, 0)
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        try:
            times = sorted(self.random.uniform(5, seconds - 5) for _ in range(self.options.events))
            for moment in times:
                self.look_after(max(0.0, moment - self.now()))
                self.one_event()
            self.look_after(max(0.0, seconds + 2 - self.now()))
        finally:
            self.heal()
            self.stopping.set()
            watcher.join()

    def now(self):
        return time.time() - self.begun

    def look_after(self, seconds):
        """Waits; a process that ends by itself is a finding."""
        end = time.monotonic() + seconds
        while True:
            for number, member in self.group.members.items():
                if member.poll() is not None:
                    raise RuntimeError(f"engine {number} ended by itself ({member.code}):\n{member.output()[-3000:]}")
            for number, agent in self.agents.items():
                if agent.poll() not in (None, 0):
                    raise RuntimeError(f"agent {number} failed ({agent.code}):\n{agent.output()[-3000:]}")
            if (left := end - time.monotonic()) <= 0:
                return
            time.sleep(min(0.2, left))

    # --- processes --------------------------------------------------------------------------------

    def stores(self):
        return [os.path.join(self.group.folder, f"disk-{n}", "weft.db") for n in self.disks]

    def start_member(self, number):
        if number not in self.disks:
            self.disks[number] = SmallDisk(self.group.path(f"disk-{number}"), DISK_MB)
        self.group.start_member(number, os.path.join(self.disks[number].folder, "weft.db"),
                                group_id=CUT_GROUP + number, go_on=True)

    def start_agent(self, number, recorded_seconds):
        """From there on; what is due is published at once."""
        self.agents[number] = self.group.agent(
            "--replay", os.path.join(self.folder, f"shop-{number}.weft.zst"), "--pace", "1", "--replay-begun",
            str(self.begun), "--replay-from", f"{recorded_seconds:.3f}s", log=f"agent-{number}.log",
            group_id=CUT_GROUP + 100 + number, go_on=True)

    # --- events -----------------------------------------------------------------------------------

    def one_event(self):
        kinds = {"kill engine": 4, "stop engine": 2, "add engine": 3, "kill agent": 3, "kill broker": 2,
                 "restart broker": 1}
        if not self.network.problem:
            kinds.update({"cut engine": 2, "cut agent": 1})
        if not self.disks[1].problem:
            kinds["fill disk"] = 2
        while True:
            kind = self.random.choices(list(kinds), list(kinds.values()))[0]
            if kind == "add engine" and len(self.group.members) >= MEMBERS.stop:
                continue
            break
        self.events += 1
        getattr(self, kind.replace(" ", "_"))()

    def note(self, text):
        say(f"  {self.now():6.1f} s  {text}")
        self.open.append([text, self.now()])

    def disturb_agents_until_now(self):
        self.peace_begins = self.now()

    def a_member(self):
        return self.random.choice(sorted(self.group.members))

    def kill_engine(self):
        number = self.a_member()
        self.note(f"kill -9 of engine {number}")
        self.group.members.pop(number).kill()
        self.look_after(self.random.uniform(0, 4))
        self.start_member(number)

    def stop_engine(self):
        number = self.a_member()
        self.note(f"SIGTERM to engine {number}")
        code = self.group.members.pop(number).stop(60)
        if code != 0:
            raise RuntimeError(f"engine {number} ended with {code}")
        if len(self.group.members) < MEMBERS.start:
            self.look_after(self.random.uniform(0, 4))
            self.start_member(number)

    def add_engine(self):
        number = min(n for n in range(1, 100) if n not in self.group.members)
        self.note(f"a further engine, {number}")
        self.start_member(number)

    def kill_agent(self):
        number = self.random.choice(sorted(self.agents))
        if self.agents[number].poll() is not None:
            return
        since = min(self.now() - ACKNOWLEDGED_SECONDS, self.peace_begins - ACKNOWLEDGED_SECONDS
                    if self.now() - self.peace_begins < ACKNOWLEDGED_SECONDS else self.now())
        self.note(f"kill -9 of agent {number}, which goes on from {max(0.0, since):.1f} s")
        self.agents.pop(number).kill()
        self.look_after(self.random.uniform(0, 3))
        self.start_agent(number, max(0.0, since))

    def kill_broker(self):
        self.broker_away("kill -9 of", self.kafka.kill)

    def restart_broker(self):
        self.broker_away("restart of", self.kafka.stop)

    def broker_away(self, what, end):
        node = self.random.randint(1, self.options.brokers)
        self.note(f"{what} broker {node}")
        end(node)
        self.look_after(self.random.uniform(0, 6))
        self.kafka.start(node)
        self.disturb_agents_until_now()

    def cut_engine(self):
        number = self.a_member()
        seconds = self.random.choice([3, 8, 15])
        self.note(f"network cut of engine {number} for {seconds} s")
        self.network.cut(number)
        self.look_after(seconds)
        self.network.mend()

    def cut_agent(self):
        number = self.random.choice(sorted(self.agents))
        seconds = self.random.choice([2, 5])
        self.note(f"network cut of agent {number} for {seconds} s")
        self.network.cut(100 + number)
        self.look_after(seconds)
        self.network.mend()
        self.disturb_agents_until_now()

    def fill_disk(self):
        number = self.a_member()
        seconds = self.random.uniform(2, 8)
        self.note(f"disk of engine {number} full for {seconds:.1f} s")
        self.disks[number].fill()
        self.look_after(seconds)
        self.disks[number].free()

    def heal(self):
        if self.network and not self.network.problem:
            self.network.mend()
        for disk in self.disks.values():
            disk.free()

    # --- watching and judging ---------------------------------------------------------------------

    def watch(self):
        """Recovered: the stores are again as close to the recording as in undisturbed times."""
        usual = 4.0
        while not self.stopping.wait(0.5):
            behind = self.stored.behind(self.now() - usual)
            if behind > 0:
                continue
            for what, when in self.open:
                self.recovered.append((what, self.now() - when))
            self.open.clear()

    def settle(self, seconds):
        for agent in self.agents.values():
            if agent.poll() is None and agent.wait(120) != 0:
                raise RuntimeError(f"an agent failed:\n{agent.output()[-3000:]}")
        say(f"  {self.now():6.1f} s  the agents have ended")
        count, since = 0, time.monotonic()
        # What two files have counts twice, so the number alone does not say that all is there.
        while time.monotonic() - since < (QUIET_SECONDS if count < self.stored.total else ALL_THERE_SECONDS):
            self.look_after(0.5)
            if (new := self.stored.count()) != count:
                count, since = new, time.monotonic()
        say(f"  {self.now():6.1f} s  {count} rows are stored")
        for number, member in list(self.group.members.items()):
            if member.stop(60) != 0:
                raise RuntimeError(f"engine {number} ended with {member.code}:\n{member.output()[-3000:]}")

    def judge(self, expected):
        verdict = Verdict(expected, read_rows(self.build, self.group.path("disk-*/weft.db")))
        for what, seconds in self.recovered:
            say(f"  recovered in {seconds:5.1f} s: {what}")
        for what, _ in self.open:
            say(f"  not recovered before the end: {what}")
        for reason, spans in sorted(verdict.late.items()):
            say(f"late {len(spans)}: {reason}, for example {verdict.describe(spans[0])}")
        for name, spans in {"lost": verdict.lost, "duplicate": verdict.duplicate, "wrong": verdict.wrong}.items():
            for span in spans[:5]:
                say(f"{name}: {verdict.describe(span)}")
        say(f"lost {len(verdict.lost)} duplicate {len(verdict.duplicate)} wrong {len(verdict.wrong)} "
            f"events {self.events}")
        return 1 if verdict.lost or verdict.duplicate or verdict.wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave stores and logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="weft-chaos-")
    try:
        code = Chaos(Build(options.build), options, folder).run()
    except (Unavailable, KafkaError) as error:
        sys.exit(f"chaos: {error}")
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
