"""Compares what a machine stored with what the programs there logged themselves."""
import collections
import json
import os
import sqlite3

from e2e import check_store, read_ledger, reconcile

# What guest/phase asks of redis, by command.
REDIS = {"INCR": 10, "SET": 300, "GET": 400}
REQUESTS = 260  # what it asks of `front`; `back` gets as many

Exchange = collections.namedtuple("Exchange", "method target status request_bytes response_bytes")


class Verdict:
    """One traced run: the cells of its row, and what is wrong."""

    def __init__(self, family):
        self.family = family
        self.btf = self.loads = self.hooks = self.exchanges = self.links = self.options = self.ledger = "-"
        self.problems = []

    def cells(self):
        return [self.btf, self.loads, self.hooks, self.exchanges, self.links, self.options, self.ledger]

    def expect(self, holds, problem):
        if not holds:
            self.problems.append(problem)
        return holds


def read(*path):
    with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
        return file.read()


def logged(path):
    """The exchanges in an access log of nginx, each with how often it is there."""
    return collections.Counter(Exchange(method, target, int(status), int(received), int(sent))
                               for method, target, status, received, sent
                               in (line.split() for line in read(path).splitlines()))


def stored(spans, service, kind, port):
    """The exchanges of one end that weft stored. The port tells `back` from what it asks itself."""
    seen = collections.Counter()
    for span in spans:
        if (span["service"], span["kind"], span["protocol"]) != (service, kind, "http"):
            continue
        if span["local_port" if kind == "SERVER" else "remote_port"] != port:
            continue
        attributes = json.loads(span["attributes"])
        target = (f"{attributes.get('url.path')}?{attributes.get('url.query')}" if kind == "SERVER" else
                  "/" + attributes.get("url.full", "").split("/", 3)[-1])
        seen[Exchange(attributes.get("http.request.method"), target,
                      attributes.get("http.response.status_code"), span["request_bytes"],
                      span["response_bytes"])] += 1
    return seen


def compare(verdict, what, truth, seen, allowed):
    """Counts what is right; each difference is a problem beyond those that weft says it missed."""
    wrong = (truth - seen) + (seen - truth)
    examples = ", ".join(" ".join(map(str, e)) if isinstance(e, tuple) else str(e) for e in list(wrong)[:4])
    verdict.expect(sum(wrong.values()) <= allowed, f"{what}: {sum(wrong.values())} differ from the truth: {examples}")
    return sum((truth & seen).values())


def judge_links(verdict, spans, allowed):
    """Every request that another traced process sent has that process's span as its parent."""
    by_id = {span["span_id"]: span for span in spans}
    right = total = 0
    for span in spans:
        if span["kind"] != "SERVER":
            continue
        total += 1
        parent = by_id.get(span["parent_id"])
        right += bool(parent and parent["kind"] == "CLIENT" and
                      parent["local_port"] == span["remote_port"] and
                      parent["remote_port"] == span["local_port"])
    verdict.links = f"{right}/{total}"
    verdict.expect(total - right <= allowed, f"{total - right} requests are not linked to the call of their peer")


def judge_options(verdict, ledger):
    """Every connection that was opened has carried its id to the other end."""
    connected, acknowledged, received = (ledger.get(f"kernel.option_{name}", 0)
                                         for name in ("connected", "acknowledged", "received"))
    verdict.options = f"{received}/{connected}"
    verdict.expect(0 < connected == acknowledged == received,
                   f"TCP options: {connected} connections, {acknowledged} acknowledged, {received} received")


def judge_run(verdict, folder):
    """One traced run."""
    code, log = read(folder, "code").strip(), read(folder, "run.log")
    if not verdict.expect(code == "0" and "tracing" in log, f"weft run ended with {code}:\n{log}"):
        verdict.loads = "no"
        return
    verdict.loads = "yes"
    verdict.hooks = next((line.split()[2] for line in log.splitlines() if line.startswith("weft: hooks: ")), "?")
    database = os.path.join(folder, "weft.db")
    ledger = read_ledger(database)
    sums = reconcile(ledger)
    verdict.ledger = "holds" if sums["unexplained"] == 0 and sums["lost"] == 0 else str(sums)
    verdict.expect(verdict.ledger == "holds", f"the ledger does not hold: {sums}")
    for problem in check_store(database):
        verdict.expect(False, f"store: {problem}")
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        spans = connection.execute("SELECT * FROM spans").fetchall()

    # An event that the kernel did not show is counted and spoils the exchange that it belongs to, at
    # one end or both.
    allowed = 2 * sum(value for name, value in ledger.items()
                      if name in ("kernel.missed", "kernel.ring_full", "kernel.unreadable"))
    front, back = logged(os.path.join(folder, "front.log")), logged(os.path.join(folder, "back.log"))
    verdict.expect(sum(front.values()) == sum(back.values()) == REQUESTS,
                   f"the traffic is not what it should be: {sum(front.values())}, {sum(back.values())}")
    right = total = 0
    for service, kind, port, truth in (("curl", "CLIENT", 8080, front), ("front", "SERVER", 8080, front),
                                       ("front", "CLIENT", 8081, back), ("back", "SERVER", 8081, back)):
        right += compare(verdict, f"{kind} of {service}", truth, stored(spans, service, kind, port), allowed)
        total += sum(truth.values())
    for kind in ("CLIENT", "SERVER"):
        truth = collections.Counter(REDIS)
        seen = collections.Counter(span["operation"] for span in spans if span["kind"] == kind and
                                   span["protocol"] == "redis" and span["operation"] in REDIS)
        right += compare(verdict, f"redis {kind}", truth, seen, allowed)
        total += sum(truth.values())
    verdict.exchanges = f"{right}/{total}" + (f" ({allowed // 2} missed)" if allowed else "")
    judge_links(verdict, spans, allowed)
    judge_options(verdict, ledger)


def judge_doctor(verdict, folder, machine):
    """What `weft doctor` said before the run must be what is so."""
    checks = {check["name"]: check for check in json.loads(read(folder, "doctor.json"))["checks"]}
    verdict.btf = "yes" if checks["BTF"]["state"] == "ok" else "no"
    code = read(folder, "doctor.code").strip()
    verdict.expect(code == "0", f"weft doctor ended with {code}:\n{read(folder, 'doctor.txt')}")
    phase = os.path.basename(folder)
    lockdown = checks["lockdown"]["detail"]
    if machine == "lockdown":
        verdict.expect(lockdown.startswith("integrity"), f"doctor does not see the lockdown: {lockdown}")
    verdict.expect(checks["TCP option"]["state"] == "ok", f"TCP option: {checks['TCP option']['detail']}")
    mounted = "not mounted" not in checks["cgroup2"]["detail"]
    verdict.expect(mounted == (phase != "bare"), f"doctor on cgroup2: {checks['cgroup2']['detail']}")


def judge_phase(folder, machine):
    """One verdict for each run of the phase."""
    verdicts = []
    for family in sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name))):
        verdict = Verdict(family)
        verdicts.append(verdict)
        try:
            judge_doctor(verdict, folder, machine)
            judge_run(verdict, os.path.join(folder, family))
        except (OSError, ValueError, KeyError, sqlite3.Error) as error:
            verdict.expect(False, f"no result: {error!r}")
    return verdicts
