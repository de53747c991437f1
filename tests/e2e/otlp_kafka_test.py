#!/usr/bin/env python3
"""Round the whole circle: weft -> Kafka (otlp_proto) -> an OpenTelemetry Collector -> Kafka (otlp_json) -> weft.

The Collector is Jaeger v2, which has its Kafka receiver and exporter built in. What comes back must be, span by
span, what was written: the same ids, parents, names, times and statuses.
"""
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from e2e import HERE, Build, main, skip

sys.path[:0] = [os.path.join(HERE, "..", "support", folder) for folder in ("kafka", "jaeger")]
import jaeger_artifact  # noqa: E402
import kafka_artifacts  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402

BUILD = Build(sys.argv[1])
PLUGINS = ["--plugin-dir", os.path.join(sys.argv[1], "plugins")]
RECORDING = os.path.join(HERE, "shop", "recording.weft.zst")
SPANS = "select trace_id, span_id, parent_id, operation, kind, status, start_ns, end_ns from spans order by 1, 2, 4, 7"


def weft(*arguments):
    done = subprocess.run([BUILD.weft, *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"weft {arguments[0]}: {done.stderr}")
    return done.stdout


class Folder(tempfile.TemporaryDirectory):
    def write(self, name, text):
        with open(os.path.join(self.name, name), "w", encoding="utf-8") as file:
            file.write(text)
        return os.path.join(self.name, name)


def counter(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        found = re.search(rf"^{name} (\d+)", page.read().decode(), re.M)
    return int(found[1]) if found else 0


class OtlpKafkaTest(unittest.TestCase):
    def test_what_a_collector_passes_on_comes_back_the_same(self):
        settings = {"auto.create.topics.enable": "true", "num.partitions": "4"}
        try:
            jaeger = jaeger_artifact.fetch()
            cluster = KafkaCluster(properties=settings).__enter__()
        except (kafka_artifacts.Unavailable, jaeger_artifact.Unavailable) as reason:
            skip(str(reason))
        folder = Folder()
        try:
            self.circle(cluster.bootstrap, jaeger, folder)
        finally:
            cluster.__exit__()
            folder.cleanup()

    def circle(self, broker, jaeger, folder):
        first, second = (os.path.join(folder.name, name) for name in ("first.db", "second.db"))
        config = folder.write("replay.yaml", f"""
kafka: {{brokers: ["{broker}"]}}
exporters: [sqlite, {{name: kafka, config: {{topic: from_weft}}}}]
store: {{max_age: 0s}}
""")
        weft("replay", RECORDING, "--config", config, "--db", first, *PLUGINS)
        wanted = weft("sql", "--db", first, "--format", "csv", SPANS)
        count = len(wanted.splitlines()) - 1
        self.assertGreater(count, 1000)

        collector = folder.write("collector.yaml", f"""
receivers:
  kafka: {{brokers: ["{broker}"], group_id: test, initial_offset: earliest,
           traces: {{topic: from_weft, encoding: otlp_proto}}}}
exporters:
  kafka: {{brokers: ["{broker}"], traces: {{topic: from_collector, encoding: otlp_json}}}}
service:
  pipelines: {{traces: {{receivers: [kafka], exporters: [kafka]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
""")
        config = folder.write("engine.yaml", f"""
transport: {{kind: kafka}}
kafka: {{brokers: ["{broker}"]}}
sources: {{otlp: {{topics: [from_collector], wait: 1s}}}}
store: {{path: {second}, max_age: 0s}}
""")
        weft("topics", "create", "--config", config, "--partitions", "2")
        log = open(os.path.join(folder.name, "log"), "w+", encoding="utf-8")
        children = [subprocess.Popen([jaeger, "--config", collector], stdout=log, stderr=log)]
        try:
            engine = subprocess.Popen([BUILD.weft, "engine", "--config", config, "--metrics", "127.0.0.1:0", *PLUGINS],
                                      stderr=subprocess.PIPE, text=True)
            children.append(engine)
            port = next(int(found[1]) for line in engine.stderr
                        if (found := re.search(r"metrics: http://127.0.0.1:(\d+)/", line)))
            give_up = time.monotonic() + 90
            while counter(port, 'weft_sink_rows_total{sink="sqlite"}') < count and time.monotonic() < give_up:
                time.sleep(0.2)
            self.assertEqual(counter(port, "weft_otlp_bad_messages_total"), 0)
            self.assertEqual(counter(port, "weft_otlp_invalid_spans_total"), 0)
        finally:
            for child in reversed(children):
                child.terminate()
                child.communicate()
            log.close()
        self.assertEqual(weft("sql", "--db", second, "--format", "csv", SPANS), wanted)


if __name__ == "__main__":
    main()
