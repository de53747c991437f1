#!/usr/bin/env python3
"""Starts the shop: nginx, four services in Python, Node.js and Go, and Redis, each on a free port.

  shop.py [--build-dir DIR] [--json FILE] [--load N] [--slow-inventory MS] [--failing-payments PERCENT]

Runs until SIGTERM, SIGINT or the end of standard input; with --load N customers who are there at once.

Writes FILE ({"port": of nginx, "ports": {...}, "pids": {...}, "notes": [...]}) once every program
answers. Also used as a module: `with Shop(build_dir) as shop: shop.port`. A shop leaves no process
behind, also when its own process is killed: see Shop._start_guard.
"""
import argparse
import contextlib
import ctypes
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ITEMS = 100


class ShopError(Exception):
    """What is missing or went wrong, in words for the user."""


def find_program(*names):
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/go/bin")
        if path:
            return path
    raise ShopError(f"the shop needs {names[0]}, which is not on this machine")


def find_python():
    """A Python that has aiohttp: Debian's own first, a pyenv's `python3` mostly has not."""
    for path in ("/usr/bin/python3", shutil.which("python3"), sys.executable):
        if path and subprocess.run([path, "-c", "import aiohttp"], stderr=subprocess.DEVNULL,
                                   check=False).returncode == 0:
            return path
    raise ShopError("the shop needs aiohttp: apt-get install python3-aiohttp")


