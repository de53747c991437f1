#!/usr/bin/env python3
"""Traces to a real Jaeger, by every way that it takes them; what it shows is what weft has stored.

A recording of the shop is replayed into the store and the exporters at once; the last test traces the
living shop.
"""
import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from e2e import HERE, STORED_RECORDING, Build, Shop, ShopError, WeftRun, bpf_problem, main, read_ledger, run_load, skip

sys.path.insert(0, os.path.join(HERE, "..", "support", "jaeger"))
import jaeger_artifact  # noqa: E402
from jaeger_server import JaegerServer, spans_of  # noqa: E402

BUILD = Build(sys.argv[1])
PLUGINS = ["--plugin-dir", os.path.join(sys.argv[1], "plugins")]
KINDS = ["", "internal", "server", "client", "producer", "consumer"]
SPANS = """select trace_id, span_id, coalesce(parent_id, '') as parent_id, service, operation, start_ns, end_ns, kind,
  status from spans"""


def weft(*arguments, code=0):
    done = subprocess.run([BUILD.weft, *arguments], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != code:
        raise AssertionError(f"weft {arguments[0]} ends with {done.returncode}: {done.stderr}")
    return done.stdout


def rows(db, query):
    return json.loads(weft("sql", "--db", db, "--format", "json", query))


def stored_spans(db):
    """The store's spans in the form of jaeger_server.spans_of."""
    kinds = {name: name.lower() for name in ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")}
    return {(row["trace_id"], row["span_id"]): (
        row["parent_id"], row["service"], row["operation"], row["start_ns"] // 1000,
        max(row["end_ns"] - row["start_ns"], 0) // 1000, kinds.get(str(row["kind"]).upper(), row["kind"]),
        str(row["status"]).upper() == "ERROR") for row in rows(db, SPANS)}


class Blackhole:
    """Takes connections and never answers."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._held = []
        threading.Thread(target=self._hold, daemon=True).start()

    def _hold(self):
        while True:
            try:
                self._held.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self):
        self._socket.close()
        for one in self._held:
            one.close()


class JaegerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            jaeger_artifact.fetch()
        except jaeger_artifact.Unavailable as reason:
            skip(str(reason))

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = self._folder.name

    def replay(self, exporters, *options, code=0):
        """The shop's recording into a store and `exporters`. Returns the database."""
        db = os.path.join(self.folder, "weft.db")
        path = os.path.join(self.folder, "weft.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"exporters:\n  - sqlite\n{exporters}\nstore: {{max_age: 0s}}\n")
        weft("replay", STORED_RECORDING, "--config", path, "--db", db, *PLUGINS, *options, code=code)
        return db

    def check(self, jaeger, db, same=lambda span: span, at_least=5000):
        ours = {key: same(span) for key, span in stored_spans(db).items()}
        theirs = {key: same(span) for key, span in spans_of(jaeger.traces()).items()}
        self.assertGreater(len(ours), at_least)
        self.assertEqual(len(theirs), len(ours))
        # unittest would take minutes to show how two large tables differ.
        other = [(key, ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys()
                 if ours.get(key) != theirs.get(key)]
        self.assertEqual((len(other), other[:3]), (0, []))
        self.assertEqual(jaeger.dependencies(), collections.Counter(
            (ours[trace, span[0]][1], span[1]) for (trace, _), span in ours.items() if (trace, span[0]) in ours))

    def test_by_grpc(self):
        with JaegerServer(self.folder) as jaeger:
            self.check(jaeger, self.replay(f"  - {{name: otlp, config: {{endpoint: '{jaeger.otlp_grpc}'}}}}"))

    def test_by_http_in_protobuf_compressed_in_small_requests(self):
        with JaegerServer(self.folder) as jaeger:
            self.check(jaeger, self.replay(f"""  - name: otlp
    config: {{protocol: http/protobuf, endpoint: 'http://{jaeger.otlp_http}', compression: gzip,
             max_request_bytes: 20000, headers: {{X-Scope-OrgID: shop}}}}"""))

    def test_by_http_in_json(self):
        with JaegerServer(self.folder) as jaeger:
            self.check(jaeger, self.replay(
                f"  - {{name: otlp, config: {{protocol: http/json, endpoint: 'http://{jaeger.otlp_http}'}}}}"))

    def test_as_zipkin(self):
        # Zipkin's durations begin at 1 us; its names are lower-case.
        def same(span):
            return (*span[:2], span[2].lower(), span[3], max(span[4], 1), *span[5:])
        with JaegerServer(self.folder) as jaeger:
            self.check(jaeger, self.replay(
                f"  - {{name: zipkin, config: {{endpoint: 'http://{jaeger.zipkin}'}}}}"), same)

    def test_a_sink_that_hangs_holds_up_nobody_and_what_it_misses_is_counted(self):
        hole = Blackhole()
        self.addCleanup(hole.close)
        with JaegerServer(self.folder) as jaeger:
            db = self.replay(f"""  - {{name: otlp, as: jaeger, config: {{endpoint: '{jaeger.otlp_grpc}'}}}}
  - name: otlp
    as: hole
    queue: 200KB
    when_full: drop
    config: {{protocol: http/protobuf, endpoint: 'http://127.0.0.1:{hole.port}', timeout_ms: 1000}}""",
                             "--stop-timeout", "25s", code=1)  # it says that spans were not stored
            self.check(jaeger, db)
        counts = read_ledger(db)
        kept = counts["trace.kept"]
        self.assertEqual(counts["sink.rows{sink=jaeger}"], kept)
        self.assertEqual(counts["sink.rows{sink=sqlite}"], kept)
        self.assertEqual(counts.get("sink.rows{sink=hole}", 0), 0)
        self.assertEqual(counts["sink.dropped{sink=hole}"], kept)
        self.assertGreater(counts["sink.overflowed{sink=hole}"], 0)

    def test_over_tls_with_an_authority_of_ones_own(self):
        certificate, key = (os.path.join(self.folder, name) for name in ("server.pem", "server.key"))
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                               "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                               "-keyout", key, "-out", certificate], capture_output=True, check=False)
        if made.returncode != 0:
            self.skipTest("no openssl here")
        with JaegerServer(self.folder, certificate=(certificate, key)) as jaeger, \
                JaegerServer(self.folder, certificate=(certificate, key)) as other:
            tls = f"tls: {{ca: {certificate}}}"
            self.check(jaeger, self.replay(f"""  - name: otlp
    config: {{endpoint: 'https://{jaeger.otlp_grpc}', {tls}}}
  - name: otlp
    as: again
    config: {{protocol: http/protobuf, endpoint: 'https://{other.otlp_http}', {tls}}}
  - name: otlp
    as: stranger
    config: {{protocol: http/protobuf, endpoint: 'https://{jaeger.otlp_http}'}}""", "--stop-timeout", "25s", code=1))
        counts = read_ledger(os.path.join(self.folder, "weft.db"))
        self.assertEqual(counts["sink.rows{sink=again}"], counts["trace.kept"])
        self.assertEqual(counts.get("sink.rows{sink=stranger}", 0), 0)  # it does not trust that authority

    def test_the_living_shop(self):
        if problem := bpf_problem(BUILD):
            self.skipTest(problem)
        shop = Shop(BUILD.e2e)
        try:
            shop.start()
        except ShopError as error:
            self.skipTest(str(error))
        db, config = os.path.join(self.folder, "weft.db"), os.path.join(self.folder, "weft.yaml")
        try:
            with JaegerServer(self.folder) as jaeger:
                with open(config, "w", encoding="utf-8") as file:
                    file.write(f"exporters: [sqlite, {{name: otlp, config: {{endpoint: '{jaeger.otlp_grpc}'}}}}]\n")
                with WeftRun(BUILD, "--config", config, "--db", db, *PLUGINS, "--exclude-process", "shop-load,jaeger",
                             log=os.path.join(self.folder, "log")) as weft:
                    weft.wait_until_tracing()
                    run_load(BUILD, shop.port, "--concurrency", 4, "--duration", 5)
                    self.assertEqual(weft.stop(60), 0, weft.output())
                self.check(jaeger, db, at_least=100)
                longest = rows(db, "select trace_id from spans where service like 'shop%' group by 1 "
                                   "order by count(*) desc limit 1")[0]["trace_id"]
                self.show(jaeger.trace(longest))
        finally:
            shop.stop()

    @staticmethod
    def show(trace):
        """The trace as Jaeger has it, for the log."""
        below = {}
        for span in sorted(trace["spans"], key=lambda span: span["startTime"]):
            parent = next((r["spanID"] for r in span["references"]), "")
            below.setdefault(parent, []).append(span)

        def tree(parent, depth):
            for span in below.get(parent, []):
                service = trace["processes"][span["processID"]]["serviceName"]
                print(f"{'  ' * depth}{service} {span['operationName']} {span['duration']} us")
                tree(span["spanID"], depth + 1)
        tree("", 0)


if __name__ == "__main__":
    main()
