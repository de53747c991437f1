#!/usr/bin/env python3
"""configs/ for operators: units, Kubernetes, Grafana, alerts: that they say what weft understands."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from e2e import HERE, Build, main

BUILD = Build(sys.argv[1])
ROOT = os.path.join(HERE, "..", "..")
CONFIGS = os.path.join(ROOT, "configs")

try:
    import yaml
except ImportError:
    yaml = None


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def capabilities():
    header = read(ROOT, "sources", "ebpf", "privileges.h")
    return re.search(r'kCapabilityList =\s*"([^"]*)"', header)[1].split(",")


def described_metrics():
    """Names that a /metrics page has, by the table that a unit test holds equal to the catalogue."""
    names = set()
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", read(ROOT, "engine", "telemetry", "README.md"), re.M):
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names | {"weft_build_info", "process_cpu_seconds_total", "process_resident_memory_bytes"}


def used_metrics(expression):
    return set(re.findall(r"\b(?:weft|process)_\w+", expression))


class UnitsTest(unittest.TestCase):
    def unit(self, name):
        return read(CONFIGS, name)

    def granted(self, text, key):
        return [name.lower() for name in re.search(rf"^{key}=(.*)$", text, re.M)[1].split()]

    def test_the_agent_gets_what_doctor_names_and_the_engine_nothing(self):
        agent = self.unit("weft-agent.service")
        self.assertEqual(self.granted(agent, "AmbientCapabilities"), capabilities())
        self.assertEqual(self.granted(agent, "CapabilityBoundingSet"), capabilities())
        engine = self.unit("weft-engine.service")
        self.assertEqual(self.granted(engine, "CapabilityBoundingSet"), [])
        self.assertNotIn("AmbientCapabilities", engine)

    def test_systemd_takes_them(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not here (apt-get install systemd)")
        for name in ("weft-agent.service", "weft-engine.service"):
            with tempfile.TemporaryDirectory() as directory:
                unit = os.path.join(directory, name)
                with open(unit, "w", encoding="utf-8") as file:
                    file.write(self.unit(name).replace("/usr/local/bin/weft", BUILD.weft))
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual([line for line in done.stdout.splitlines() if name in line], [], done.stdout)

    def test_their_command_lines_are_understood(self):
        for name in ("weft-agent.service", "weft-engine.service"):
            arguments = re.search(r"^ExecStart=\S+ (.*)$", self.unit(name), re.M)[1].split()
            arguments[arguments.index("/etc/weft/weft.yaml")] = "no-such-file.yaml"
            done = subprocess.run([BUILD.weft, *arguments], stderr=subprocess.PIPE, text=True, check=False)
            self.assertIn("no-such-file.yaml", done.stderr)
            self.assertEqual(done.returncode, 4, done.stderr)


@unittest.skipIf(yaml is None, "no YAML reader for Python here (apt-get install python3-yaml)")
class KubernetesTest(unittest.TestCase):
    def setUp(self):
        self.objects = {(one["kind"], one["metadata"]["name"]): one
                        for one in yaml.safe_load_all(read(CONFIGS, "kubernetes", "weft.yaml"))}

    def pod(self, kind, name):
        return self.objects[kind, name]["spec"]["template"]["spec"]

    def test_has_what_it_should(self):
        self.assertEqual(set(self.objects), {("ConfigMap", "weft"), ("DaemonSet", "weft-agent"),
                                             ("Deployment", "weft-engine"), ("Service", "weft-engine")})

    def test_agents_have_the_capabilities_and_are_not_privileged(self):
        pod = self.pod("DaemonSet", "weft-agent")
        self.assertTrue(pod["hostPID"])
        context = pod["containers"][0]["securityContext"]
        self.assertFalse(context["privileged"])
        self.assertEqual(context["capabilities"]["drop"], ["ALL"])
        self.assertEqual([f"cap_{name.lower()}" for name in context["capabilities"]["add"]], capabilities())

    def test_engines_have_none(self):
        context = self.pod("Deployment", "weft-engine")["containers"][0]["securityContext"]
        self.assertFalse(context["privileged"])
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_selectors_ports_volumes_and_probes_fit_together(self):
        for kind, name in (("DaemonSet", "weft-agent"), ("Deployment", "weft-engine")):
            spec = self.objects[kind, name]["spec"]
            labels = spec["template"]["metadata"]["labels"]
            self.assertLessEqual(spec["selector"]["matchLabels"].items(), labels.items())
            pod = self.pod(kind, name)
            container = pod["containers"][0]
            volumes = {volume["name"] for volume in pod["volumes"]}
            self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, volumes)
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
                self.assertEqual(container[probe]["httpGet"]["path"], path)
                self.assertIn(container[probe]["httpGet"]["port"], ports)
            config = yaml.safe_load(self.objects["ConfigMap", "weft"]["data"]["weft.yaml"])
            self.assertEqual(config["metrics"]["listen"], f":{ports['metrics']}")
        service = self.objects["Service", "weft-engine"]["spec"]
        engine = self.objects["Deployment", "weft-engine"]["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(service["selector"].items(), engine.items())

    def test_its_configuration_is_right(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(self.objects["ConfigMap", "weft"]["data"]["weft.yaml"])
            file.flush()
            done = subprocess.run([BUILD.weft, "validate", file.name], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class DashboardTest(unittest.TestCase):
    def test_every_query_is_about_a_metric_that_there_is(self):
        dashboard = json.loads(read(CONFIGS, "grafana", "weft.json"))
        known = described_metrics()
        self.assertGreater(len(known), 100)
        self.assertGreater(len(dashboard["panels"]), 10)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                names = used_metrics(target["expr"])
                self.assertTrue(names, panel["title"])
                self.assertLessEqual(names, known, panel["title"])

    def test_panels_do_not_overlap(self):
        taken = set()
        for panel in json.loads(read(CONFIGS, "grafana", "weft.json"))["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            taken |= cells


class AlertsTest(unittest.TestCase):
    @unittest.skipIf(yaml is None, "no YAML reader for Python here (apt-get install python3-yaml)")
    def test_every_rule_is_about_a_metric_that_there_is(self):
        rules = yaml.safe_load(read(CONFIGS, "prometheus", "rules.yaml"))["groups"][0]["rules"]
        self.assertLessEqual({"WeftLosesSpans", "WeftLagGrows", "WeftPartitionsWithoutOwner"},
                             {rule["alert"] for rule in rules})
        for rule in rules:
            names = used_metrics(rule["expr"])
            self.assertTrue(names, rule["alert"])
            self.assertLessEqual(names, described_metrics(), rule["alert"])
            self.assertTrue(rule["annotations"]["summary"])

    def test_promtool_takes_them(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not here (apt-get install prometheus)")
        done = subprocess.run(["promtool", "check", "rules", os.path.join(CONFIGS, "prometheus", "rules.yaml")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    main()
