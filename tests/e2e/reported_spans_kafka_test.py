#!/usr/bin/env python3
"""What programs report to a `weft agent` goes through Kafka and is stored once, whole, by an engine."""
import os
import random
import subprocess
import sys
import tempfile
import unittest

from e2e import Build, WeftProcess, main, skip
from kafka_run import KafkaCluster, Unavailable
from reported_spans_test import addresses, post, request, span, wait_for

BUILD = Build(sys.argv[1])
PLUGINS = ["--plugin-dir", os.path.join(sys.argv[1], "plugins")]


class ReportedSpansKafkaTest(unittest.TestCase):
    def test_an_agent_hands_on_what_it_gets(self):
        try:
            kafka = KafkaCluster(properties={"auto.create.topics.enable": "true"}).__enter__()
        except Unavailable as reason:
            skip(str(reason), "kafka")
        try:
            with tempfile.TemporaryDirectory() as folder:
                self.through(kafka.bootstrap, folder)
        finally:
            kafka.__exit__()

    def through(self, broker, folder):
        db, config = os.path.join(folder, "weft.db"), os.path.join(folder, "weft.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
transport: {{kind: kafka}}
kafka: {{brokers: ["{broker}"]}}
sources:
  ebpf: {{enabled: false}}
  otlp: {{topics: [otlp_spans], listen_http: "127.0.0.1:0", wait: 0s}}
store: {{path: {db}, max_age: 0s}}
""")
        subprocess.run([BUILD.weft, "topics", "create", "--config", config, "--partitions", "2"],
                       stdout=subprocess.DEVNULL, check=True)
        traces = [random.getrandbits(128) for _ in range(50)]
        with WeftProcess(BUILD, "agent", "--config", config, log=os.path.join(folder, "agent.log")) as agent, \
                WeftProcess(BUILD, "engine", "--config", config, *PLUGINS,
                            log=os.path.join(folder, "engine.log")) as engine:
            agent.wait_until_it_says("takes OTLP", 60)
            at = addresses(agent)["OTLP"]
            for trace in traces:
                body = request([span(trace, 1, service="front"), span(trace, 2, 1, service="cart")])
                self.assertEqual(post(at, "/v1/traces", body), (200, "{}"))
            self.assertEqual(post(at, "/v1/traces", ["no", "OTLP"])[0], 400)

            def stored():
                done = subprocess.run([BUILD.weft, "sql", "--db", db, "--format", "csv",
                                       "select trace_id, count(*) from spans group by 1"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
                return sorted(done.stdout.split()[1:])
            wanted = sorted(f"{trace:032x},2" for trace in traces)
            try:
                wait_for(lambda: stored() == wanted)
            except AssertionError:
                self.assertEqual(stored(), wanted, agent.output() + engine.output())
            self.assertEqual(agent.stop(60), 0, agent.output())
            self.assertEqual(engine.stop(60), 0, engine.output())


if __name__ == "__main__":
    main()
