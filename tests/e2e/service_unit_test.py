#!/usr/bin/env python3
"""configs/*.service: what systemd says of them, and that weft.service grants what weft asks for."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from e2e import HERE, Build, main

BUILD = Build(sys.argv[1])
ROOT = os.path.join(HERE, "..", "..")
CONFIGS = os.path.join(ROOT, "configs")
UNIT = os.path.join(CONFIGS, "weft.service")
UNITS = ("weft.service", "weft-agent.service", "weft-engine.service")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class ServiceUnitTest(unittest.TestCase):
    def setUp(self):
        self.text = read(UNIT)

    def granted(self, key):
        return [name.lower() for name in re.search(rf"^{key}=(.*)$", self.text, re.M)[1].split()]

    def test_grants_the_capabilities_that_doctor_names_and_no_others(self):
        header = read(os.path.join(ROOT, "sources", "ebpf", "privileges.h"))
        wanted = re.search(r'kCapabilityList =\s*"([^"]*)"', header)[1].split(",")
        self.assertEqual(len(wanted), 5)
        self.assertEqual(self.granted("AmbientCapabilities"), wanted)
        self.assertEqual(self.granted("CapabilityBoundingSet"), wanted)

    def test_systemd_takes_them(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not here (apt-get install systemd)")
        for unit in UNITS:
            with self.subTest(unit), tempfile.TemporaryDirectory() as directory:
                path = os.path.join(directory, unit)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(read(os.path.join(CONFIGS, unit)).replace("/usr/local/bin/weft", BUILD.weft))
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, check=False)
                about_it = [line for line in done.stdout.splitlines() if unit in line]
                self.assertEqual(about_it, [], done.stdout)

    def test_they_start_nothing_that_a_bare_system_has_not(self):
        for unit in UNITS:
            for program in re.findall(r"^Exec\w+=(\S+)", read(os.path.join(CONFIGS, unit)), re.M):
                self.assertIn(program, ("/usr/local/bin/weft", "/bin/sh"), unit)

    def test_its_command_line_is_understood(self):
        arguments = re.search(r"^ExecStart=\S+ (.*)$", self.text, re.M)[1].split()
        arguments[arguments.index("/etc/weft/weft.yaml")] = os.path.join(ROOT, "configs", "no-such-file.yaml")
        done = subprocess.run([BUILD.weft, *arguments], stderr=subprocess.PIPE, text=True, check=False)
        self.assertIn("no-such-file.yaml", done.stderr)


if __name__ == "__main__":
    main()
