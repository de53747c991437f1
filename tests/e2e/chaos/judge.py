"""Compares what a disturbed run stored with what an undisturbed one did, span by span.

Wrong is a span with another parent or trace, and one that nobody made. Late is one of those of which weft
itself says, in the span's own row, that a deadline was exceeded; and what hangs below a late span by the same
parent as undisturbed, because it has its trace from there.
"""
import collections
import contextlib
import csv
import glob
import io
import os
import sqlite3
import subprocess

Row = collections.namedtuple("Row", "parent trace flags start service operation kind evidence")
COLUMNS = "span_id, parent_id, trace_id, flags, start_ns, service, operation, kind, evidence"
REASONS = {1 << 1: "LATE", 1 << 4: "AGENT_LOST", 1 << 5: "DEADLINE"}
SHOWN = 8


def judge(build, alone, stores, events):
    """`events`: (text, when, seconds that it took), to name the one before what is wrong."""
    found = read_rows(build, stores)
    files = {"undisturbed": alone}
    for path in sorted(glob.glob(stores)):
        files[f"engine {os.path.basename(os.path.dirname(path)).removeprefix('disk-')}"] = path
    return Verdict(read_rows(build, alone), found, events, files)


def read_rows(build, db):
    """span id -> its rows; normally one each."""
    done = subprocess.run([build.weft, "sql", "--db", db, "--timeout", "10m", "--format", "csv",
                           f"SELECT {COLUMNS} FROM spans"], stdout=subprocess.PIPE, text=True, check=True)
    rows = collections.defaultdict(list)
    for span, parent, trace, flags, start, *rest in list(csv.reader(io.StringIO(done.stdout)))[1:]:
        rows[span].append(Row(parent, trace, int(flags), int(start), *rest))
    return rows


class Verdict:
    """lost, duplicate, wrong: numbers of spans; lines: what to know about them."""

    def __init__(self, expected, found, events, stores):
        self._expected, self._found = expected, found
        self._events, self._stores = events, stores
        self._first_start = min(rows[0].start for rows in expected.values())
        lost = sorted(set(expected) - set(found))
        duplicate = sorted(span for span, rows in found.items() if len(rows) > 1)
        other = {span for span in set(expected) & set(found)
                 if (expected[span][0].parent, expected[span][0].trace) !=
                 (found[span][0].parent, found[span][0].trace)}
        late = collections.defaultdict(list)
        wrong = sorted(set(found) - set(expected))  # a span that nobody made
        for span in sorted(other):
            reason = self._reason(span, other)
            late[reason].append(span) if reason else wrong.append(span)
        self.lost, self.duplicate, self.wrong = len(lost), len(duplicate), len(wrong)
        self.lines = []
        for reason, spans in sorted(late.items()):
            self._show(f"late ({reason})", spans)
        self._show("lost", lost)
        self._show("duplicate", duplicate)
        wrong_set = set(wrong)
        origins = [span for span in wrong if self._is_origin(span, wrong_set)]
        self._show("wrong", origins)
        if len(wrong) > len(origins):
            self.lines.append(f"wrong {len(wrong) - len(origins)}: below those, in their trace")

    def _is_origin(self, span, wrong):
        if span not in self._expected:
            return True
        was, now = self._expected[span][0], self._found[span][0]
        return was.parent != now.parent or now.parent not in wrong

    def _reason(self, span, other):
        """Why it is late, None: it is not. Its own reason, or that of the one it has its trace from."""
        for _ in range(1000):
            was, now = self._expected[span][0], self._found[span][0]
            for flag, reason in REASONS.items():
                if now.flags & flag and not was.flags & flag:
                    return reason
            if now.parent != was.parent or now.parent not in other:
                return None
            span = now.parent
        return None

    def _show(self, what, spans):
        if spans:
            spans = sorted(spans, key=lambda span: self._any(span).start)
            self.lines.append(f"{what} {len(spans)}, {self._when(spans[0]):.1f} to {self._when(spans[-1]):.1f} s, "
                              "the first of them:")
            self.lines += [f"  {self._describe(span)}" for span in spans[:SHOWN]]

    def _any(self, span):
        return (self._expected.get(span) or self._found[span])[0]

    def _when(self, span):
        return (self._any(span).start - self._first_start) / 1e9

    def _describe(self, span):
        row = self._any(span)
        before = [text for text, when, _ in self._events if when <= self._when(span) + 2]
        return (f"{span} {row.kind} {row.service} {row.operation} at {self._when(span):.2f} s, after "
                f"'{before[-1] if before else 'the begin'}'\n"
                f"    undisturbed {self._rows(self._expected, span)}\n    here        {self._rows(self._found, span)}"
                + "".join(f"\n    {line}" for line in self._weighed(span)))

    def _rows(self, of, span):
        return "; ".join(
            f"parent {row.parent or '-'} ({self._name(of, row.parent)}) trace {row.trace[:8]} flags {row.flags:#x} "
            f"evidence {row.evidence}" for row in of.get(span, [])) or "nothing"

    def _weighed(self, span):
        """Who stored the span, and what was weighed for its parent there."""
        number = int(span, 16)
        for name, path in self._stores.items():
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                for confidence, candidates in connection.execute(
                        "SELECT confidence, candidates FROM span_rows LEFT JOIN candidate_rows ON span = id"
                        " WHERE span_id = ?", (number - (1 << 64) if number >> 63 else number,)):
                    yield f"{name}: confidence {confidence / 1000}, weighed {candidates or 'nothing'}"

    @staticmethod
    def _name(of, span):
        return f"{of[span][0].service} {of[span][0].operation}" if span in of else "none"
