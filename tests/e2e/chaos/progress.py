"""How far what is stored is behind the recording, and when what was recorded until an event was over is stored."""
import contextlib
import sqlite3
import threading
import time

EVERY_SECONDS = 0.25
GIVEN_UP_SECONDS = 180  # a trace missing for so long is lost or another one: judge.py says which


class Progress:
    """A thread that looks at the stores while they are written. `stores()` gives their paths."""

    def __init__(self, alone, stores, begun):
        self._stores = stores
        self._begun = begun
        with contextlib.closing(sqlite3.connect(f"file:{alone}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT start_ns, start_ns + duration_ns, trace_id FROM trace_rows").fetchall()
        first = min(row[0] for row in rows)
        self._expected = sorted(((end - first) / 1e9, trace) for _, end, trace in rows)
        self._missing = {trace for _, trace in self._expected}
        self._next = 0
        self._newest = {}  # path -> row id
        self.samples = []  # (seconds since the begin, seconds behind)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join()

    @property
    def missing(self):
        """Traces that are not stored, of all."""
        return len(self._missing)

    def _watch(self):
        while not self._stopping.wait(EVERY_SECONDS):
            for path in self._stores():
                self._read(path)
            now = time.time() - self._begun
            while self._next < len(self._expected) and (
                    self._expected[self._next][1] not in self._missing or
                    now - self._expected[self._next][0] > GIVEN_UP_SECONDS):
                self._next += 1
            behind = now - self._expected[self._next][0] if self._next < len(self._expected) else 0
            self.samples.append((now, max(0.0, behind)))

    def _read(self, path):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(
                sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as connection:
            for row, trace in connection.execute("SELECT id, trace_id FROM trace_rows WHERE id > ?",
                                                 (self._newest.get(path, 0),)):
                self._missing.discard(trace)
                self._newest[path] = row

    def stored_until(self, moment, not_before=0.0):
        """When all that had been recorded at `moment` was stored; None: not before the end."""
        return next((at for at, behind in self.samples if at >= not_before and at - behind >= moment), None)

    def usual(self, begin, end):
        """How long what is recorded from begin to end takes to be stored, at most."""
        took = [at - moment for moment in range(int(begin), int(end))
                if (at := self.stored_until(moment, moment)) is not None]
        return max(took, default=0.0)

    def worst(self, begin, end):
        """The most seconds that it was behind then."""
        return max((behind for at, behind in self.samples if begin <= at < end), default=0.0)
