#!/usr/bin/env python3
"""What is in Kafka, read beside the engines: `weft what-if --range` says what it says of the recording, and
`weft replay --range` brings a backend that was away what the engines kept and it has missed."""
import gzip
import http.server
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

from e2e import STORED_RECORDING, Build, main, skip
from kafka_group import Group, KafkaCluster, Unavailable, prepare_kafka

BUILD = Build(sys.argv[1])
RULES = """samplers:
  - name: tail
    config:
      rules:
        - {name: errors, if: {type: status_code, status_code: {status_codes: [ERROR]}}}
        - {name: rest, keep: 0.3}
"""


class Backend(http.server.BaseHTTPRequestHandler):
    """Takes OTLP in JSON, or nothing while it is away."""
    away = True
    spans = set()
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.lock:
            if not self.away:
                for resource in json.loads(body)["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        self.spans.update((span["traceId"], span["spanId"]) for span in scope["spans"])
        self.send_response(503 if self.away else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def weft(*arguments):
    done = subprocess.run([BUILD.weft, *arguments], capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != 0:
        raise AssertionError(f"weft {arguments[0]} ends with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def stored(db):
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return set(connection.execute("select trace_id, span_id from spans"))


class KafkaRangeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="weft-kafka-range-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.kafka = KafkaCluster(properties={"auto.create.topics.enable": "true"}).__enter__()
        cls.addClassCleanup(cls.kafka.__exit__)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        cls.addClassCleanup(cls.server.server_close)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.shutdown)

    def path(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def publish(self, group, members):
        group.make_topics()
        group.start(members)
        group.wait_for_members(members)
        with group.agent("--replay", STORED_RECORDING) as agent:
            self.assertEqual(agent.wait(120), 0)

    def test_what_if_of_a_range_is_that_of_the_recording(self):
        settings = "exporters: [sqlite, {name: kafka, config: {topic: others}}]\n"
        with Group(BUILD, self.kafka.bootstrap, self.folder.name, name="whatif", partitions=3,
                   settings=settings) as group:
            self.publish(group, 1)
            rules = self.path("rules.yaml", RULES)
            expected = json.loads(weft("what-if", STORED_RECORDING, "--rules", rules, "--json"))
            group.wait_for_rows(expected["recorded"]["spans"])
            before = [check for check in group.doctor() if check["name"].startswith("group")]

            ranges = {name: json.loads(weft("what-if", "--config", group.config, "--rules", rules, "--json", "--range",
                                            name)) for name in ("0..", "-1h..")}

            for name, found in ranges.items():
                self.assertEqual(self.counts(found), self.counts(expected), name)
            after = [check for check in group.doctor() if check["name"].startswith("group")]
            self.assertEqual([c["detail"].split(";")[0] for c in after], [c["detail"].split(";")[0] for c in before])
            otlp = json.loads(weft("what-if", "--config", group.config, "--rules", rules, "--json", "--range", "0..",
                                   "--topic", "others"))
            self.assertEqual(self.counts(otlp), self.counts(expected))
            early = json.loads(weft("what-if", "--config", group.config, "--rules", rules, "--json", "--range",
                                    "..2020-01-01"))
            self.assertEqual(early["recorded"]["traces"], 0)

    @staticmethod
    def counts(report):
        def plain(value):
            if isinstance(value, dict):
                return {key: plain(one) for key, one in value.items() if key not in ("bytes", "examples")}
            return round(value, 6) if isinstance(value, float) else value
        return plain(report)

    def test_a_backend_that_was_away_gets_what_it_has_missed(self):
        settings = RULES + f"""exporters:
  - sqlite
  - name: otlp
    as: backend
    queue: 100KB
    when_full: drop
    config: {{endpoint: "http://127.0.0.1:{self.server.server_port}", protocol: http/json}}
"""
        with Group(BUILD, self.kafka.bootstrap, self.folder.name, name="away", partitions=3,
                   settings=settings) as group:
            self.publish(group, 1)
            report = json.loads(weft("what-if", STORED_RECORDING, "--rules", group.config, "--json"))
            kept = report["after"]["spans"]
            self.assertEqual(group.wait_for_rows(kept), kept)
            engine = group.members[1]
            engine.wait_until_it_says("are dropped, and counted")
            group.stop()
            self.assertEqual(Backend.spans, set())
            self.assertRegex(engine.output(), r"weft replay --range \S+\.\.\S+ --exporter backend")

            Backend.away = False
            answer = weft("replay", "--config", group.config, "--range", "-1h..", "--exporter", "backend")

            expected = stored(group.stores()[0])
            self.assertEqual(Backend.spans, expected)
            self.assertIn(f"backend: {len(expected)} spans of", answer)
            offsets = subprocess.run([BUILD.weft, "replay", "--config", group.config, "--range", "0..", "--exporter",
                                      "backend"], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(offsets.returncode, 2)
            self.assertIn("name two times", offsets.stderr)


if __name__ == "__main__":
    if not os.path.exists(BUILD.weft):
        skip("weft is not built")
    try:
        prepare_kafka()
    except Unavailable as error:
        skip(str(error), needs="kafka")
    main()
