#!/usr/bin/env python3
"""weft as an ordinary user with five capabilities, with one of them missing, and in a container."""
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from e2e import DENIED, PATIENCE, Build, WeftRun, bpf_problem, main, read_ledger, reconcile, skip

BUILD = Build(sys.argv[1])
FIVE = ("bpf", "perfmon", "net_admin", "sys_ptrace", "dac_read_search")
NOBODY = 65534
REQUESTS = 40


def setpriv(capabilities):
    """The command line that runs another one as an ordinary user with these and no others."""
    granted = "".join(f",+{name}" for name in capabilities)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            f"--inh-caps=-all{granted}", f"--ambient-caps=-all{granted}", f"--bounding-set=-all{granted}"]


class Dropped(Build):
    """The build's weft, copied to where everyone may read it, run without most privileges."""

    def __init__(self, directory, capabilities):
        super().__init__(BUILD.path)
        program = os.path.join(directory, "weft")
        if not os.path.exists(program):
            shutil.copy(BUILD.weft, program)
            shutil.copytree(os.path.join(BUILD.path, "plugins"), os.path.join(directory, "plugins"),
                            ignore=shutil.ignore_patterns("*[!o]"))
        self.weft = os.path.join(directory, "weft-without")
        with open(self.weft, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec {" ".join(setpriv(capabilities))} {program} "$@"\n')
        os.chmod(self.weft, 0o755)


class Server:
    """A web server of another user, whose environment names its service."""

    def __init__(self, directory):
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", directory, "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=dict(os.environ, OTEL_SERVICE_NAME="named-by-environment"))
        self.port = int(self._process.stdout.readline().split("port ")[1].split()[0])

    def ask(self, count):
        for _ in range(count):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/") as answer:
                answer.read()

    def close(self):
        self._process.kill()
        self._process.communicate()


class PrivilegesTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        os.chmod(self.directory, 0o777 | stat.S_ISVTX)
        self.db = os.path.join(self.directory, "weft.db")
        self.log = os.path.join(self.directory, "log")
        self.plugins = ("--plugin-dir", os.path.join(self.directory, "plugins"))

    def without(self, *missing):
        return Dropped(self.directory, [name for name in FIVE if name not in missing])

    def doctor(self, build):
        done = subprocess.run([build.weft, "doctor", "--json", "--db", self.db, *self.plugins],
                              stdout=subprocess.PIPE, check=False)
        return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def refused(self, missing, loss):
        """doctor and run name the capability, what it is for and the remedy; nothing is begun."""
        build = self.without(missing)
        name = "CAP_" + missing.upper()
        code, checks = self.doctor(build)
        self.assertEqual(code, DENIED)
        self.assertEqual((checks[name]["state"], checks[name]["detail"]), ("fail", loss))
        self.assertIn("setcap cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep",
                      checks[name]["remedy"])
        run = subprocess.run([build.weft, "run", "--db", self.db, *self.plugins], stderr=subprocess.PIPE,
                             text=True, check=False)
        self.assertEqual(run.returncode, DENIED)
        self.assertIn(f"{name}: {loss}\n    -> {checks[name]['remedy']}", run.stderr)
        self.assertFalse(os.path.exists(self.db))

    def traced(self, build):
        """Traces requests to a server of another user; returns the names of its service."""
        server = Server(self.directory)
        self.addCleanup(server.close)
        with WeftRun(build, "--db", self.db, "--port", str(server.port), *self.plugins, log=self.log) as weft:
            weft.wait_until_tracing()
            server.ask(REQUESTS)
            self.assertEqual(weft.stop(), 0, weft.output())
            self.output = weft.output()
        sums = reconcile(read_ledger(self.db))
        self.assertEqual((sums["unexplained"], sums["lost"]), (0, 0))
        with sqlite3.connect(self.db) as connection:
            names = dict(connection.execute(
                "SELECT service, count(*) FROM spans WHERE kind = 'SERVER' GROUP BY service"))
        self.assertEqual(sum(names.values()), REQUESTS, names)
        return set(names)

    def degraded(self, missing, words):
        """doctor and run warn in the same words."""
        build = self.without(missing)
        name = "CAP_" + missing.upper()
        code, checks = self.doctor(build)
        self.assertEqual((code, checks[name]["state"]), (0, "warn"))
        self.assertTrue(checks[name]["detail"].startswith(f"missing: {words}"), checks[name]["detail"])
        names = self.traced(build)
        self.assertIn(f"{name} {checks[name]['detail']} -> {checks[name]['remedy']}", self.output)
        return names

    def test_five_capabilities_are_enough_for_everything(self):
        build = self.without()
        code, checks = self.doctor(build)
        self.assertEqual((code, checks["capabilities"]["detail"]), (0, "all that are needed"))
        self.assertEqual(self.traced(build), {"named-by-environment"})
        self.assertNotIn("warning", self.output)

    def test_without_cap_bpf_nothing_starts(self):
        self.refused("bpf", "missing: the kernel takes no programs from weft")

    def test_without_cap_perfmon_nothing_starts(self):
        self.refused("perfmon", "missing: the kernel's programs may not read what other programs send")

    def test_in_a_pid_namespace_of_its_own_nothing_starts(self):
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if not shutil.which("unshare") or subprocess.run([*unshare, "true"], check=False).returncode:
            self.skipTest("unshare cannot make a PID namespace")
        for command in ("doctor", "run"):
            done = subprocess.run([*unshare, BUILD.weft, command, "--db", self.db], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
            self.assertEqual(done.returncode, DENIED, done.stdout)
            self.assertIn("--pid=host", done.stdout)
        self.assertFalse(os.path.exists(self.db))

    def test_without_cap_net_admin_there_are_no_tcp_options(self):
        self.assertEqual(self.degraded("net_admin", "no ids in TCP options"), {"named-by-environment"})

    def test_without_cap_sys_ptrace_services_are_named_by_command_lines(self):
        # Newer kernels show environments to CAP_PERFMON as well.
        names = self.degraded("sys_ptrace", "executables of other users'")
        self.assertTrue(names in ({"http.server"}, {"named-by-environment"}), names)

    def test_without_cap_dac_read_search_services_are_named_by_command_lines(self):
        self.assertEqual(self.degraded("dac_read_search", "environments"), {"http.server"})


if __name__ == "__main__":
    if os.geteuid() != 0:
        skip("only root can run weft with other privileges", "bpf")
    if not shutil.which("setpriv") or subprocess.run([*setpriv(FIVE), "true"], check=False).returncode:
        skip("setpriv cannot pass the five capabilities on (apt-get install util-linux)", "bpf")
    if problem := bpf_problem(BUILD):
        skip(problem, "bpf")
    main()
