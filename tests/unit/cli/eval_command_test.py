"""`weft eval` and `weft replay` on traces of others, as a script sees them."""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

WEFT = sys.argv.pop(1)
KEYS = {"file", "compress", "correlator", "spans", "span_accuracy", "ambiguous", "ambiguous_accuracy", "trace_exact",
        "unlinked", "ece", "us_per_span", "bytes_per_process"}


def weft(*args):
    run = subprocess.run([WEFT, *args], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def shop(requests=400):
    """A front service that asks a stock service, 10 ms into each request of 30 ms; two at a time."""
    yield "span_id,parent_span_id,trace_id,service,kind,peer,op,start_us,duration_us"
    for i in range(1, requests + 1):
        at = 1_000_000_000 + 15_000 * i + 137 * (i % 7)
        yield f"{i:x}:1,,{i:x},front,server,web,GET /,{at},30000"
        yield f"{i:x}:2,{i:x}:1,{i:x},front,client,stock,GET /s,{at + 10_000},12000"
        yield f"{i:x}:3,{i:x}:2,{i:x},stock,server,front,GET /s,{at + 10_100},11800"


class Eval(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = self.path("shop.csv.gz")
        with gzip.open(self.file, "wt") as out:
            out.write("\n".join(shop()) + "\n")

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def rows(self, *args):
        code, out, err = weft("eval", self.file, "--correlators", "delay", "--json", *args)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def test_each_row_has_the_documented_keys_and_shares(self):
        rows = self.rows("--compress", "1,4")
        self.assertEqual([r["correlator"] for r in rows[:5]],
                         ["delay", "latest-open", "fcfs", "nested-fifo", "greedy"])
        self.assertEqual([r["compress"] for r in rows], [1] * 5 + [4] * 5)
        for row in rows:
            self.assertLessEqual(KEYS, row.keys())
            self.assertEqual((row["file"], row["spans"]), ("shop", 400))
            for key in ("span_accuracy", "ambiguous_accuracy", "trace_exact", "unlinked", "ece"):
                self.assertTrue(0 <= row[key] <= 1, (row["correlator"], key, row[key]))
        self.assertGreater(rows[0]["span_accuracy"], 0.95)
        self.assertGreater(rows[0]["bytes_per_process"], 1000)

    def test_the_same_input_gives_the_same_answer(self):
        def timeless(rows):
            return [{k: v for k, v in r.items() if k not in ("us_per_span", "bytes_per_process")} for r in rows]
        options = ("--lose-client", "0.1", "--lose-server", "0.1", "--noise", "50us", "--seed", "3")
        self.assertEqual(timeless(self.rows(*options)), timeless(self.rows(*options)))
        self.assertNotEqual(timeless(self.rows(*options)), timeless(self.rows(*options[:-1], "4")))

    def test_what_happened_before_during_and_after_a_slowdown(self):
        found = self.rows("--slow", "stock:10@50%")
        self.assertEqual(set(found[0]["phases"]) - {"service", "factor"}, {"before", "during", "after"})
        self.assertAlmostEqual(found[0]["phases"]["before"]["spans"], 200, delta=3)
        drawn = self.rows("--slow", "random", "--seed", "5")[0]["phases"]
        self.assertEqual(drawn["service"], "front")
        code, _, err = weft("eval", self.file, "--slow", "nobody:10@50%")
        self.assertEqual(code, 4)
        self.assertIn("there are front, stock", err)

    def test_csv_and_plots(self):
        code, out, _ = weft("eval", self.file, "--csv", "--no-baselines", "--correlators", "delay", "--plot",
                            self.path("a.svg"), "--plot-confidence", self.path("b.svg"))
        self.assertEqual(code, 0)
        lines = out.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertLessEqual(KEYS, set(lines[0].split(",")))
        for name in ("a.svg", "b.svg"):
            with open(self.path(name)) as svg:
                self.assertTrue(svg.read().startswith("<svg "))

    def test_a_correlators_settings_can_be_given(self):
        one = self.rows("--set", "delay.hypotheses=1", "--compress", "16")
        self.assertEqual(one[0]["span_accuracy"], one[-1]["span_accuracy"])  # which is greedy
        code, _, err = weft("eval", self.file, "--correlators", "delay", "--set", "delay.hypothesis=1")
        self.assertNotEqual(code, 0)
        self.assertIn("hypotheses", err)

    def test_wrong_files_and_options_are_named(self):
        self.assertEqual(weft("eval", self.path("none.csv"))[0], 4)
        for options in (("--compress", "x"), ("--slow", "x"), ("--correlators", "nobody"), ("--set", "x")):
            self.assertEqual(weft("eval", self.file, *options)[0], 2, options)

    def test_malformed_lines_are_warned_about(self):
        with open(self.path("bad.csv"), "w") as out:
            out.write("\n".join(shop(50)) + "\nnonsense\n")
        code, _, err = weft("eval", self.path("bad.csv"), "--correlators", "delay")
        self.assertEqual(code, 0)
        self.assertIn("bad.csv:152: 1 fields where the header has 9", err)

    def test_replay_stores_the_traces_as_they_are(self):
        db = self.path("shop.db")
        code, _, err = weft("replay", self.file, "--db", db)
        self.assertEqual(code, 0, err)
        self.assertIn("unexplained 0", err)
        count = "select count(*) as n, count(distinct trace_id) as t from spans"
        self.assertEqual(json.loads(weft("sql", "--db", db, "--format", "json", count)[1]), [{"n": 1200, "t": 400}])
        parents = ("select count(*) as n from spans c join spans p on p.trace_id = c.trace_id "
                   "and p.span_id = c.parent_id")
        self.assertEqual(json.loads(weft("sql", "--db", db, "--format", "json", parents)[1]), [{"n": 800}])


if __name__ == "__main__":
    unittest.main()
