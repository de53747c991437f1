#!/usr/bin/env python3
"""`weft serve` beside a weft that writes, on a copy in a folder where nothing can be written, and when it may not
start."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from e2e import PATIENCE, STORED_RECORDING, Build, main, replay
from serve_process import ServeProcess

BUILD = Build(sys.argv[1])
PLUGINS = ("--plugin-dir", os.path.join(BUILD.path, "plugins"))
USAGE, NOT_FOUND = 2, 4


def ask(serve, question):
    with urllib.request.urlopen(f"http://127.0.0.1:{serve.port}{question}", timeout=PATIENCE) as answer:
        return json.load(answer)


def traces(serve):
    request = urllib.request.Request(f"http://127.0.0.1:{serve.port}/api/weft/sql", b"SELECT count(*) FROM traces")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["rows"][0][0]


def refusal(*arguments, env=None):
    done = subprocess.run([BUILD.weft, "serve", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stderr


class ServeLiveTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.db = os.path.join(self.folder.name, "weft.db")
        replay(BUILD, STORED_RECORDING, self.db, *PLUGINS)

    def test_it_shows_what_is_written_meanwhile_and_hinders_nobody(self):
        with ServeProcess(BUILD, self.db) as serve:
            before = traces(serve)
            questions = ["/api/services", "/api/weft/search?limit=50", "/api/weft/red", "/api/weft/graph",
                         "/api/traces?service=shop-cart&limit=20&start=1&end=9000000000000000"]
            stop, failed = threading.Event(), []

            def keep_asking(question):
                while not stop.is_set():
                    try:
                        ask(serve, question)
                    except (urllib.error.HTTPError, OSError) as error:
                        failed.append(f"{question}: {error}")

            threads = [threading.Thread(target=keep_asking, args=(question,)) for question in questions]
            for thread in threads:
                thread.start()
            other = os.path.join(self.folder.name, "other.jsonl")
            with open(other, "w", encoding="utf-8") as file:  # a trace more
                subprocess.run([BUILD.weft, "export", "--db", self.db, "-n", "1"], check=True, stdout=file)
            with open(other, encoding="utf-8") as file:
                text = file.read()
            trace = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
            with open(other, "w", encoding="utf-8") as file:
                file.write(text.replace(trace, "f" * 32))
            replay(BUILD, other, self.db, *PLUGINS)
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(failed, [])
            self.assertEqual(traces(serve), before + 1)
            self.assertEqual(ask(serve, f"/api/weft/trace/{'f' * 32}")["trace"]["id"], "f" * 32)
        self.assertEqual(serve.code, 0)

    def test_a_copy_in_a_folder_without_rights_is_shown_and_left_alone(self):
        folder = os.path.join(self.folder.name, "copy")
        os.mkdir(folder)
        copy = os.path.join(folder, "weft.db")
        subprocess.run([BUILD.weft, "sql", "--db", self.db, "--write", "PRAGMA wal_checkpoint(TRUNCATE)"], check=True,
                       capture_output=True)
        shutil.copy(self.db, copy)
        os.chmod(copy, 0o444)
        os.chmod(folder, 0o555)
        self.addCleanup(os.chmod, folder, 0o755)
        with open(copy, "rb") as file:
            before = file.read()
        with ServeProcess(BUILD, copy) as serve:
            self.assertGreater(traces(serve), 10)
            self.assertIn("shop-cart", ask(serve, "/api/services")["data"])
        with open(copy, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_several_stores_are_one(self):
        lines = subprocess.run([BUILD.weft, "export", "--db", self.db, "-n", "60"], check=True, capture_output=True).stdout.splitlines(True)
        for name, part in (("all", lines), ("part-1", lines[::2]), ("part-2", lines[1::2])):
            path = os.path.join(self.folder.name, name)
            with open(f"{path}.jsonl", "wb") as file:
                file.writelines(part)
            replay(BUILD, f"{path}.jsonl", f"{path}.db", *PLUGINS)
        with ServeProcess(BUILD, os.path.join(self.folder.name, "all.db")) as one, \
                ServeProcess(BUILD, os.path.join(self.folder.name, "part-*.db")) as both:
            def answers(serve):
                found = ask(serve, "/api/weft/search?limit=100")["traces"]
                rates = ask(serve, "/api/weft/red")["operations"]
                return (ask(serve, "/api/services"), traces(serve), sorted(json.dumps(trace, sort_keys=True) for trace in found),
                        {(edge["caller"], edge["callee"]): edge["calls"] for edge in ask(serve, "/api/weft/graph")["edges"]},
                        {(rate["service"], rate["operation"]): (rate["requests"], rate["p95_ns"]) for rate in rates})
            for alone, together in zip(answers(one), answers(both)):
                self.assertEqual(alone, together)

    def test_it_says_why_it_does_not_start(self):
        code, said = refusal(os.path.join(self.folder.name, "none.db"))
        self.assertEqual((code, "no such database" in said), (NOT_FOUND, True), said)
        code, said = refusal(self.db, "--listen", "0.0.0.0:0")
        self.assertEqual((code, "needs a token" in said), (USAGE, True), said)
        code, said = refusal(self.db, "--listen", "0.0.0.0:0", env={"WEFT_SERVE_TOKEN": "short"})
        self.assertEqual((code, "at least 16" in said), (USAGE, True), said)
        code, said = refusal(self.db, "--listen", "nonsense")
        self.assertEqual((code, "not an address" in said), (USAGE, True), said)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            code, said = refusal(self.db, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
            self.assertEqual((code, "in use" in said), (1, True), said)


if __name__ == "__main__":
    main()
