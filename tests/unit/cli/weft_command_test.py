"""The weft program as a script sees it: exit codes, and what goes to stdout and stderr."""
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

WEFT = sys.argv.pop(1)
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
RECORDING = os.path.join(ROOT, "tests", "e2e", "shop", "recording.weft.zst")


def weft(*args):
    run = subprocess.run([WEFT, *args], capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout, run.stderr


class Command(unittest.TestCase):
    def test_help_lists_examples_and_exit_codes(self):
        code, out, _ = weft("--help")
        self.assertEqual(code, 0)
        for part in ("Examples:", "weft run", "Exit codes:"):
            self.assertIn(part, out)

    def test_every_command_has_help_with_examples(self):
        listed = weft("--help")[1].split("Subcommands:")[1].split("Examples:")[0]
        names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
        self.assertIn("validate", names)
        for name in names:
            code, out, _ = weft(name, "--help")
            self.assertEqual(code, 0, name)
            self.assertIn("Examples:\n  weft", out, name)

    def test_version(self):
        code, out, _ = weft("--version")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^weft \d+\.\d+\.\d+")

    def test_wrong_command_lines_exit_with_2(self):
        for args in ([], ["no-such-command"], ["validate", "--no-such-option"], ["validate"]):
            code, out, err = weft(*args)
            self.assertEqual(code, 2, args)
            self.assertEqual(out, "", args)
            self.assertNotEqual(err, "", args)

    def test_a_misspelt_command_gets_a_suggestion(self):
        self.assertIn("did you mean 'validate'", weft("validat")[2])

    def test_validate_accepts_its_own_defaults(self):
        code, out, _ = weft("validate", "--print-defaults")
        self.assertEqual(code, 0)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(out)
            file.flush()
            self.assertEqual(weft("validate", file.name)[0], 0)

    def test_validate_names_file_line_key_and_the_nearest_key(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("store:\n  pth: x\n")
            file.flush()
            code, _, err = weft("validate", file.name)
            self.assertEqual(code, 2)
            self.assertIn(f"{file.name}:2: store.pth: unknown key; did you mean 'store.path'?", err)

    def test_validate_notes_keep_rules_that_no_budget_stands_above(self):
        tail = "samplers:\n  - name: tail\n    config: {policies: [{name: all, type: always_sample}]}\n"
        rate = "  - name: rate\n    config: {per: service, spans_per_second: 1000}\n"
        for text, noted in ((tail, True), (tail + rate, False)):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(text)
                file.flush()
                code, out, err = weft("validate", file.name)
                self.assertEqual(code, 0, err)
                self.assertEqual(f"{file.name}:2: note: no 'rate'" in out, noted, out)

    def test_a_missing_file_exits_with_4(self):
        for args in (["validate", "no/such/file"], ["replay", "no/such/file"], ["run", "--config", "no/such/file"]):
            code, _, err = weft(*args)
            self.assertEqual(code, 4, args)
            self.assertIn("no/such/file", err)

    def test_wrong_values_exit_with_2_and_say_what_is_right(self):
        for args, hint in ((["run", "--duration", "5"], "50ms, 5m, 24h"), (["run", "--port", "70000"], "65535"),
                           (["run", "--correlators", "delay,delay"], "twice")):
            code, _, err = weft(*args)
            self.assertEqual(code, 2, args)
            self.assertIn(hint, err)

    def test_options_that_mean_nothing_here_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "weft.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("exporters: [sqlite, {name: jsonl, as: lines, config: {path: %s/lines}}]\n" % folder)
            taken = os.path.join(folder, "taken")
            of_range = ("replay", "--config", path, "--range", "-2h..-1h", "--exporter", "lines")
            for arguments, option in ((("replay", taken, "--exporter", "lines"), "--exporter"),
                                      (("replay", taken, "--brokers", "b:9092"), "--brokers"),
                                      ((*of_range, "--pace", "2"), "--pace"),
                                      ((*of_range, "--drop-truth"), "--drop-truth"),
                                      ((*of_range, "--db", taken), "--db"),
                                      (("what-if", taken, "--rules", path, "--topic", "t"), "--topic"),
                                      (("what-if", taken, "--rules", path, "--brokers", "b:9092"), "--brokers")):
                code, _, err = weft(*arguments)
                self.assertEqual(code, 2, (arguments, err))
                self.assertIn(f"{option} counts ", err)
                self.assertFalse(os.path.exists(taken))

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            run = subprocess.run([WEFT, "validate", "--print-defaults"], stdout=full, stderr=subprocess.PIPE,
                                 text=True, timeout=20)
        self.assertEqual(run.returncode, 1)
        self.assertIn("No space left", run.stderr)

    def test_notes_that_nobody_can_read_do_not_end_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            recording = os.path.join(folder, "empty.weft.zst")
            with open(RECORDING, "rb") as stored, open(recording, "wb") as empty:
                empty.write(stored.read(32))  # the header: a recording of nothing
            replay = [WEFT, "replay", recording, "--db", os.path.join(folder, "weft.db")]
            if subprocess.run(replay, capture_output=True, timeout=60).returncode != 0:
                self.skipTest("this build cannot replay into a store")
            with open("/dev/full", "w") as full:
                self.assertEqual(subprocess.run(replay, stderr=full, timeout=60).returncode, 0)
            reader, writer = os.pipe()
            os.close(reader)  # the `tee` that has gone
            self.assertEqual(subprocess.run(replay, stderr=writer, timeout=60).returncode, 0)
            os.close(writer)

    def test_a_stopped_replay_whose_note_cannot_be_stored_still_ends_in_order(self):
        with tempfile.TemporaryDirectory() as folder:
            store = os.path.join(folder, "weft.db")
            replay = subprocess.Popen([WEFT, "replay", RECORDING, "--db", store, "--pace", "0.1"],
                                      stderr=subprocess.PIPE, text=True)
            first = replay.stderr.readline()
            if "replaying" not in first:
                replay.communicate(timeout=20)
                self.skipTest(f"this build cannot replay into a store: {first}")
            other = sqlite3.connect(store, timeout=20, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            replay.send_signal(signal.SIGINT)
            said = ""
            while "locked" not in said:  # that was the note
                line = replay.stderr.readline()
                self.assertNotEqual(line, "", said)
                said += line
            other.execute("ROLLBACK")
            said += replay.stderr.read()  # not communicate(): it would miss what is buffered
            replay.stderr.close()
            self.assertEqual(replay.wait(timeout=20), 0, said)
            self.assertIn("writing out what was seen", said)
            self.assertEqual(other.execute(
                "SELECT count(*) FROM ledger_rows WHERE name LIKE 'replay.stopped%' AND value > 0").fetchone(), (1,))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to give it up")
    def test_without_privileges_run_says_what_is_missing_and_exits_with_3(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            program = shutil.copy(WEFT, folder)  # the build folder need not be readable for everybody
            run = subprocess.run([program, "run"], capture_output=True, text=True, timeout=20, cwd=folder,
                                 user=65534, group=65534, extra_groups=[])
            self.assertEqual(run.returncode, 3, run.stderr)
            self.assertIn("->", run.stderr)
            self.assertEqual(os.listdir(folder), [os.path.basename(program)])  # no store was begun


if __name__ == "__main__":
    unittest.main(verbosity=1)
