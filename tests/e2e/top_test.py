#!/usr/bin/env python3
"""`weft top` on a real terminal, beside a weft that replays: redraw, resize, keys, and the way back."""
import contextlib
import fcntl
import http.server
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

from e2e import PATIENCE, STORED_RECORDING, Build, WeftProcess, main

BUILD = Build(sys.argv[1])
INTERVAL = ("--interval", "200ms")
TAKEN, GIVEN_BACK = b"\x1b[?1049h", b"\x1b[?25h\x1b[?1049l"


class Terminal:
    """A `weft top` in a terminal of its own."""

    def __init__(self, *options, rows=40, columns=110):
        ready, go = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(ready, 1)
            os.environ["TERM"] = "xterm"
            os.environ["LC_ALL"] = "C.UTF-8"
            os.execv(BUILD.weft, [BUILD.weft, "top", *options])
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(self.fd)
        os.write(go, b"x")
        os.close(ready)
        os.close(go)
        self.seen = b""
        self.code = None

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys)

    def screen(self):
        """Lines of the newest whole frame."""
        frames = self.seen.split(b"\x1b[H")
        whole = [frame for frame in frames[1:] if b"\x1b[J" in frame]
        text = whole[-1].split(b"\x1b[J")[0] if whole else b""
        text = re.sub(rb"\x1b\[[0-9;]*[mK]|\r", b"", text)  # the terminal adds a \r to each \n
        return text.decode().split("\n")

    def read_until(self, condition, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("not seen:\n" + "\n".join(self.screen()))
            self.read()

    def read(self):
        if not select.select([self.fd], [], [], 0.1)[0]:
            return
        with contextlib.suppress(OSError):  # EIO: nobody has the other side open any more
            self.seen += os.read(self.fd, 65536)

    def shows(self, words, seconds=PATIENCE):
        self.read_until(lambda: any(words in line for line in self.screen()), seconds)

    def end(self, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                return self.code
            if time.monotonic() > deadline:
                raise AssertionError("weft top does not end")

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Page(http.server.BaseHTTPRequestHandler):
    """Some engine's page, for what a real one does not do on demand: go away and come back."""

    def do_GET(self):
        body = b'weft_build_info{version="1.2.3",command="engine"} 1\nweft_trace_open 7\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(port=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def stop(server):
    server.shutdown()
    server.server_close()


class TopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        path = os.path.join(cls.directory.name, "")
        cls.weft = WeftProcess(BUILD, "replay", STORED_RECORDING, "--pace", "0.005", "--db", path + "weft.db",
                               "--metrics", "127.0.0.1:0", log=path + "log")
        cls.weft.wait_until_it_says("/metrics")
        cls.address = re.search(r"http://\S+", cls.weft.output())[0]

    @classmethod
    def tearDownClass(cls):
        cls.weft.__exit__()
        cls.directory.cleanup()

    def top(self, *options, **size):
        terminal = Terminal(*options, *INTERVAL, **size)
        self.addCleanup(terminal.close)
        return terminal

    def assert_restored(self, terminal):
        self.assertIn(TAKEN, terminal.seen)
        self.assertTrue(terminal.seen.endswith(GIVEN_BACK), terminal.seen[-60:])
        self.assertEqual(termios.tcgetattr(terminal.fd), terminal.modes)

    def test_shows_a_weft_that_works_and_q_gives_the_terminal_back(self):
        terminal = self.top(self.address)
        terminal.read_until(lambda: re.search(r"observed [0-9.]+/s", "\n".join(terminal.screen())))
        for words in ("weft replay", "sqlite", "stitch", "lost    nothing", "q ends"):
            terminal.shows(words)
        self.assertNotEqual(termios.tcgetattr(terminal.fd)[3], terminal.modes[3])
        terminal.press(b"q")
        self.assertEqual(terminal.end(), 0)
        self.assert_restored(terminal)

    def test_ctrl_c_and_sigterm_give_the_terminal_back(self):
        for ask in (lambda t: t.press(b"\x03"), lambda t: os.kill(t.pid, signal.SIGTERM)):
            terminal = self.top(self.address)
            terminal.shows("weft replay")
            ask(terminal)
            self.assertEqual(terminal.end(), 0)
            self.assert_restored(terminal)

    def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(self):
        terminal = self.top(self.address)
        terminal.shows("weft replay")
        terminal.press(b"\x1a")
        terminal.read_until(lambda: terminal.seen.endswith(GIVEN_BACK))
        os.waitpid(terminal.pid, os.WUNTRACED)
        self.assertEqual(termios.tcgetattr(terminal.fd), terminal.modes)
        terminal.seen = b""
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.shows("weft replay")
        terminal.press(b"q")
        self.assertEqual(terminal.end(), 0)
        self.assert_restored(terminal)

    def test_follows_the_size_of_the_window(self):
        terminal = self.top(self.address)
        terminal.shows("weft replay")
        terminal.resize(12, 44)
        terminal.shows("more lines")
        terminal.resize(13, 40)
        terminal.read_until(lambda: len(terminal.screen()) == 13
                            and max(len(line) for line in terminal.screen()) <= 40)

    def test_one_that_goes_away_is_shown_and_comes_back(self):
        server = serve()
        port = server.server_address[1]
        terminal = self.top(f"127.0.0.1:{port}", self.address)
        terminal.shows("weft engine 1.2.3")
        stop(server)
        terminal.shows("no answer: nobody listens there")
        terminal.shows("weft replay")
        server = serve(port)
        self.addCleanup(stop, server)
        terminal.shows("weft engine 1.2.3")

    def test_once_prints_rates_as_plain_text(self):
        done = self.run_plain("--once", self.address)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"observed [0-9.]+/s")
        self.assertNotIn("\x1b", done.stdout)

    def test_once_fails_where_one_does_not_answer_and_shows_the_others(self):
        server = serve()
        stop(server)
        done = self.run_plain("--once", self.address, f"127.0.0.1:{server.server_address[1]}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("weft replay", done.stdout)
        self.assertIn("no answer: nobody listens there", done.stdout)

    def test_a_pipe_gets_a_block_per_interval(self):
        with subprocess.Popen([BUILD.weft, "top", self.address, *INTERVAL], stdout=subprocess.PIPE, text=True) as top:
            blocks = 0
            while blocks < 3:
                line = top.stdout.readline()
                self.assertTrue(line)
                self.assertNotIn("\x1b", line)
                blocks += "weft replay" in line
            top.terminate()

    def test_wrong_addresses_and_intervals_are_refused(self):
        for options, words in ((("9338",), "is not an address"), (("--interval", "1ms"), "from 100ms to 1h")):
            done = subprocess.run([BUILD.weft, "top", "--once", *options], stderr=subprocess.PIPE, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)

    @staticmethod
    def run_plain(*options):
        return subprocess.run([BUILD.weft, "top", *options, *INTERVAL], stdout=subprocess.PIPE, text=True, check=False)


if __name__ == "__main__":
    main()
