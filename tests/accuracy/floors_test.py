"""Correlators on recordings of others, through `weft eval`, against floors well below the figures
seen, so that only a real loss fails. Exit code 77: the data is absent.

  floors_test.py BUILD_DIR
"""
import json
import os
import subprocess
import sys

CHAIN = "context,thread,token,delay"
# Lowest share of calls right and of traces exact.
FLOORS = {"hotel_load150": (0.98, 0.96), "online_boutique": (0.96, 0.90)}


def main():
    folder = os.path.join(os.environ.get("WEFT_DATA", ""), "correlation")
    if not os.path.isdir(folder):
        print("SKIPPED: no recordings; set WEFT_DATA to a folder with correlation/*.csv.gz")
        return 77
    files = [os.path.join(folder, name + ".csv.gz") for name in FLOORS]
    command = [os.path.join(sys.argv[1], "engine/cli/weft"), "eval", *files, "--correlators", CHAIN, "--json"]
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    seen = {r["file"]: r for r in rows if r["correlator"] == CHAIN.replace(",", "+")}
    assert seen.keys() == FLOORS.keys(), sorted(seen)
    for name, (spans, traces) in FLOORS.items():
        row = seen[name]
        print(f"{name}: calls {row['span_accuracy']:.4f} (>= {spans}), traces {row['trace_exact']:.4f} (>= {traces})")
        assert row["span_accuracy"] >= spans and row["trace_exact"] >= traces, f"{name}: below its floor"
    return 0


if __name__ == "__main__":
    sys.exit(main())
