#!/usr/bin/env python3
"""Engines that are killed (kill -9) while correlators learn: whoever takes their partitions over learns
again what was not saved, so the traces are those of a single process that nobody disturbed."""
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, main, replay, skip
from kafka_group import Group, KafkaCluster, Unavailable, span_ids

BUILD = Build(sys.argv[1])
CORRELATORS = "correlators: [context, thread, token, delay]\n"
DEATHS = 3


class KafkaRelearnTest(unittest.TestCase):
    maxDiff = 2000

    def test_a_killed_engines_partitions_go_on_as_if_nothing_had_been(self):
        with tempfile.TemporaryDirectory() as folder:
            try:
                cluster = KafkaCluster().__enter__()
            except Unavailable as error:
                skip(str(error), needs="kafka")
            self.addCleanup(cluster.__exit__)
            alone = f"{folder}/alone.db"
            config = f"{folder}/alone.yaml"
            with open(config, "w", encoding="utf-8") as file:
                file.write(CORRELATORS)
            replay(BUILD, STORED_RECORDING, alone, "--config", config)
            expected = span_ids(BUILD, alone)
            with Group(BUILD, cluster.bootstrap, folder, name="relearn", settings=CORRELATORS) as group:
                group.make_topics()
                group.start(2)
                group.wait_for_members(2)
                with group.agent("--replay", STORED_RECORDING, "--pace", "1") as agent:
                    for death in range(1, DEATHS + 1):
                        group.wait_for_rows(len(expected) * death // (DEATHS + 2))
                        number = 1 + death % 2
                        group.members[number].kill()
                        group.start_member(number)
                    self.assertEqual(agent.wait(120), 0, agent.output())
                group.wait_for_spans(len(expected))
                self.assertEqual(group.stop(), [0, 0])
                found = group.ids()
                self.assertEqual(len(set(found)), len({span for span, _, _ in found}), "spans in two places")
                self.assertEqual(sorted(set(found) ^ set(expected)), [])


if __name__ == "__main__":
    main()
