#!/usr/bin/env python3
"""`weft doctor` beside a run: each process of the shop, the sinks, another tracer."""
import json
import os
import subprocess
import sys
import tempfile

from e2e import Build, WeftRun, WithShop, bpf_problem, main, run_load, skip, wait_for

BUILD = Build(sys.argv[1])


def traced(told, name):
    return [p for p in told["processes"] if p["tracing"] == "traced" and p["name"] == name]


def doctor_when_traced(config, name):
    done = subprocess.run([BUILD.weft, "doctor", "--config", config, "--json"], stdout=subprocess.PIPE, check=False)
    told = json.loads(done.stdout)
    return told if traced(told, name) else None


class DoctorTest(WithShop):
    build = BUILD

    def test_says_of_each_process_whether_it_is_traced(self):
        with tempfile.TemporaryDirectory() as folder:
            db, config = os.path.join(folder, "weft.db"), os.path.join(folder, "weft.yaml")
            with open(config, "w", encoding="utf-8") as file:
                file.write("sources: {ebpf: {exclude: {processes: [shop-load, redis-server]}}}\n"
                           f"store: {{path: {db}}}\n")
            with WeftRun(BUILD, "--config", config, log=os.path.join(folder, "log")) as weft:
                weft.wait_until_tracing()
                run_load(BUILD, self.shop.port, "--concurrency", 4, "--count", 200, "--no-truth")
                told = wait_for(lambda: doctor_when_traced(config, "nginx"), "nginx among the traced")
                front = traced(told, "nginx")
                self.assertRegex(front[0]["why"], r"\d+ spans of nginx")
                redis = [p for p in told["processes"] if p["name"] == "redis-server" and p["tracing"] == "left out"]
                self.assertTrue(redis, told["processes"])
                self.assertIn("sources.ebpf.exclude.processes", redis[0]["why"])
                checks = {check["name"]: check for check in told["checks"]}
                self.assertIn("spans stored", checks["sink sqlite"]["detail"])
                self.assertIn("bpffs", checks)
                self.assertIn("clock", checks)
                # The run is a tracer beside whoever asks.
                others = [c for c in told["checks"] if c["name"] == "other eBPF" and f"pid {weft.pid}" in c["detail"]]
                self.assertEqual(others[0]["state"], "warn")
                self.assertEqual(others[0]["remedy"], f"kill {weft.pid}")
                self.assertEqual(weft.stop(), 0, weft.output())


if __name__ == "__main__":
    if problem := bpf_problem(BUILD):
        skip(problem, needs="bpf")
    main()
