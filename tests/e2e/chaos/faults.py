"""What can go wrong with a process's surroundings: its network, its disk. Everything is undone."""
import contextlib
import os
import subprocess

CUT_GROUP = 64000  # group ids of processes whose packets may be dropped: CUT_GROUP + number


class Network:
    """Cuts single processes off, by the group id that they run with; needs root and nftables."""

    def __init__(self):
        self._table = f"weft_chaos_{os.getpid()}"
        self.problem = None if self._nft(f"add table inet {self._table}") and self._nft(
            f"add chain inet {self._table} out {{ type filter hook output priority 0; }}") else "nft is refused"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.problem:
            self._nft(f"delete table inet {self._table}")

    def cut(self, number):
        self._nft(f"add rule inet {self._table} out meta skgid {CUT_GROUP + number} drop")

    def mend(self):
        self._nft(f"flush chain inet {self._table} out")

    @staticmethod
    def _nft(command):
        with contextlib.suppress(OSError):
            return subprocess.run(["nft", *command.split()], stderr=subprocess.DEVNULL, check=False).returncode == 0
        return False


class SmallDisk:
    """A file system of its own for one member's store, which can be full for a while; needs root."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        self._balloon = os.path.join(folder, "balloon")
        os.makedirs(folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "weft-chaos", folder],
                                 stderr=subprocess.DEVNULL, check=False)
        self.problem = None if mounted.returncode == 0 else "mount is refused"

    def fill(self):
        with open(self._balloon, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 16))

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._balloon)

    def close(self):
        if not self.problem:
            subprocess.run(["umount", "-l", self.folder], check=False)