def build_inventory(build_dir):
    """Builds the Go service into build_dir (no network); returns its path, None without Go."""
    binary = os.path.join(build_dir, "inventory")
    source = os.path.join(HERE, "inventory", "main.go")
    if os.path.exists(binary) and os.path.getmtime(binary) >= os.path.getmtime(source):
        return binary
    try:
        go = find_program("go")
    except ShopError:
        return None
    env = {"HOME": build_dir, **os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    os.makedirs(build_dir, exist_ok=True)
    subprocess.run([go, "build", "-o", binary + ".new", "."], cwd=os.path.dirname(source), env=env, check=True)
    os.replace(binary + ".new", binary)
    return binary


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Shop:
    """One running shop. Not thread-safe. Attributes: port, ports, pids, notes."""

    def __init__(self, build_dir=None, slow_inventory_ms=0, failing_payments_percent=0):
        self._dir = tempfile.mkdtemp(prefix="weft-shop-")
        os.chmod(self._dir, 0o755)  # nginx workers run as another user
        self._build_dir = build_dir or self._dir
        self._processes = {}
        self._slow, self._failing = slow_inventory_ms, failing_payments_percent
        self._group = 0
        self._guard = None
        self.ports, self.notes = {}, []

    @property
    def port(self):
        return self.ports["nginx"]

    @property
    def pids(self):
        return {name: process.pid for name, process in self._processes.items()}

    def members(self):
        """Every process of the shop by now, nginx's workers too; not the guard."""
        out = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(ProcessLookupError):
                if pid != self._group and os.getpgid(pid) == self._group:
                    out.append(pid)
        return out

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts what is called before its callers. Raises ShopError; nothing runs then."""
        try:
            self._start_guard()
            self._start_redis()
            python = find_python()
            inventory = build_inventory(self._build_dir)
            if not inventory:
                self.notes.append("no Go on this machine: inventory runs in Python")
            self._start_service("inventory", [inventory] if inventory else [python, "inventory.py"],
                                SHOP_SLOW_MS=str(self._slow))
            self._start_service("catalog", [find_program("node", "nodejs"), "catalog.js"])
            self._start_service("cart", [python, "cart.py"], OTEL_SERVICE_NAME="shop-cart")
            self._start_service("payments", [python, "-m", "payments"], SHOP_FAILING=str(self._failing))
            self._start_service("front", [python, "front.py"],
                                OTEL_RESOURCE_ATTRIBUTES="service.name=shop-front,service.version=1.4.2")
            self._start_nginx()
        except BaseException:
            self.stop()
            raise

    def start_load(self, concurrency):
        """Customers, until the shop ends."""
        program = os.path.join(self._build_dir, "shop-load")
        if not os.path.exists(program):
            raise ShopError(f"{program} is not built: `cmake --build` its folder, target shop-load")
        self._spawn("load", [program, "--port", str(self.port), "--concurrency", str(concurrency), "--duration", "86400",
                             "--no-truth"], stdout=subprocess.DEVNULL)

    def stop(self):
        """Ends every process of the shop, callers first, and waits for them."""
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for process in self._processes.values():
            if process.stdout:
                process.stdout.close()
        self._processes.clear()
        if self._guard:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        shutil.rmtree(self._dir, ignore_errors=True)

    def dead(self):
        """Names of the programs that have ended by themselves."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def _start_guard(self):
        """A process that leads the shop's process group and kills it when its pipe from us closes.

        PR_SET_PDEATHSIG alone would not do: it is not inherited by nginx's workers.
        """
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", "trap '' TERM INT HUP; read _; trap - TERM; kill -KILL 0"],
            stdin=subprocess.PIPE, preexec_fn=os.setpgrp)
        self._group = self._guard.pid

    def _spawn(self, name, command, env=None, **options):
        libc, group = ctypes.CDLL(None), self._group

        def join_group():
            os.setpgid(0, group)
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        process = subprocess.Popen(command, cwd=HERE, env={**inherited, **(env or {})},
                                   stdin=subprocess.DEVNULL, preexec_fn=join_group, **options)
        self._processes[name] = process
        return process

    def _start_service(self, name, command, **env):
        """A service binds a port of the kernel's choice and prints it once it listens."""
        env["SHOP_PORTS"] = json.dumps(self.ports)
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        process = self._spawn(name, command, env, stdout=subprocess.PIPE)
        ready, _, _ = select.select([process.stdout], [], [], 20)
        line = process.stdout.readline() if ready else b""
        if not line.strip().isdigit():
            raise ShopError(f"{name} did not start: {' '.join(command)}")
        self.ports[name] = int(line)

    def _start_redis(self):
        def command(port):
            return [find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                    "--appendonly", "no", "--dir", self._dir, "--loglevel", "warning"]

        self._start_on_free_port("redis", command, self._seed_redis)

    def _seed_redis(self, port):
        from clients import RedisPool
        redis = RedisPool(port)
        for item in range(ITEMS):
            redis.command("SET", f"item:{item}", f"thing {item}")
            redis.command("SET", f"stock:{item}", "5")

    def _start_nginx(self):
        with open(os.path.join(HERE, "nginx.conf.in"), encoding="utf-8") as file:
            template = file.read()

        def command(port):
            text = template
            for name, value in (("DIR", self._dir), ("PORT", port), ("FRONT", self.ports["front"]),
                                ("CATALOG", self.ports["catalog"])):
                text = text.replace(f"@{name}@", str(value))
            path = os.path.join(self._dir, "nginx.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return [find_program("nginx"), "-e", "stderr", "-p", self._dir, "-c", path]

        def check(port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/product/1")
            status = connection.getresponse().status
            connection.close()
            if status != 200:
                raise ShopError(f"the shop answers {status}")

        self._start_on_free_port("nginx", command, check)

    def _start_on_free_port(self, name, command, check):
        """For programs that take no port 0: another process may take the port first, so try again."""
        for _ in range(5):
            port = free_port()
            process = self._spawn(name, command(port), stdout=subprocess.DEVNULL)
            deadline = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                except ConnectionError:
                    time.sleep(0.01)
                    continue
                check(port)
                self.ports[name] = port
                return
            process.kill()
            process.wait()
        raise ShopError(f"{name} did not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", help="where the Go service is built (default: anew each time)")
    parser.add_argument("--json", help="file for ports and pids (default: standard output)")
    parser.add_argument("--build-only", action="store_true", help="build the Go service and end")
    parser.add_argument("--load", type=int, default=0, metavar="N", help="customers at once (default: none)")
    parser.add_argument("--slow-inventory", type=float, default=0, metavar="MS", help="makes inventory this much slower")
    parser.add_argument("--failing-payments", type=float, default=0, metavar="PERCENT", help="makes these payments fail")
    args = parser.parse_args()
    if args.build_only:
        build_inventory(args.build_dir)
        return 0

    wake_read, wake_write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(wake_write, b"x"))
    try:
        with Shop(args.build_dir and os.path.abspath(args.build_dir), args.slow_inventory, args.failing_payments) as shop:
            if args.load:
                shop.start_load(args.load)
            facts = json.dumps({"port": shop.port, "ports": shop.ports, "pids": shop.pids, "notes": shop.notes})
            if args.json:
                with open(args.json + ".new", "w", encoding="utf-8") as file:
                    file.write(facts)
                os.replace(args.json + ".new", args.json)
            else:
                print(facts, flush=True)
            while True:
                ready, _, _ = select.select([wake_read, sys.stdin], [], [], 1)
                if wake_read in ready or (ready and not os.read(sys.stdin.fileno(), 4096)):
                    return 0
                if shop.dead():
                    raise ShopError(f"ended by itself: {', '.join(shop.dead())}")
    except ShopError as error:
        print(f"shop: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    sys.exit(main())
