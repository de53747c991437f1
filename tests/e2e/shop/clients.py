"""Blocking HTTP and Redis clients with connection pools, for the shop's thread-based services.

Pools are last-in first-out and grow with the number of calls in flight, as those of urllib3 and
redis-py do. Every call takes the value of its X-Weft-Truth header from the caller (None: send none).
"""
import http.client
import itertools
import random
import socket
import threading
import time


class Truth:
    """Numbers the calls that one request makes: V.1, V.2, ... Thread-safe; V None gives None."""

    def __init__(self, value):
        self.value = value
        self._numbers = itertools.count(1)

    def next(self):
        return None if self.value is None else f"{self.value}.{next(self._numbers)}"


class HttpPool:
    def __init__(self, port, timeout=10):
        self._port = port
        self._timeout = timeout
        self._idle = []
        self._lock = threading.Lock()

    def request(self, method, path, truth, body=None):
        """Returns (status, body). A reused connection that the peer has closed is tried again once."""
        headers = {} if truth is None else {"X-Weft-Truth": truth}
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            reused = connection is not None
            if not reused:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                data = response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                if not reused:
                    raise
                continue
            if response.will_close:
                connection.close()
            else:
                with self._lock:
                    self._idle.append(connection)
            return response.status, data


class RedisPool:
    def __init__(self, port):
        self._port = port
        self._idle = []
        self._lock = threading.Lock()

    def command(self, *arguments):
        """Sends one command and returns its answer: bytes, int, list or None."""
        with self._lock:
            stream = self._idle.pop() if self._idle else None
        if stream is None:
            raw = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = raw.makefile("rwb")
        stream.write(encode_command(*arguments))
        stream.flush()
        answer = read_answer(stream)
        with self._lock:
            self._idle.append(stream)
        return answer

    def mget(self, key, truth):
        return self.command("MGET", key, *([] if truth is None else ["weft-truth:" + truth]))[0]

    def set(self, key, value, truth):
        return self.command("SET", key, value if truth is None else f"{value};weft-truth:{truth}")


def encode_command(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def read_answer(stream):
    line = stream.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        size = int(rest)
        return None if size < 0 else stream.read(size + 2)[:-2]
    if kind == b"*":
        return [read_answer(stream) for _ in range(int(rest))]
    raise ConnectionError(f"redis: {line!r}")


def think(milliseconds, loops=200):
    """Some computing, then a wait with a long tail around the given mean: a database, a disk."""
    sum(i * i for i in range(random.randint(loops // 2, loops * 2)))
    time.sleep(milliseconds / 1000 * random.lognormvariate(-0.18, 0.6))
