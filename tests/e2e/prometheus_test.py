#!/usr/bin/env python3
"""A real Prometheus scrapes weft and answers what Grafana's service graph and its table of operations ask; and
every query of the dashboard and the rules in configs/ is one that it understands.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from e2e import HERE, Build, WeftRun, main, skip
from reported_spans_test import addresses, post, request, span, wait_for

BUILD = Build(sys.argv[1])
CONFIGS = os.path.join(HERE, "..", "..", "configs")
TRACES, FAILING = 200, 50
RANGE = "5m"  # longer than a loaded machine takes between two looks
CONFIG = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: ["{rules}"]
scrape_configs:
  - {{job_name: weft, static_configs: [{{targets: ["{weft}"]}}]}}
"""
# As grafana/public/app/plugins/datasource/tempo asks: the edges of its graph, and the table beside it.
EDGE = "sum by (client, server) (rate(traces_service_graph_request_{}[$__range]))"
TOP = "topk(5, sum(rate(traces_spanmetrics_calls_total{%s}[$__range])) by (span_name))"
DURATION = "histogram_quantile(.9, sum(rate(traces_spanmetrics_latency_bucket{span_name=~\"GET /\"}[$__range])) by (le))"


class Prometheus:
    """A server on a port that it takes itself; `ask` gives the data of its answer."""

    def __init__(self, folder, weft):
        self._at = None
        config = os.path.join(folder, "prometheus.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(weft=weft, rules=os.path.abspath(os.path.join(CONFIGS, "prometheus", "rules.yaml"))))
        self._log = open(os.path.join(folder, "prometheus.log"), "w+", encoding="utf-8")
        self._command = ["prometheus", f"--config.file={config}", "--web.listen-address=127.0.0.1:0",
                         f"--storage.tsdb.path={folder}/prometheus", "--enable-feature=exemplar-storage"]
        self._process = None
        self.at = None  # the time that queries are about; None: now

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            wait_for(self._ready)
        except AssertionError:
            self.__exit__()
            raise AssertionError(f"prometheus does not start:\n{self._said()[-2000:]}") from None
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _said(self):
        with open(self._log.name, encoding="utf-8") as file:
            return file.read()

    def _ready(self):
        listens = re.search(r'"Listening on" address=(\S+)', self._said())
        if not listens:
            return False
        self._at = listens[1]
        try:
            with urllib.request.urlopen(f"http://{self._at}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"http://{self._at}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def values(self, query, *labels):
        """{label values: value} of an instant query."""
        at = {"time": self.at} if self.at else {}
        found = self.ask("query", query=query.replace("$__range", RANGE), **at)["result"]
        return {tuple(one["metric"].get(label, "") for label in labels): float(one["value"][1]) for one in found}


class PrometheusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("prometheus") is None:
            skip("no prometheus here (apt-get install prometheus)", needs="prometheus")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def weft(self):
        path = os.path.join(self.folder, "weft.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("""
sources: {ebpf: {enabled: false}, otlp: {listen_http: "127.0.0.1:0", wait: 0s}}
metrics: {listen: "127.0.0.1:0"}
samplers: [{name: head, config: {ratio: 0.1}}]
""")
        return WeftRun(BUILD, "--config", path, "--db", os.path.join(self.folder, "weft.db"), "--plugin-dir",
                       os.path.join(sys.argv[1], "plugins"), log=os.path.join(self.folder, "log"))

    @staticmethod
    def send(weft, traces, failing):
        """Traces of a front that calls a cart for 20 ms; of the first the cart fails."""
        spans = []
        for i in range(traces):
            trace = random.getrandbits(128)
            spans += [span(trace, 1, service="front", ms=40),
                      span(trace, 2, 1, service="front", name="call cart", ms=30, kind=3),
                      span(trace, 3, 2, service="cart", name="GET /cart", ms=20, failed=i < failing)]
        assert post(addresses(weft)["OTLP"], "/v1/traces", request(spans))[0] == 200

    def test_answers_what_grafana_asks(self):
        with self.weft() as weft:
            weft.wait_until_it_says("metrics: ")
            at = re.search(r"metrics: http://([^/]+)/", weft.output())[1]
            with Prometheus(self.folder, at) as prometheus:
                total = "traces_service_graph_request_total"
                # A rate begins with a series' second value.
                self.send(weft, 2, 1)
                wait_for(lambda: prometheus.values(total, "client", "server").get(("front", "cart")) == 2)
                self.send(weft, TRACES - 2, FAILING - 1)
                wait_for(lambda: prometheus.values(total, "client", "server").get(("front", "cart")) == TRACES)
                prometheus.at = time.time()

                # Of all traffic, though one of ten traces is kept (which are the exemplars).
                self.assertEqual(prometheus.values("traces_service_graph_request_failed_total", "client", "server"),
                                 {("user", "front"): 0, ("front", "cart"): FAILING})
                self.graph(prometheus)
                self.operations(prometheus)
                self.exemplars(prometheus)
                self.configs(prometheus)
            self.assertEqual(weft.stop(60), 0, weft.output())

    def graph(self, prometheus):
        edge = ("front", "cart")
        keys = prometheus.ask("series", **{"match[]": '{__name__=~"traces_service_graph_request_server_seconds_sum|'
                                                      'traces_service_graph_request_total"}'})
        self.assertEqual({key["__name__"] for key in keys},
                         {"traces_service_graph_request_server_seconds_sum", "traces_service_graph_request_total"})
        rate, failed, seconds = (prometheus.values(EDGE.format(name), "client", "server")[edge]
                                 for name in ("total", "failed_total", "server_seconds_sum"))
        self.assertGreater(rate, 0)
        # How a rate is extended to its range's edges depends a little on the series.
        self.assertAlmostEqual(failed / rate, FAILING / TRACES, delta=0.01)
        self.assertAlmostEqual(seconds / rate, 0.020, delta=0.001)
        slowest = prometheus.values("histogram_quantile(0.9, " + EDGE.format("server_seconds_bucket").replace(
            "(client, server)", "(le, client, server)") + ")", "client", "server")
        self.assertTrue(0.01 <= slowest[edge] <= 0.05, slowest)

    def operations(self, prometheus):
        found = prometheus.values(TOP % 'span_kind="SPAN_KIND_SERVER"', "span_name")
        self.assertEqual(set(found), {("GET /",), ("GET /cart",)})
        errors = prometheus.values(TOP % 'status_code="STATUS_CODE_ERROR",span_kind="SPAN_KIND_SERVER"', "span_name")
        self.assertAlmostEqual(errors["GET /cart",] / found["GET /cart",], FAILING / TRACES, delta=0.02)
        self.assertTrue(0.02 <= prometheus.values(DURATION)[()] <= 0.1)
        self.assertEqual(set(prometheus.ask("label/service/values")), {"front", "cart"})

    def exemplars(self, prometheus):
        def found():
            series = prometheus.ask("query_exemplars", query="traces_spanmetrics_latency_bucket",
                                    start=time.time() - 600, end=time.time() + 600)
            return [exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]]
        traces = wait_for(found)
        self.assertTrue(all(re.fullmatch("[0-9a-f]{32}", trace) for trace in traces), traces[:3])

    def configs(self, prometheus):
        with open(os.path.join(CONFIGS, "grafana", "weft.json"), encoding="utf-8") as file:
            queries = set(re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', file.read()))
        self.assertGreater(len(queries), 5)
        for query in queries:
            text = re.sub(r"\$__\w+", RANGE, json.loads(query))
            prometheus.ask("query", query=re.sub(r"\$\{?\w+\}?", ".*", text))
        groups = prometheus.ask("rules")["groups"]
        self.assertTrue(groups)
        for rule in (rule for group in groups for rule in group["rules"]):
            self.assertIn(rule["health"], ("ok", "unknown"), rule)


if __name__ == "__main__":
    main()
