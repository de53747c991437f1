#!/usr/bin/env python3
"""A recording of the shop through a real Kafka into 1, 2 and 4 engines: the traces of one process."""
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, main, replay, skip
from kafka_group import Group, KafkaCluster, Unavailable, span_ids

BUILD = Build(sys.argv[1])


class KafkaMembersTest(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.folder = directory.name
        try:
            cls.kafka = KafkaCluster().__enter__()
        except Unavailable as error:
            skip(str(error), needs="kafka")
        cls.addClassCleanup(cls.kafka.__exit__)
        alone = f"{cls.folder}/alone.db"
        replay(BUILD, STORED_RECORDING, alone)
        cls.expected = span_ids(BUILD, alone)

    def share(self, members):
        with Group(BUILD, self.kafka.bootstrap, self.folder, name=f"of{members}") as group:
            group.make_topics()
            group.start(members)
            group.wait_for_members(members)
            with group.agent("--replay", STORED_RECORDING) as agent:
                self.assertEqual(agent.wait(60), 0, agent.output())
            group.wait_for_rows(len(self.expected))
            self.assertEqual(group.stop(), [0] * members)
            self.assertEqual(group.count_rows(), len(self.expected), "rows in all files")
            found = group.ids()
            differ = sorted(set(found) ^ set(self.expected))
            self.assertEqual(differ, [], f"{len(differ)} rows differ")
            self.assertEqual(len(found), len(self.expected))

    def test_one_member_makes_the_traces_of_a_single_process(self):
        self.share(1)

    def test_two_members_make_the_traces_of_a_single_process(self):
        self.share(2)

    def test_four_members_make_the_traces_of_a_single_process(self):
        self.share(4)


if __name__ == "__main__":
    main()
