#!/usr/bin/env python3
"""Agents and engines that are started while Kafka is away: they say so and wait, and end when they are told to."""
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, main, replay, skip
from kafka_group import Group, KafkaCluster, Unavailable, span_ids

BUILD = Build(sys.argv[1])
WAITING = "waiting for an answer"


class KafkaStartTest(unittest.TestCase):
    def test_what_is_started_before_kafka_waits_for_it(self):
        with tempfile.TemporaryDirectory() as folder:
            try:
                cluster = KafkaCluster().__enter__()
            except Unavailable as error:
                skip(str(error), needs="kafka")
            self.addCleanup(cluster.__exit__)
            replay(BUILD, STORED_RECORDING, f"{folder}/alone.db")
            expected = span_ids(BUILD, f"{folder}/alone.db")
            with Group(BUILD, cluster.bootstrap, folder, name="start") as group:
                group.make_topics()
                cluster.stop(1)
                group.start(2)
                with group.agent("--replay", STORED_RECORDING) as agent:
                    for process in (*group.members.values(), agent):
                        process.wait_until_it_says(WAITING, 30)
                    with group.members.pop(2) as stopped:
                        self.assertEqual(stopped.stop(), 0)
                    cluster.start(1)
                    self.assertEqual(agent.wait(120), 0, agent.output())
                group.wait_for_rows(len(expected))
                self.assertEqual(group.stop(), [0])
                self.assertEqual(group.ids(), expected)


if __name__ == "__main__":
    main()
