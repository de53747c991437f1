"""Namespaces of its own for a run: its networks, mounts and processes end with it, however it ends.

run_inside(script, arguments, folder) runs the script once more, as process 1 of new network, mount and process
namespaces. On Ctrl-C, SIGTERM and at the end process 1 is killed, and the kernel kills and undoes the rest;
where this process itself is killed, the same happens. Needs root, or user namespaces for everybody.
"""
import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def run_inside(script, arguments, folder):
    """The script's exit code. It finds its temporary files in `folder`."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    probe = subprocess.run(["unshare", *root, "--net", "--mount", "--pid", "--fork", "true"],
                           stderr=subprocess.PIPE, text=True, check=False)
    if probe.returncode != 0:
        sys.exit(f"chaos: no namespaces here ({probe.stderr.strip()}); run it as root")
    process = subprocess.Popen(
        ["unshare", *root, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
         sys.executable, "-B", script, *arguments],
        env={**os.environ, "TMPDIR": folder}, start_new_session=True,
        preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    try:
        return process.wait()
    finally:
        process.kill()
        process.wait()
