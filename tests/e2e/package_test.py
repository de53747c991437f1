#!/usr/bin/env python3
"""What `make install` and `make deb` give: the tree in place, and the package on a throw-away copy of this system."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from e2e import HERE, STORED_RECORDING, Build, main

BUILD = Build(sys.argv[1])
ROOT = os.path.join(HERE, "..", "..")

# An overlay over this system's root: what dpkg does there is gone with the mount namespace.
THROW_AWAY = """
set -e
mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" "$1/top"
mount -t overlay none -o lowerdir=/,upperdir="$1/up",workdir="$1/work" "$1/top" 2>/dev/null || exit 77
cp "$2" "$1"/top/weft.deb
cp "$3" "$1"/top/shop.weft.zst
mkdir -p "$1"/top/proc && mount -t proc none "$1"/top/proc
chroot "$1/top" /bin/bash -c "$4" 2>&1
"""


def run(*command, code=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


class InstallTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.prefix = os.path.join(directory.name, "here")
        run("cmake", "--install", BUILD.path, "--prefix", self.prefix)
        self.weft = os.path.join(self.prefix, "bin", "weft")

    def installed(self, *path):
        return os.path.join(self.prefix, *path)

    def test_the_program_finds_its_plugins_beside_it(self):
        self.assertIn(f"plugins:   {self.installed('lib')}", run(self.weft, "--version"))
        db = self.installed("weft.db")
        run(self.weft, "replay", STORED_RECORDING, "--db", db)
        self.assertIn("GET /search", run(self.weft, "traces", "--db", db))

    def test_version_names_features_libraries_and_kernels(self):
        text = run(self.weft, "--version")
        for line in ("features:  ", "libraries: ", "kernels:   Debian's 5.10, 6.1 and 6.12"):
            self.assertIn(line, text)

    def test_the_examples_are_right(self):
        examples = glob.glob(self.installed("share", "doc", "weft", "examples", "*.yaml"))
        self.assertGreater(len(examples), 4)
        for example in examples:
            run(self.weft, "validate", example)

    def test_every_command_has_a_page_that_man_takes(self):
        pages = glob.glob(self.installed("share", "man", "man1", "*.gz"))
        self.assertGreater(len(pages), 15)
        self.assertIn(self.installed("share", "man", "man1", "weft-run.1.gz"), pages)
        if not shutil.which("groff"):
            self.skipTest("groff is not here (apt-get install groff-base)")
        for page in pages:
            text = subprocess.run(["zcat", page], stdout=subprocess.PIPE, check=True).stdout
            told = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, stderr=subprocess.PIPE,
                                  check=True).stderr
            self.assertEqual(told, b"", page)

    def test_bash_completes_with_it(self):
        script = self.installed("share", "bash-completion", "completions", "weft")
        words = run("bash", "-c", f"source {script}; COMP_WORDS=(weft tra) COMP_CWORD=1; _weft; echo ${{COMPREPLY[*]}}")
        self.assertEqual(words.split(), ["traces", "trace"])

    def test_the_units_start_what_was_installed(self):
        for unit in ("weft", "weft-agent", "weft-engine"):
            with open(self.installed("lib", "systemd", "system", f"{unit}.service"), encoding="utf-8") as file:
                self.assertIn(f"ExecStart={self.weft} ", file.read())


@unittest.skipUnless(shutil.which("dpkg-shlibdeps"), "no dpkg-shlibdeps here (apt-get install dpkg-dev)")
class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.deb = run(os.path.join(ROOT, "cmake", "debian", "build"), BUILD.path, cls.directory.name).strip()

    def on_a_copy_of_this_system(self, script):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a throw-away root")
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run(["unshare", "--mount", "bash", "-c", THROW_AWAY, "-", place, self.deb,
                                   STORED_RECORDING, "set -e\n" + script],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 77:
            self.skipTest("no overlay can be mounted here")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_depends_on_the_packages_of_its_libraries(self):
        depends = run("dpkg-deb", "--field", self.deb, "Depends")
        for library in ("libbpf1", "libsqlite3-0", "librdkafka1", "libtbb12", "libcapnp", "libc6"):
            self.assertIn(library, depends)

    def test_installs_works_and_leaves_nothing_when_purged(self):
        # Without triggers, which would work on the whole system's pages and libraries.
        said = self.on_a_copy_of_this_system("""
            before=$(getent passwd | sort; getent group | sort)
            dpkg --no-triggers -i /weft.deb
            getent passwd weft; getent group weft
            cd /tmp && /usr/bin/weft --version
            weft validate /etc/weft/weft.yaml
            weft replay /shop.weft.zst --db /tmp/weft.db && weft traces --db /tmp/weft.db --limit 3
            echo "# mine" >>/etc/weft/weft.yaml; mkdir -p /var/lib/weft; touch /var/lib/weft/weft.db
            dpkg --no-triggers -i /weft.deb   # again, as an upgrade does
            grep -q "# mine" /etc/weft/weft.yaml
            dpkg --no-triggers -r weft; [ ! -e /usr/bin/weft ]; [ -e /var/lib/weft/weft.db ]; [ -e /etc/weft/weft.yaml ]
            dpkg --no-triggers -P weft; [ ! -e /var/lib/weft ]; [ ! -e /etc/weft ]; [ ! -e /usr/lib/weft ]
            [ "$before" = "$(getent passwd | sort; getent group | sort)" ] && echo clean""")
        self.assertIn("plugins:   /usr/lib/weft/plugins", said)
        self.assertIn("GET /search", said)
        self.assertEqual(said.splitlines()[-1], "clean")

    def test_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not here (apt-get install lintian)")
        told = run("lintian", "--allow-root", "--fail-on", "error", self.deb)
        self.assertNotIn("E: ", told)


if __name__ == "__main__":
    main()
