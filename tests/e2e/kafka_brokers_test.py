#!/usr/bin/env python3
"""Three brokers, each of which is killed (kill -9) in turn while two engines share a recording that arrives: so
whoever coordinates their transactions and their group dies, and every partition loses its leader. The traces
are those of a single process that nobody disturbed."""
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, main, replay, skip
from kafka_group import Group, KafkaCluster, Unavailable, span_ids

BUILD = Build(sys.argv[1])
BROKERS = 3


class KafkaBrokersTest(unittest.TestCase):
    maxDiff = 2000

    def test_each_broker_dies_once_and_nothing_is_lost_or_double(self):
        with tempfile.TemporaryDirectory() as folder:
            try:
                cluster = KafkaCluster(brokers=BROKERS).__enter__()
            except Unavailable as error:
                skip(str(error), needs="kafka")
            self.addCleanup(cluster.__exit__)
            alone = f"{folder}/alone.db"
            replay(BUILD, STORED_RECORDING, alone)
            expected = span_ids(BUILD, alone)
            with Group(BUILD, cluster.bootstrap, folder, name="brokers") as group:
                group.make_topics("--replication-factor", str(BROKERS))
                group.start(2)
                group.wait_for_members(2)
                with group.agent("--replay", STORED_RECORDING, "--pace", "1") as agent:
                    for broker in range(1, BROKERS + 1):
                        group.wait_for_rows(len(expected) * broker // (BROKERS + 2))
                        cluster.kill(broker)
                        have = group.count_rows()
                        if agent.poll() is None:  # two brokers are enough
                            self.assertGreater(group.wait_for_rows(have + 1), have)
                        cluster.start(broker)
                    self.assertEqual(agent.wait(120), 0, agent.output())
                group.wait_for_spans(len(expected))
                self.assertEqual(group.stop(), [0, 0])
                found = group.ids()
                self.assertEqual(len(set(found)), len({span for span, _, _ in found}), "spans in two places")
                self.assertEqual(sorted(set(found) ^ set(expected)), [])


if __name__ == "__main__":
    main()
