#!/usr/bin/env python3
"""Real Kafka brokers (KRaft) for tests, on free ports and in a temporary folder.

In Python:   with KafkaCluster(brokers=3) as kafka: ... kafka.bootstrap ... kafka.kill(1) ... kafka.start(1)
In C++:      tests/support/kafka_broker.h, which runs this file:

  kafka_cluster.py [--brokers N] [--property key=value ...] [--security SASL_SSL] [--heap-mb N]

It prints `ready BOOTSTRAP PLAIN_BOOTSTRAP FOLDER`, `unavailable REASON` or `failed REASON`, and then obeys
lines on stdin, each answered by `ok` or `failed REASON`: `stop N`, `kill N`, `start N` (brokers count from 1)
and `keep` (the folder with logs and data stays). At the end of stdin everything is killed. A broker that is
killed or stopped comes back with its data and its port. Nothing outlives the process that asked for it.
"""
import argparse
import base64
import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from kafka_artifacts import Unavailable, fetch, locked  # noqa: E402

START_SECONDS = 60
STOP_SECONDS = 20
PR_SET_PDEATHSIG = 1
HOST = "127.0.0.1"
# Below the range of outgoing connections, so that a broker that was killed finds its port free again.
PORTS = range(15000, 32000)
LIBC = ctypes.CDLL(None)


class KafkaError(Exception):
    """A broker does not do what it should; the message has the end of its log."""


