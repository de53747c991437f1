"""Judges a database of weft against the shop's truth, independently of `weft eval`.

A span carries the value V of its X-Weft-Truth. A service that got V makes calls V.1, V.2, ...; a
proxy passes V on. So the right parent of a SERVER span with V is the CLIENT span with V of another
process, and the right parent of a CLIENT span with V.k (or, in a proxy, V) is the SERVER span with V
of its own process.
"""
import collections
import json
import sqlite3

KEY = "weft.truth"

Span = collections.namedtuple("Span", "trace_id span_id parent_id kind process start end truth")


def read_spans(db):
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT trace_id, span_id, parent_id, kind, pid, start_ns, end_ns, attributes FROM spans")
        return [Span(*row[:7], json.loads(row[7] or "{}").get(KEY, "")) for row in rows]


def root_number(truth):
    return int(truth.split(".")[0][1:])


def true_parents(spans):
    """span id -> id of its right parent ('' for a root), for all spans that carry truth."""
    servers, clients = {}, collections.defaultdict(list)
    for span in spans:
        if span.truth and span.kind == "SERVER":
            servers[span.process, span.truth] = span.span_id
        elif span.truth:
            clients[span.truth].append(span)
    result = {}
    for span in spans:
        if not span.truth:
            continue
        if span.kind == "SERVER":
            callers = [c.span_id for c in clients[span.truth] if c.process != span.process]
            result[span.span_id] = callers[0] if callers else ""
        else:
            result[span.span_id] = (servers.get((span.process, span.truth.rpartition(".")[0])) or
                                    servers.get((span.process, span.truth), ""))
    return result


def ambiguous(spans):
    """Ids of the CLIENT spans that began while two or more SERVER spans of their process were open."""
    result = set()
    by_process = collections.defaultdict(list)
    for span in spans:
        by_process[span.process].append(span)
    for members in by_process.values():
        events = sorted((moment, order, span.span_id) for span in members
                        for moment, order in (((span.start, 0), (span.end or span.start, 2))
                                              if span.kind == "SERVER" else ((span.start, 1),)))
        open_servers = 0
        for _, order, span_id in events:
            open_servers += (1, 0, -1)[order]
            if order == 1 and open_servers >= 2:
                result.add(span_id)
    return result


def ratio(right, total):
    return right / total if total else 1.0


def judge(db, first=0, last=10**18):
    """The scores of `weft eval` for the roots r<first> to r<last>."""
    spans = read_spans(db)
    parents, hard = true_parents(spans), ambiguous(spans)
    chosen = [s for s in spans if s.truth and first <= root_number(s.truth) <= last]
    right = {s.span_id: s.parent_id == parents[s.span_id] for s in chosen}
    clients = [s for s in chosen if s.kind == "CLIENT"]
    crossing = [s for s in chosen if s.kind == "SERVER" and parents[s.span_id]]
    spans_of, traces_of, roots_in = (collections.defaultdict(list), collections.defaultdict(set),
                                     collections.defaultdict(set))
    for span in spans:
        roots_in[span.trace_id].add(span.truth and root_number(span.truth))
    for span in chosen:
        root = root_number(span.truth)
        spans_of[root].append(span)
        traces_of[root].add(span.trace_id)
    exact = sum(len(traces_of[root]) == 1 and roots_in[next(iter(traces_of[root]))] == {root} and
                all(right[s.span_id] for s in members) for root, members in spans_of.items())
    hard_clients = [s for s in clients if s.span_id in hard]
    return {
        "traces": len({s.trace_id for s in chosen}), "spans": len(chosen), "roots": len(spans_of),
        "trace_exact": ratio(exact, len(spans_of)),
        "span_accuracy": ratio(sum(right[s.span_id] for s in clients), len(clients)),
        "ambiguous_accuracy": ratio(sum(right[s.span_id] for s in hard_clients), len(hard_clients)),
        "cross_process_accuracy": ratio(sum(right[s.span_id] for s in crossing), len(crossing)),
    }
