#!/usr/bin/env python3
"""`weft serve` answers what Jaeger answers: the same traces, the same questions.

tests/golden/jaeger_api holds the traces (OTLP) and what Jaeger v2 answered to each question; weft's answers are
compared with those. Where Jaeger can be had, its answers are asked for again, so that they stay true.
WEFT_REWRITE=1 writes them anew.

What may differ, and is put aside: the order of services, traces, spans, processes and edges, which Jaeger takes
from maps; null in place of an empty list; calls within one service, which Jaeger counts as an edge;
headers; error=true, by which weft and Jaeger's databases find failed spans and its memory does not; the words for a broken JSON or time, beyond their beginning.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from e2e import HERE, PATIENCE, Build, main
from serve_process import ServeProcess

sys.path.insert(0, os.path.join(HERE, "..", "support", "jaeger"))
import jaeger_artifact  # noqa: E402

BUILD = Build(sys.argv[1])
GOLDEN = os.path.join(HERE, "..", "golden", "jaeger_api")
TRACES = os.path.join(GOLDEN, "traces.otlp.jsonl")
ANSWERS = os.path.join(GOLDEN, "answers.json")
TIME = "start=1763600000000000&end=1763800000000000"
V3_TIME = "query.start_time_min=2025-11-21T00:00:00Z&query.start_time_max=2025-11-22T00:00:00Z&query.num_traces=10"
QUESTIONS = [
    "/api/services", "/api/services/front/operations", "/api/services/nobody/operations",
    "/api/services/pay%20%C3%A9%2F%3Cb%3E/operations",
    "/api/operations?service=front", "/api/operations?service=cart&spanKind=server", "/api/operations",
    "/api/traces/a001", "/api/traces/0000000000000000000000000000A001", "/api/traces/4bf92f3577b34da6a3ce929d0e0e4736",
    "/api/traces/77", "/api/traces/xyz", f"/api/traces/{'1' * 33}", "/api/traces/77?start=x",
    f"/api/traces?service=front&{TIME}", f"/api/traces?service=front&{TIME}&limit=1", f"/api/traces?service=nobody&{TIME}",
    f"/api/traces?service=front&operation=POST+/order&{TIME}", f"/api/traces?service=front&minDuration=100ms&{TIME}",
    f"/api/traces?service=front&maxDuration=60ms&minDuration=36ms&{TIME}", f"/api/traces?service=cart&maxDuration=1ms&{TIME}",
    f"/api/traces?service=front&{TIME}&tags=%7B%22url.path%22%3A%22%2Forder%22%7D", f"/api/traces?service=front&{TIME}&tag=url.path:/cart/17",
    f"/api/traces?service=cart&{TIME}&tag=cache.hit:true", f"/api/traces?service=cart&{TIME}&tag=rows:9007199254740993",
    f"/api/traces?service=cart&{TIME}&tag=span.kind:client", f"/api/traces?service=cart&{TIME}&tag=host.name:node-1",
    f"/api/traces?service=front&{TIME}&tag=http.response.status_code:500&tag=url.path:/order",
    "/api/traces?service=front", "/api/traces?traceID=a001&traceID=77", "/api/traces?traceID=xyz", "/api/traces",
    "/api/traces?service=a&start=x", "/api/traces?service=a&limit=x", "/api/traces?service=a&minDuration=5",
    "/api/traces?service=a&minDuration=5q", "/api/traces?service=a&minDuration=2s&maxDuration=1s", "/api/traces?service=a&tag=x",
    "/api/traces?service=a&tags=%7B", "/api/traces?service=a&tags=%7B%22a%22%3A1%7D",
    "/api/dependencies?endTs=1763700010000&lookback=86400000", "/api/dependencies?endTs=1763700010000&lookback=86400000&service=cart",
    "/api/dependencies?endTs=1000&lookback=10", "/api/dependencies?endTs=x", "/api/dependencies?endTs=1&lookback=x",
    "/api/v3/services", "/api/v3/operations?service=front", "/api/v3/operations?service=front&span_kind=client",
    "/api/v3/traces/a001", "/api/v3/traces/77", "/api/v3/traces/xyz", "/api/v3/traces?query.service_name=front",
    f"/api/v3/traces?query.service_name=front&{V3_TIME}", f"/api/v3/traces?query.service_name=nobody&{V3_TIME}",
    f"/api/v3/traces?query.service_name=front&query.duration_min=100ms&{V3_TIME}",
    "/api/v3/traces?query.service_name=front&query.start_time_min=x&query.start_time_max=y",
]
# What begins so goes on in words of the language's library.
WORDS = re.compile(r"(cannot unmarshal JSON|parsing time) .*|(cannot unmarshal JSON:|parsing time).*")


def ask(port, question):
    """{status, body}, the body as JSON."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{question}", timeout=PATIENCE) as answer:
            return {"status": answer.status, "body": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": json.loads(error.read())}


def order(value):
    return json.dumps(value, sort_keys=True)


def plain_trace(trace):
    """Processes in their spans, spans in order."""
    for span in trace["spans"]:
        span["process"] = trace["processes"][span.pop("processID")]
        span["tags"].sort(key=order)
    return {"traceID": trace["traceID"], "spans": sorted(trace["spans"], key=lambda s: s["spanID"]), "warnings": trace["warnings"]}


def plain_otlp(resources):
    """(resource, span) pairs in order."""
    out = []
    for one in resources:
        attributes = sorted(one["resource"]["attributes"], key=order)
        for scope in one["scopeSpans"]:
            for span in scope["spans"]:
                span["attributes"] = sorted(span.get("attributes", []), key=order)
                span["status"] = {key: value for key, value in span.get("status", {}).items() if value}
                out.append([attributes, span])
    return sorted(out, key=lambda pair: (pair[1]["traceId"], pair[1]["spanId"]))


def plain(answer):
    """The answer without what may differ."""
    body = answer["body"]
    if "result" in body:
        body["result"] = plain_otlp(body["result"]["resourceSpans"])
    for key in ("services", "operations"):
        if key in body:
            body[key] = sorted(body[key], key=order)
    if "data" in body:
        data = body["data"] or []
        if data and isinstance(data[0], dict) and "spans" in data[0]:
            data = [plain_trace(trace) for trace in data]
        body["data"] = sorted((one for one in data if not (isinstance(one, dict) and "parent" in one and one["parent"] == one["child"])), key=order)
    for error in body.get("errors") or []:
        error["msg"] = WORDS.sub(lambda found: found[1] or found[2], error["msg"])
    if "error" in body:
        body["error"]["message"] = WORDS.sub(lambda found: found[1] or found[2], body["error"]["message"])
    return answer


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def jaeger(program):
    """A Jaeger with the traces; its query port."""
    with tempfile.TemporaryDirectory() as folder:
        query, grpc, otlp = free_ports(3)
        config = os.path.join(folder, "jaeger.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
extensions:
  jaeger_query: {{storage: {{traces: some}}, http: {{endpoint: "127.0.0.1:{query}"}}, grpc: {{endpoint: "127.0.0.1:{grpc}"}}}}
  jaeger_storage: {{backends: {{some: {{memory: {{max_traces: 1000}}}}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: some}}}}
""")
        log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        child = subprocess.Popen([program, "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            give_up = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError):
                    ask(query, "/api/services")
                    socket.create_connection(("127.0.0.1", otlp), timeout=1).close()
                    break
                if child.poll() is not None or time.monotonic() > give_up:
                    log.seek(0)
                    raise AssertionError(f"Jaeger does not answer: {log.read()[-800:]}")
                time.sleep(0.1)
            with open(TRACES, "rb") as file:
                for line in file:
                    request = urllib.request.Request(f"http://127.0.0.1:{otlp}/v1/traces", line, {"Content-Type": "application/json"})
                    urllib.request.urlopen(request, timeout=PATIENCE).close()
            yield query
        finally:
            child.terminate()
            child.wait()
            log.close()


def saved():
    with open(ANSWERS, encoding="utf-8") as file:
        return json.load(file)


class ServeJaegerTest(unittest.TestCase):
    maxDiff = 4000

    def test_weft_answers_as_a_jaeger_did(self):
        answers = saved()
        self.assertEqual(sorted(answers), sorted(QUESTIONS))
        with tempfile.TemporaryDirectory() as folder:
            db = os.path.join(folder, "weft.db")
            subprocess.run([BUILD.weft, "replay", TRACES, "--db", db, "--plugin-dir", os.path.join(BUILD.path, "plugins")],
                           check=True, capture_output=True)
            with ServeProcess(BUILD, db) as serve:
                for question in QUESTIONS:
                    with self.subTest(question):
                        self.assertEqual(plain(ask(serve.port, question)), plain(answers[question]))

    def test_the_saved_answers_are_those_of_a_real_jaeger(self):
        try:
            program = jaeger_artifact.fetch()
        except jaeger_artifact.Unavailable as reason:
            print(f"SKIPPED: {reason}")  # the other test needs no Jaeger
            self.skipTest(str(reason))
        with jaeger(program) as port:
            answers = {question: ask(port, question) for question in QUESTIONS}
        if os.environ.get("WEFT_REWRITE"):
            with open(ANSWERS, "w", encoding="utf-8") as file:
                json.dump(answers, file, indent=1, ensure_ascii=False, sort_keys=True)
                file.write("\n")
        before = saved()
        for question in QUESTIONS:
            with self.subTest(question):
                self.assertEqual(plain(answers[question]), plain(before[question]))


if __name__ == "__main__":
    main()
