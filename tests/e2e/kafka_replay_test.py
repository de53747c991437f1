#!/usr/bin/env python3
"""A recording of the shop through a real Kafka, with one engine and with two, also with engines that come
long after it was written: the same traces as in one process, span by span, each once. Needs no
privileges."""
import os
import sys
import tempfile
import unittest

from e2e import STORED_RECORDING, Build, check_store, main, replay, skip, weft_json
from kafka_run import KafkaCluster, KafkaRun, Unavailable, fetch

BUILD = Build(sys.argv[1])


def spans(db):
    """span id -> (trace id, parent id), and how many rows there are."""
    rows = weft_json(BUILD, "sql", "--db", db, "select span_id, trace_id, parent_id from spans")
    return {row["span_id"]: (row["trace_id"], row["parent_id"]) for row in rows}, len(rows)


class KafkaReplayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="weft-kafka-replay-")
        cls.addClassCleanup(cls.directory.cleanup)
        db = os.path.join(cls.directory.name, "one-process.db")
        replay(BUILD, STORED_RECORDING, db)
        cls.expected, _ = spans(db)

    def check(self, engines, **how):
        with tempfile.TemporaryDirectory(dir=self.directory.name) as folder, KafkaCluster() as kafka:
            run = KafkaRun(BUILD, kafka.bootstrap, folder)
            run.trace(engines, lambda agent: agent.wait(120), "--replay", STORED_RECORDING, "--pace", "1", **how)
            found, rows = spans(run.db)
            self.assertEqual(found.keys(), self.expected.keys(), "spans that are missing or new")
            different = [span for span, place in found.items() if place != self.expected[span]]
            self.assertEqual(different, [], "spans with another trace or parent")
            self.assertEqual(rows, len(found), "spans that are there twice")
            self.assertEqual([check_store(store) for store in run.stores()], [[]] * engines)
            self.assertEqual(run.ledger()["unexplained"], 0, run.ledger())

    def test_one_engine(self):
        self.check(1)

    def test_two_engines(self):
        self.check(2)

    def test_engines_that_come_when_every_deadline_has_passed(self):
        self.check(2, backlog_seconds=75)


if __name__ == "__main__":
    if not os.path.exists(BUILD.weft):
        skip("weft is not built")
    try:
        fetch()
    except Unavailable as error:
        skip(str(error), needs="kafka")
    main()
