"""A real Jaeger v2 for tests, on free ports, with its store in memory: receivers OTLP (gRPC and HTTP) and
Zipkin, and its query API. With `passes_on` it is a Collector: what it gets goes to that OTLP receiver too.

    with JaegerServer(folder) as jaeger:
        ... jaeger.otlp_http ... jaeger.spans("shop-front") ... jaeger.dependencies()
"""
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import jaeger_artifact

HOST = "127.0.0.1"
PORTS = range(15000, 32000)  # below those of outgoing connections
START_SECONDS = 60
ALL_TIME = {"start": 0, "end": 2_000_000_000_000_000}  # us
LIBC = ctypes.CDLL(None)

CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp, zipkin], exporters: [jaeger_storage_exporter{also}]}}
  telemetry: {{metrics: {{level: none}}, traces: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query: {{storage: {{traces: store}}, http: {{endpoint: "{query}"}}, grpc: {{endpoint: "{query_grpc}"}}}}
  jaeger_storage: {{backends: {{store: {{memory: {{max_traces: 200000}}}}}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "{otlp_grpc}"{tls}}}, http: {{endpoint: "{otlp_http}"{tls}}}}}}}
  zipkin: {{endpoint: "{zipkin}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: store}}
{passing}
"""
PASSING = {
    "grpc": '  otlp: {{endpoint: "{to}", tls: {{insecure: true}}, sending_queue: {{batch: null}}}}\n',
    "http": '  otlphttp: {{endpoint: "http://{to}"}}\n',
    "http/json": '  otlphttp: {{endpoint: "http://{to}", encoding: json}}\n',
}


class JaegerError(Exception):
    """Jaeger does not do what it should; the message has the end of its log."""


class JaegerServer:
    """Addresses as HOST:PORT: otlp_grpc, otlp_http, zipkin, query."""

    def __init__(self, folder, passes_on=None, certificate=None):
        """passes_on: ("grpc" | "http" | "http/json", HOST:PORT). certificate: (PEM file, key file) for OTLP."""
        self._program = jaeger_artifact.fetch()
        self._folder = folder
        names = ("otlp_grpc", "otlp_http", "zipkin", "query", "query_grpc")
        self._at = {name: f"{HOST}:{_free_port()}" for name in names}
        kind, to = passes_on or (None, None)
        tls = f', tls: {{cert_file: "{certificate[0]}", key_file: "{certificate[1]}"}}' if certificate else ""
        self._config = CONFIG.format(**self._at, tls=tls, also=f", {'otlp' if kind == 'grpc' else 'otlphttp'}" if kind else "",
                                     passing=PASSING[kind].format(to=to) if kind else "")
        self._process = self._log = None

    def __getattr__(self, name):
        try:
            return self.__dict__["_at"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __enter__(self):
        config = os.path.join(self._folder, f"jaeger-{self.query.rpartition(':')[2]}.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self._config)
        self._log = open(config[:-5] + ".log", "w+", encoding="utf-8")
        self._process = subprocess.Popen([self._program, "--config", config], stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=self._log,
                                         preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask("/api/services")
                return self
            except (urllib.error.URLError, ConnectionError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise JaegerError(f"Jaeger does not start: {error}\n{self._said()}") from error
                time.sleep(0.1)

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _said(self):
        with open(self._log.name, encoding="utf-8") as file:
            return file.read()[-2000:]

    def ask(self, path, **parameters):
        """What the query API answers, decoded."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"http://{self.query}{path}{query}", timeout=60) as page:
            return json.load(page)

    def services(self):
        return sorted(self.ask("/api/services")["data"] or [])

    def traces(self, limit=100_000):
        """All traces, by id, as Jaeger's own JSON has them."""
        found = {}
        for service in self.services():
            for trace in self.ask("/api/traces", service=service, limit=limit, **ALL_TIME)["data"]:
                found[trace["traceID"]] = trace
        return found

    def trace(self, trace_id):
        return self.ask(f"/api/traces/{trace_id}")["data"][0]

    def dependencies(self):
        """{(parent, child): calls}"""
        edges = self.ask("/api/dependencies", endTs=2_000_000_000_000, lookback=2_000_000_000_000)["data"]
        return {(edge["parent"], edge["child"]): edge["callCount"] for edge in edges}


def spans_of(traces):
    """Jaeger's traces as {(trace, span): (parent, service, operation, start us, duration us, kind, failed)}."""
    spans = {}
    for trace in traces.values():
        for span in trace["spans"]:
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            parent = next((r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"), "")
            service = trace["processes"][span["processID"]]["serviceName"]
            spans[trace["traceID"], span["spanID"]] = (
                parent, service, span["operationName"], span["startTime"], span["duration"],
                tags.get("span.kind", "internal"), bool(tags.get("error", False)))
    return spans


def _free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
