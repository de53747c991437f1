#!/usr/bin/env python3
"""configs/weft.service: what systemd says of it, and that it grants what weft asks for."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from e2e import HERE, Build, main

BUILD = Build(sys.argv[1])
UNIT = os.path.join(HERE, "..", "..", "configs", "weft.service")
ROOT = os.path.join(HERE, "..", "..")


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

    def test_systemd_takes_it(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not here (apt-get install systemd)")
        with tempfile.TemporaryDirectory() as directory:
            unit = os.path.join(directory, "weft.service")
            with open(unit, "w", encoding="utf-8") as file:
                file.write(self.text.replace("/usr/local/bin/weft", BUILD.weft))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
        about_it = [line for line in done.stdout.splitlines() if "weft.service" in line]
        self.assertEqual(about_it, [], done.stdout)

    def test_its_command_line_is_understood(self):
        arguments = re.search(r"^ExecStart=\S+ (.*)$", self.text, re.M)[1].split()
        arguments[arguments.index("/etc/weft/weft.yaml")] = os.path.join(ROOT, "configs", "no-such-file.yaml")
        done = subprocess.run([BUILD.weft, *arguments], stderr=subprocess.PIPE, text=True, check=False)
        self.assertIn("no-such-file.yaml", done.stderr)


if __name__ == "__main__":
    main()
