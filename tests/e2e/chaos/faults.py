"""What can go wrong with a process's surroundings: its network, its disk. In namespaces of our own, see sandbox.py."""
import contextlib
import os
import subprocess

BROKERS = "10.77.0.1"  # where the brokers listen


def _ip(command):
    subprocess.run(["ip", *command.split()], check=True)


class Network:
    """A cable of its own from each process to the brokers, which can be pulled out."""

    def __init__(self):
        self._cables = set()
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "weft-chaos", "/run/netns"], check=True)
        _ip("link set lo up")
        _ip(f"address add {BROKERS}/32 dev lo")

    def prefix(self, number):
        """Begins the command line of a process behind cable `number`, which is there from then on."""
        name = f"chaos-{number}"
        if number not in self._cables:
            self._cables.add(number)
            _ip(f"netns add {name}")
            _ip(f"link add cable-{number} type veth peer name eth0 netns {name}")
            _ip(f"address add 10.77.{number}.1/24 dev cable-{number}")
            _ip(f"link set cable-{number} up")
            for command in ("link set lo up", f"address add 10.77.{number}.2/24 dev eth0", "link set eth0 up",
                            f"route add default via 10.77.{number}.1"):
                _ip(f"-n {name} {command}")
        return ["ip", "netns", "exec", name]

    def cut(self, number):
        _ip(f"link set cable-{number} down")

    def mend(self, number):
        _ip(f"link set cable-{number} up")

    def mend_all(self):
        for number in self._cables:
            self.mend(number)


class SmallDisk:
    """A file system of its own for one member's store, which can be full for a while."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        self._balloon = os.path.join(folder, "balloon")
        os.makedirs(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "weft-chaos", folder], check=True)

    def fill(self):
        with open(self._balloon, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 16))

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._balloon)
