"""The events of a chaos run: what can happen to whom, and how it ends.

A method per kind; each says what it does by note(), and returns when the surroundings are as before.
"""
import random

# Kind -> how often, of all.
WEIGHTS = {"kill_engine": 4, "stop_engine": 2, "add_engine": 3, "kill_agent": 3, "stop_agent": 1, "kill_broker": 2,
           "restart_broker": 1, "cut_engine": 2, "cut_agent": 1, "fill_disk": 2}
# Kinds that make deadlines pass, on request only.
MORE = ("lose_agent",)


class Events:
    """`run` is the Chaos that it happens to."""

    def __init__(self, run, seed, kinds):
        self._run = run
        self._random = random.Random(seed)
        self._kinds = kinds
        self.done = []  # (text, when, seconds that it took), as they end

    def times(self, count, begin, end):
        return sorted(self._random.uniform(begin, end) for _ in range(count))

    def next(self):
        while True:
            kind = self._random.choices(self._kinds, [WEIGHTS.get(kind, 1) for kind in self._kinds])[0]
            if kind == "add_engine" and len(self._run.members) >= self._run.MOST_MEMBERS and len(self._kinds) > 1:
                continue
            break
        begun = self._run.now()
        text = getattr(self, kind)()
        self.done.append((text, begun, self._run.now() - begun))

    def _note(self, text):
        self._run.note(text)
        return text

    def _member(self):
        return self._random.choice(sorted(self._run.members))

    def _agent(self):
        return self._random.choice(sorted(self._run.agents))

    def kill_engine(self):
        number = self._member()
        text = self._note(f"kill -9 of engine {number}")
        self._run.members.pop(number).kill()
        self._run.look_after(self._random.uniform(0, 4))
        self._run.start_member(number)
        return text

    def stop_engine(self):
        number = self._member()
        text = self._note(f"SIGTERM to engine {number}")
        self._run.stop_member(number)
        if len(self._run.members) < self._run.FEWEST_MEMBERS:
            self._run.look_after(self._random.uniform(0, 4))
            self._run.start_member(number)
        return text

    def add_engine(self):
        number = min(n for n in range(1, 100) if n not in self._run.members)
        text = self._note(f"a further engine, {number}")
        self._run.start_member(number)
        return text

    def kill_agent(self):
        number = self._agent()
        text = self._note(f"kill -9 of agent {number}")
        since = self._run.now()
        self._run.agents.pop(number).kill()
        self._run.look_after(self._random.uniform(0, 3))
        self._run.start_agent(number, since)
        return text

    def stop_agent(self):
        number = self._agent()
        text = self._note(f"SIGTERM to agent {number}")
        since = self._run.now()
        self._run.stop_agent(number)
        self._run.look_after(self._random.uniform(0, 3))
        self._run.start_agent(number, since)
        return text

    def kill_broker(self):
        return self._broker_away("kill -9 of", self._run.kafka.kill)

    def restart_broker(self):
        return self._broker_away("restart of", self._run.kafka.stop)

    def _broker_away(self, what, end):
        node = self._random.randint(1, self._run.kafka.count)
        text = self._note(f"{what} broker {node}")
        end(node)
        self._run.look_after(self._random.uniform(0, 6))
        self._run.kafka.start(node)
        return text

    def cut_engine(self):
        number = self._member()
        return self._cut(f"engine {number}", self._run.cable_of_member(number), self._random.choice([3, 8, 15]))

    def cut_agent(self):
        number = self._agent()
        return self._cut(f"agent {number}", self._run.cable_of_agent(number), self._random.choice([2, 5]))

    def lose_agent(self):
        number = self._agent()
        return self._cut(f"agent {number}", self._run.cable_of_agent(number), self._random.choice([12, 20]))

    def _cut(self, who, cable, seconds):
        text = self._note(f"network cut of {who} for {seconds} s")
        self._run.network.cut(cable)
        self._run.look_after(seconds)
        self._run.network.mend(cable)
        return text

    def fill_disk(self):
        number = self._member()
        seconds = self._random.uniform(2, 8)
        text = self._note(f"disk of engine {number} full for {seconds:.1f} s")
        self._run.disks[number].fill()
        self._run.look_after(seconds)
        self._run.disks[number].free()
        return text
