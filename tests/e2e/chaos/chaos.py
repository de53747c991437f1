#!/usr/bin/env python3
"""What `make chaos` runs: a recording of the shop at its pace through a real Kafka, while things break.

  chaos.py BUILD_DIR [--seed N] [--minutes M] [--events N] [--brokers N] [--kinds KIND,...] [--chain NAME,...]

Three agents with spools and some engines are processes of their own, each behind a network cable of its own.
The seed says what happens to whom and when; the timing of the machine still differs from run to run. At the
end what was stored is compared with a run of one process that nobody disturbed. The last line is
`lost N duplicate N wrong N events N`; 0 is returned if the first three are 0 and the doctor's ledger says so too.
Nothing outlives the run.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from e2e import STORED_RECORDING, Build, replay  # noqa: E402
from events import MORE, WEIGHTS, Events  # noqa: E402
from faults import BROKERS, Network, SmallDisk  # noqa: E402
from judge import judge  # noqa: E402
from kafka_group import Group, KafkaCluster, KafkaError, Unavailable, prepare_kafka  # noqa: E402
from progress import Progress  # noqa: E402
from sandbox import run_inside  # noqa: E402

AGENTS = 3
PARTITIONS = 8
PERIOD_SECONDS = 4  # a new round of load
UNDISTURBED_SECONDS = 16  # first, so that what is usual can be seen
REPEATED_SECONDS = 2  # an agent that was killed goes on so much earlier: its spool has the rest
DISK_MB = 800
QUIET_SECONDS = 60  # at the end: nothing more comes
ALL_THERE_SECONDS = 5  # the same, when every trace is there
FIRST_AGENT_CABLE = 100
CHAIN = "context,thread,token,delay"  # weft's own default


def say(text):
    print(text, flush=True)


class Chaos:
    FEWEST_MEMBERS = 2
    MOST_MEMBERS = 5

    def __init__(self, build, options):
        self.build = build
        self.options = options
        self.folder = tempfile.gettempdir()
        self.group = self.kafka = self.network = self.progress = self.events = None
        self.agents, self.disks = {}, {}
        self.findings = []  # of weft's doctor
        self.begun = 0
        self.settings = f"correlators: [{options.chain}]\n"

    @property
    def members(self):
        return self.group.members

    # --- the run --------------------------------------------------------------------------------

    def run(self):
        seconds = self.options.minutes * 60
        alone = self.undisturbed(seconds)
        self.network = Network()
        say(f"chaos: seed {self.options.seed}: {self.options.events} events in {seconds:.0f} s, correlators "
            f"{self.options.chain}")
        with KafkaCluster(self.options.brokers, host=BROKERS) as self.kafka, Group(
                self.build, self.kafka.bootstrap, self.folder, partitions=PARTITIONS,
                settings=self.settings) as self.group:
            try:
                self.disturb(seconds, alone)
                self.settle()
            finally:
                for process in (*self.agents.values(), *self.members.values()):
                    process.__exit__()
                if self.options.keep:  # the small disks end with the run
                    for number, disk in self.disks.items():
                        shutil.copytree(disk.folder, os.path.join(self.folder, "stores", str(number)))
            self.report()
            verdict = judge(self.build, alone, self.group.path("disk-*/weft.db"), self.events.done)
        for line in (*verdict.lines, *self.findings):
            say(line)
        say(f"lost {verdict.lost} duplicate {verdict.duplicate} wrong {verdict.wrong} "
            f"events {len(self.events.done)}")
        return 1 if verdict.lost or verdict.duplicate or verdict.wrong or self.findings else 0

    def undisturbed(self, seconds):
        """The store of one process that read the whole recording at once."""
        prefix = os.path.join(self.folder, "shop")
        subprocess.run([os.path.join(self.build.e2e, "chaos-recording"), STORED_RECORDING, prefix, str(AGENTS),
                        str(PARTITIONS), str(seconds), str(PERIOD_SECONDS)], check=True)
        alone = os.path.join(self.folder, "alone.db")
        config = os.path.join(self.folder, "alone.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self.settings)
        replay(self.build, f"{prefix}.weft.zst", alone, "--config", config)
        return alone

    def disturb(self, seconds, alone):
        self.group.make_topics()
        for number in range(1, self.FEWEST_MEMBERS + 1):
            self.start_member(number)
        self.group.wait_for_members(self.FEWEST_MEMBERS)
        self.begun = int(time.time())
        for number in range(1, AGENTS + 1):
            self.start_agent(number, 0)
        self.progress = Progress(alone, self.stores, self.begun)
        kinds = self.options.kinds.split(",") if self.options.kinds else list(WEIGHTS)
        self.events = Events(self, self.options.seed, kinds)
        for moment in self.events.times(self.options.events, UNDISTURBED_SECONDS, seconds - 5):
            self.look_after(max(0.0, moment - self.now()))
            self.events.next()
        self.look_after(max(0.0, seconds + 2 - self.now()))

    def settle(self):
        for number, agent in self.agents.items():
            if agent.wait(120) != 0:
                raise RuntimeError(f"agent {number} failed ({agent.code}):\n{agent.output()[-3000:]}")
        say(f"  {self.now():6.1f} s  the agents have ended")
        missing, since = self.progress.missing, time.monotonic()
        while time.monotonic() - since < (QUIET_SECONDS if missing else ALL_THERE_SECONDS):
            self.look_after(0.5)
            if self.progress.missing != missing:
                missing, since = self.progress.missing, time.monotonic()
        self.progress.stop()
        say(f"  {self.now():6.1f} s  nothing more comes; {missing} traces are missing")
        self.consult_doctor()
        for number in list(self.members):
            self.stop_member(number)

    def consult_doctor(self):
        """What weft itself has counted, before the engines stop: nothing lost, nothing still under way."""
        for check in self.group.doctor():
            if check["name"] == "ledger":
                say(f"  doctor: {check['detail']}")
            amiss = re.search(r"(lost on the way|under way|dropped) [1-9-]", check["detail"])
            if check["state"] == "fail" or (amiss and check["name"] == "ledger"):
                self.findings.append(f"doctor: {check['name']}: {check['state']}: {check['detail']}")

    def report(self):
        """Recovered: all that was recorded when the event was over is stored; seconds since then."""
        usual = self.progress.usual(PERIOD_SECONDS, UNDISTURBED_SECONDS - PERIOD_SECONDS)
        say(f"  undisturbed all is stored after {usual:.1f} s; what was recorded until an event was over, after:")
        say(f"  {'at s':>7} {'lasted s':>9} {'recovered s':>12} {'behind s':>9}  event")
        took = []
        for text, when, lasted in self.events.done:
            stored = self.progress.stored_until(when + lasted, when + lasted)
            behind = self.progress.worst(when, stored or float("inf"))
            if stored is not None:
                took.append(stored - when - lasted)
            recovered = "not before end" if stored is None else f"{took[-1]:.1f}"
            say(f"  {when:7.1f} {lasted:9.1f} {recovered:>12} {behind:9.1f}  {text}")
        if took:
            took.sort()
            say(f"  recovery of {len(took)} events: median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s")

    def now(self):
        return time.time() - self.begun

    def note(self, text):
        say(f"  {self.now():6.1f} s  {text}")

    def look_after(self, seconds):
        """Waits; a process that ends by itself is a finding."""
        end = time.monotonic() + seconds
        while True:
            for number, member in self.members.items():
                if member.poll() is not None:
                    raise RuntimeError(f"engine {number} ended by itself ({member.code}):\n{member.output()[-3000:]}")
            for number, agent in self.agents.items():
                if agent.poll() not in (None, 0):
                    raise RuntimeError(f"agent {number} failed ({agent.code}):\n{agent.output()[-3000:]}")
            if (left := end - time.monotonic()) <= 0:
                return
            time.sleep(min(0.2, left))

    # --- processes --------------------------------------------------------------------------------

    @staticmethod
    def cable_of_member(number):
        return number

    @staticmethod
    def cable_of_agent(number):
        return FIRST_AGENT_CABLE + number

    def stores(self):
        return [os.path.join(disk.folder, "weft.db") for disk in list(self.disks.values())]

    def start_member(self, number):
        if number not in self.disks:
            self.disks[number] = SmallDisk(self.group.path(f"disk-{number}"), DISK_MB)
        self.group.start_member(number, os.path.join(self.disks[number].folder, "weft.db"),
                                prefix=self.network.prefix(self.cable_of_member(number)), go_on=True)

    def stop_member(self, number):
        member = self.members.pop(number)
        if member.stop(60) not in (0, -signal.SIGTERM):  # the latter: it had just been started
            raise RuntimeError(f"engine {number} ended with {member.code}:\n{member.output()[-3000:]}")

    def start_agent(self, number, since):
        """What was recorded before `since` is published, or in its spool. What is due is published at once."""
        begin = max(0.0, since - REPEATED_SECONDS)
        self.agents[number] = self.group.agent(
            "--replay", os.path.join(self.folder, f"shop-{number}.weft.zst"), "--pace", "1", "--replay-begun",
            str(self.begun), "--replay-from", f"{begin:.3f}s", "--spool", self.group.path(f"spool-{number}"),
            log=f"agent-{number}.log", prefix=self.network.prefix(self.cable_of_agent(number)), go_on=True)

    def stop_agent(self, number):
        agent = self.agents.pop(number)
        if agent.stop(60) not in (0, -signal.SIGTERM):
            raise RuntimeError(f"agent {number} ended with {agent.code}:\n{agent.output()[-3000:]}")


def options_from_command_line():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--kinds", help=f"only these, of {', '.join([*WEIGHTS, *MORE])}")
    parser.add_argument("--chain", default=CHAIN, help=f"correlators (default: {CHAIN})")
    parser.add_argument("--keep", action="store_true", help="leave stores and logs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for kind in (options.kinds or "").split(","):
        if kind and kind not in WEIGHTS and kind not in MORE:
            parser.error(f"no such kind of event: {kind}")
    return options


def main():
    options = options_from_command_line()
    try:
        if options.inside:
            return Chaos(Build(options.build), options).run()
        prepare_kafka()
    except (Unavailable, KafkaError) as error:
        sys.exit(f"chaos: {error}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="weft-chaos-")
    try:
        return run_inside(os.path.abspath(__file__), [*sys.argv[1:], "--inside"], folder)
    except KeyboardInterrupt:
        return 130
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
