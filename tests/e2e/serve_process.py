"""A `weft serve` for tests, on a free port."""
import re
import signal
import subprocess

from e2e import PATIENCE


class ServeProcess:
    """with ServeProcess(build, "weft.db") as serve: ask http://127.0.0.1:{serve.port}"""

    def __init__(self, build, *arguments, env=None):
        listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen([build.weft, "serve", *arguments, *listen], stdin=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, text=True, env=env)

    def __enter__(self):
        said = []
        for line in self._process.stderr:
            if found := re.search(r"http://\S+:(\d+) shows", line):
                self.port = int(found[1])
                return self
            said.append(line)
        raise AssertionError(f"weft serve ended: {''.join(said)}")

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self.rest = self._process.communicate(timeout=PATIENCE)[1]
        self.code = self._process.returncode
