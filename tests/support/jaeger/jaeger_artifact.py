#!/usr/bin/env python3
"""Jaeger v2 for tests: an OpenTelemetry Collector with Kafka exporter and receiver, and a store to ask.

Nobody hands out its program by a package manager that checks what it hands out, but the Go module proxy
has its source (checked by go.sum and the checksum database), so it is built here, once: about three
minutes on two cores. It lies in $WEFT_CACHE/jaeger-VERSION, else in ~/.cache/weft. Any number of tests
may ask at once: one builds. Where Go or the sources cannot be had Unavailable says why.

As a program: prints the path, or `unavailable REASON` and exit code 77.
"""
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile

VERSION = "v1.76.0"  # the tag of that module holds the v2 binary
MODULE = "github.com/jaegertracing/jaeger"
BUILD_SECONDS = 3600


class Unavailable(Exception):
    """Jaeger cannot be had here: a test skips, with this reason."""


def fetch():
    """The path of the program."""
    cache = os.environ.get("WEFT_CACHE") or os.path.expanduser("~/.cache/weft")
    folder = os.path.join(cache, f"jaeger-{VERSION}")
    program = os.path.join(folder, "jaeger")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(folder + ".lock", "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not os.access(program, os.X_OK):
                _build(program)
    except OSError as error:
        raise Unavailable(f"cannot keep Jaeger in {cache}: {error}; set WEFT_CACHE to a folder") from error
    return program


def _go():
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Unavailable("no Go here, which builds Jaeger (https://go.dev/dl, 1.24.6 or newer)")
    return go


def _run(command, **more):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=BUILD_SECONDS, check=False, **more)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{' '.join(command[:3])}` took longer than {BUILD_SECONDS} s") from error
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command[:3])}` failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def _build(program):
    go = _go()
    source = json.loads(_run([go, "mod", "download", "-json", f"{MODULE}@{VERSION}"], cwd="/"))["Dir"]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(program)) as folder:
        tree = os.path.join(folder, "jaeger")
        shutil.copytree(source, tree)
        for path, _, files in os.walk(tree):  # the module cache is read-only
            os.chmod(path, 0o755)
            for file in files:
                with contextlib.suppress(OSError):
                    os.chmod(os.path.join(path, file), 0o644)
        _run([go, "build", "-o", os.path.join(folder, "new"), "./cmd/jaeger"], cwd=tree)
        os.rename(os.path.join(folder, "new"), program)


if __name__ == "__main__":
    try:
        print(fetch())
    except Unavailable as reason:
        print(f"unavailable {reason}")
        sys.exit(77)
