"""Apache Kafka for tests: fetches the jars from Maven Central once and keeps them.

They lie in $WEFT_CACHE/kafka-4.1.0, else in ~/.cache/weft/kafka-4.1.0. Any number of tests may ask at
once: one fetches, into a folder that gets its name when it is whole. jars.sha256 says what whole is.
Where Java or the jars cannot be had Unavailable says why, and what mends it.
"""
import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "4.1.0"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
FETCH_SECONDS = 300
# C1 alone: a broker that lives for a test is compiled more cheaply than it is optimised.
JVM_OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class Unavailable(Exception):
    """Kafka cannot be had here: a test skips, with this reason."""


class Artifacts:
    """A whole set of jars. command() begins every command line of a broker."""

    def __init__(self, folder):
        self.folder = folder
        self.java = _java()
        # The archive of loaded classes holds for one class path, spelled alike.
        self.class_path = ":".join(os.path.join(folder, name) for name in sorted(_expected()))
        self.class_archive = os.path.join(folder, f"classes-{_java_version(self.java)}.jsa")

    def command(self, *jvm_options):
        return [self.java, *JVM_OPTIONS, *jvm_options,
                f"-Dlog4j2.configurationFile={os.path.join(HERE, 'log4j2.properties')}", "-cp", self.class_path]


def fetch():
    """Returns the Artifacts; fetches them where they are missing or damaged."""
    java = _java()
    if java is None:
        raise Unavailable("no Java 17 or newer here: .ci/deps kafka (apt-get install default-jre-headless maven)")
    cache = os.environ.get("WEFT_CACHE") or os.path.expanduser("~/.cache/weft")
    folder = os.path.join(cache, f"kafka-{VERSION}")
    try:
        os.makedirs(cache, exist_ok=True)
        with locked(folder + ".lock"):
            if not _is_whole(folder):
                _download(folder)
    except OSError as error:
        raise Unavailable(f"cannot keep Kafka in {cache}: {error}; set WEFT_CACHE to a folder") from error
    return Artifacts(folder)


@contextlib.contextmanager
def locked(path):
    """Between processes; ends with the process at the latest."""
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _java():
    found = shutil.which("java")
    if found is None:
        return None
    major = _java_version(found).split(".")[0]
    return found if major.isdigit() and int(major) >= 17 else None


def _java_version(java):
    release = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(java))), "release")
    with contextlib.suppress(OSError), open(release, encoding="utf-8") as file:
        for line in file:
            if line.startswith("JAVA_VERSION="):
                return line.split('"')[1]
    done = subprocess.run([java, "-version"], stderr=subprocess.PIPE, text=True, check=False)
    words = done.stderr.split('"')
    return words[1] if len(words) > 1 else "0"


def _expected():
    """Name of each jar -> SHA-256."""
    with open(os.path.join(HERE, "jars.sha256"), encoding="utf-8") as file:
        return {name: checksum for checksum, name in (line.split() for line in file)}


def _is_whole(folder):
    """Whether all is there; what is there was checked by its checksum before it got its name."""
    mark = os.path.join(folder, "whole")
    with contextlib.suppress(OSError), open(mark, encoding="utf-8") as file:
        sizes = dict(line.split() for line in file)
        return set(sizes) == set(_expected()) and all(
            os.path.getsize(os.path.join(folder, name)) == int(size) for name, size in sizes.items())
    return False


def _download(folder):
    if shutil.which("mvn") is None:
        raise Unavailable("Apache Kafka is not in the cache and there is no Maven to fetch it: .ci/deps kafka"
                          " (apt-get install maven)")
    for left_over in glob.glob(glob.escape(folder) + ".new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".new-", dir=os.path.dirname(folder))
    try:
        _copy_jars(new)
        with open(os.path.join(new, "whole"), "w", encoding="utf-8") as mark:
            for name, checksum in _expected().items():
                path = os.path.join(new, name)
                if not os.path.exists(path) or _sha256(path) != checksum:
                    raise Unavailable(f"Maven fetched Kafka {VERSION} without {name} as tests/support/kafka/jars.sha256"
                                      " has it")
                mark.write(f"{name} {os.path.getsize(path)}\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy_jars(folder):
    command = ["mvn", "-q", "-B", "-f", os.path.join(HERE, "pom.xml"), COPY, f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"Maven did not fetch Kafka {VERSION} in {FETCH_SECONDS} s") from error
    if done.returncode != 0:
        reasons = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise Unavailable(f"Maven cannot fetch Kafka {VERSION}: {(reasons or ['no reason given'])[0]}")


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
