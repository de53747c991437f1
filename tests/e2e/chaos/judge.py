"""Compares what a disturbed run stored with what an undisturbed one did, span by span."""
import collections
import csv
import io
import subprocess

Row = collections.namedtuple("Row", "parent trace flags")
COLUMNS = "span_id, parent_id, trace_id, flags"
# Only these flags excuse another parent: a budget or a deadline was exceeded, and weft says so.
REASONS = {1 << 1: "LATE", 1 << 4: "AGENT_LOST", 1 << 5: "DEADLINE"}


def read_rows(build, db):
    """span id -> its rows; normally one each."""
    done = subprocess.run([build.weft, "sql", "--db", db, "--timeout", "10m", "--format", "csv",
                           f"SELECT {COLUMNS} FROM spans"], stdout=subprocess.PIPE, text=True, check=True)
    rows = collections.defaultdict(list)
    for span, parent, trace, flags in list(csv.reader(io.StringIO(done.stdout)))[1:]:
        rows[span].append(Row(parent, trace, int(flags)))
    return rows


class Verdict:
    """lost, duplicate, wrong: lists of span ids; late: reason -> span ids."""

    def __init__(self, expected, found):
        self.expected = expected
        self.found = found
        self.lost = sorted(set(expected) - set(found))
        self.duplicate = sorted(span for span, rows in found.items() if len(rows) > 1)
        self.wrong = sorted(set(found) - set(expected))  # a span that nobody made
        self.late = collections.defaultdict(list)
        for span in set(expected) & set(found):
            was, now = expected[span][0], found[span][0]
            if (was.parent, was.trace) == (now.parent, now.trace):
                continue
            reason = self._reason(span)
            if reason:
                self.late[reason].append(span)
            else:
                self.wrong.append(span)

    def _reason(self, span):
        """Of the span, or of one that it has its trace from: in either run's line of parents."""
        for rows in (self.found, self.expected):
            at, steps = span, 0
            while at in self.found and steps < 1000:
                for flag, reason in REASONS.items():
                    if self.found[at][0].flags & flag:
                        return reason
                at, steps = rows[at][0].parent if at in rows else "", steps + 1
        return None

    def describe(self, span):
        def one(rows):
            return " ".join(f"parent {r.parent or '-'} trace {r.trace} flags {r.flags:#x}" for r in rows) or "-"
        return f"{span}: undisturbed {one(self.expected.get(span, []))}; here {one(self.found.get(span, []))}"