class KafkaCluster:
    """Brokers 1..n. `bootstrap` is for clients, `plain_bootstrap` always without TLS and SASL."""

    def __init__(self, brokers=1, properties=None, security="PLAINTEXT", heap_mb=None, scram_users=None,
                 jvm_options=None, artifacts=None, host=HOST):
        self.count = brokers
        self.host = host
        self.folder = None
        self.keep = False
        self._properties = properties or {}
        self._security = security
        self._heap_mb = heap_mb or (384 if brokers == 1 else 256)
        self._scram_users = scram_users or {}
        self._jvm_options = jvm_options
        self._artifacts = artifacts
        self._processes = {}
        self._ports = {}
        self._log_begins = {}

    def __enter__(self):
        """Starts all brokers and waits until they answer. Raises Unavailable, KafkaError."""
        if self._artifacts is None:
            self._artifacts = prepare_kafka()
        self.folder = tempfile.mkdtemp(prefix="weft-kafka-")
        try:
            self._start_all()
        except BaseException:
            self.keep = True  # what a failed start leaves is its only explanation
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in list(self._processes):
            self.kill(node)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def bootstrap(self):
        return self._addresses("CLIENT" if self._security != "PLAINTEXT" else "PLAIN")

    @property
    def plain_bootstrap(self):
        return self._addresses("PLAIN")

    def start(self, node):
        self._launch(node)
        self._wait_until_started(node)

    def stop(self, node):
        """In good order: leaders move, logs are flushed."""
        process = self._processes.pop(node)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self, node):
        process = self._processes.pop(node)
        process.kill()
        process.wait()

    def log_path(self, node):
        return os.path.join(self.folder, f"broker-{node}.log")

    # --- the first start ------------------------------------------------------------------------

    def _start_all(self):
        nodes = range(1, self.count + 1)
        cluster_id = _kafka_uuid()
        for attempt in range(3):
            self._pick_ports()
            for node in nodes:
                self._configure(node, cluster_id)
            try:
                for node in nodes:
                    self._launch(node)
                for node in nodes:
                    self._wait_until_started(node)
                break
            except KafkaError as error:
                # Somebody else took a port in between.
                if attempt == 2 or "already in use" not in str(error):
                    raise
                for node in list(self._processes):
                    self.kill(node)

    def _pick_ports(self):
        names = ("PLAIN", "CONTROLLER", "CLIENT")
        for node in range(1, self.count + 1):
            self._ports[node] = {name: _free_port(self.host) for name in names}

    def _addresses(self, listener):
        return ",".join(f"{self.host}:{ports[listener]}" for ports in self._ports.values())

    def _configure(self, node, cluster_id):
        data = os.path.join(self.folder, f"data-{node}")
        shutil.rmtree(data, ignore_errors=True)
        ports = self._ports[node]
        listeners = {"PLAIN": "PLAINTEXT"}
        if self._security != "PLAINTEXT":
            listeners["CLIENT"] = self._security
        protocols = {**listeners, "CONTROLLER": "PLAINTEXT"}
        replicas = min(self.count, 3)
        in_sync = max(1, replicas - 1)
        settings = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": ",".join(f"{n}@{self.host}:{p['CONTROLLER']}" for n, p in self._ports.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "listeners": ",".join(f"{name}://{self.host}:{ports[name]}" for name in protocols),
            "advertised.listeners": ",".join(f"{name}://{self.host}:{ports[name]}" for name in listeners),
            "listener.security.protocol.map": ",".join(f"{name}:{p}" for name, p in protocols.items()),
            "log.dirs": data,
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 6000,
            "broker.heartbeat.interval.ms": 1000,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 8 << 20,  # of the heap, from the start
            **self._properties,
        }
        with open(self._settings_path(node), "w", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())
        self._format(node, cluster_id, data)

    def _format(self, node, cluster_id, data):
        """The first node by Kafka's own tool, the others with the same records: a JVM less for each."""
        if node == 1:
            users = [part for name, password in self._scram_users.items()
                     for part in ("--add-scram", f"SCRAM-SHA-256=[name={name},password={password}]")]
            command = self._artifacts.command("-Xmx64m", *self._archive_option())
            done = subprocess.run([*command, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c",
                                   self._settings_path(node), *users],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0:
                raise KafkaError(f"Kafka's StorageTool failed: {done.stdout[-1000:]}")
            return
        os.makedirs(data)
        shutil.copy(os.path.join(self.folder, "data-1", "bootstrap.checkpoint"), data)
        with open(os.path.join(data, "meta.properties"), "w", encoding="utf-8") as file:
            file.write(f"version=1\ncluster.id={cluster_id}\nnode.id={node}\ndirectory.id={_kafka_uuid()}\n")

    def _settings_path(self, node):
        return os.path.join(self.folder, f"broker-{node}.properties")

    # --- processes ------------------------------------------------------------------------------

    def _launch(self, node):
        if node in self._processes:
            raise KafkaError(f"broker {node} is running")
        command = self._artifacts.command(f"-Xmx{self._heap_mb}m", *(self._jvm_options or self._archive_option()))
        with open(self.log_path(node), "ab") as log:
            self._log_begins[node] = log.tell()
            self._processes[node] = subprocess.Popen(
                [*command, "kafka.Kafka", self._settings_path(node)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)

    def _wait_until_started(self, node):
        """Kafka says it when the broker is registered and serves clients."""
        deadline = time.monotonic() + START_SECONDS
        while "Kafka Server started" not in self._log(node):
            if self._processes[node].poll() is not None:
                raise KafkaError(f"broker {node} ended at its start: {self._log(node)[-2000:]}")
            if time.monotonic() > deadline:
                raise KafkaError(f"broker {node} does not answer: {self._log(node)[-2000:]}")
            time.sleep(0.02)

    def _log(self, node):
        """What the broker has written since it was last started."""
        with open(self.log_path(node), encoding="utf-8", errors="replace") as log:
            log.seek(self._log_begins[node])
            return log.read()

    def _archive_option(self):
        path = self._artifacts.class_archive
        return [f"-XX:SharedArchiveFile={path}"] if os.path.exists(path) else []


def prepare_kafka():
    """What a cluster's start needs, fetched and made where it is missing. Raises Unavailable, KafkaError."""
    artifacts = fetch()
    make_class_archive(artifacts)
    return artifacts


def make_class_archive(artifacts):
    """Once per cache, 6 s: with an archive of the loaded classes a broker starts in 1.5 s, not 3.5 s."""
    if os.path.exists(artifacts.class_archive):
        return
    with locked(artifacts.class_archive + ".lock"):
        if os.path.exists(artifacts.class_archive):
            return
        new = f"{artifacts.class_archive}.new"
        with KafkaCluster(jvm_options=[f"-XX:ArchiveClassesAtExit={new}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"],
                          artifacts=artifacts) as kafka:
            kafka.stop(1)
        if os.path.exists(new):
            os.rename(new, artifacts.class_archive)


def _free_port(host):
    """Brokers advertise their ports before they listen, so the port is chosen here."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port


def _kafka_uuid():
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return "A" + text[1:]  # a dash in front would be taken for an option


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# --- for tests that are not in Python -------------------------------------------------------------


def _obey(kafka):
    actions = {"start": kafka.start, "stop": kafka.stop, "kill": kafka.kill}
    for line in sys.stdin:
        words = line.split()
        try:
            if words == ["keep"]:
                kafka.keep = True
            else:
                actions[words[0]](int(words[1]))
            _say("ok")
        except (KafkaError, KeyError, IndexError, ValueError) as error:
            _say(f"failed {line.strip()}: {error!r}")


def _say(line):
    print(line.replace("\n", " | "), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--security", default="PLAINTEXT", choices=["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
    parser.add_argument("--scram-user", action="append", default=[], metavar="NAME=PASSWORD")
    parser.add_argument("--heap-mb", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with KafkaCluster(options.brokers, dict(p.split("=", 1) for p in options.property), options.security,
                          options.heap_mb, dict(u.split("=", 1) for u in options.scram_user)) as kafka:
            _say(f"ready {kafka.bootstrap} {kafka.plain_bootstrap} {kafka.folder}")
            _obey(kafka)
    except Unavailable as error:
        _say(f"unavailable {error}")
    except KafkaError as error:
        _say(f"failed {error}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
