# The commands of weft; `make help` lists them. Everything is built by CMake (see CMakePresets.json).
PRESET ?= release
BUILD  := build/$(PRESET)

.PHONY: help deps configured build demo demo-kafka test test-kernels bench bench-sql bench-kafka bench-peers bench-cost accuracy chaos clean format tidy install deb

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

deps:
	@.ci/deps

configured: deps
	@[ -f $(BUILD)/build.ninja ] || cmake --preset $(PRESET)

build: configured  ## configure and build everything
	@cmake --build $(BUILD)

install: build  ## install into PREFIX=/usr/local (DESTDIR= for packagers)
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(or $(PREFIX),/usr/local)

deb: build  ## the Debian package, in build/
	@cmake/debian/build $(BUILD) build

demo: configured  ## trace a shop of live programs for 20 s and show what was found (HOOKS=syscalls, AT_ONCE=1,8,32,128)
	@cmake --build $(BUILD) --target product
	@tests/e2e/demo $(BUILD) $(HOOKS) $(addprefix --at-once=,$(AT_ONCE))

demo-kafka: configured  ## the same through a real Kafka: one agent, two engines
	@.ci/deps kafka
	@cmake --build $(BUILD) --target product
	@tests/e2e/demo_kafka $(BUILD) $(HOOKS) $(addprefix --at-once=,$(AT_ONCE))

test: deps  ## build and run all tests
	@.ci/deps kafka || echo "weft: the tests with a real Kafka will be skipped" >&2
	@[ -f build/dev/build.ninja ] || cmake --preset dev
	@cmake --build build/dev
	@ctest --test-dir build/dev --output-on-failure -j2; code=$$?; \
	  tests/skipped build/dev/Testing/Temporary/LastTest.log; exit $$code

accuracy: configured  ## how often parents are right on recordings ($WEFT_DATA): docs/accuracy.md
	@cmake --build $(BUILD) --target weft weft-correlator-delay told_truth
	@tests/accuracy/report $(BUILD) || [ $$? = 77 ]

chaos: configured  ## kill, cut off and fill what runs through Kafka, and compare (SEED=1 MINUTES=10 EVENTS=60 KINDS= CHAIN=)
	@.ci/deps kafka
	@cmake --build $(BUILD) --target product chaos-recording
	@tests/e2e/chaos/chaos.py $(BUILD) --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10) \
	  --events $(or $(EVENTS),60) --brokers $(or $(BROKERS),3) $(if $(KINDS),--kinds $(KINDS)) \
	  $(if $(CHAIN),--chain $(CHAIN))

test-kernels: deps  ## boot the kernels that the README claims in QEMU and trace there (5 minutes)
	@.ci/deps kernels
	@[ -f build/dev/build.ninja ] || cmake --preset dev
	@cmake --build build/dev --target product
	@tests/kernels/run build/dev

bench: configured  ## benchmarks: CSV in build/bench
	@cmake --build $(BUILD) --target benches
	@tests/bench/run $(BUILD)

bench-sql: configured  ## searches over 10 million stored spans while 50,000 a second are written; beside Jaeger (2 GB, 8 minutes)
	@cmake --build $(BUILD) --target product bench_sql bench_peers
	@mkdir -p build/bench && $(BUILD)/tests/bench/bench_sql $(SPANS) | tee build/bench/sql.csv
	@tests/bench/peers/run $(BUILD) --ways http --only search --spans $(or $(PEER_SPANS),1000000)

bench-kafka: configured  ## throughput, memory and delay behind a real Kafka (5 minutes)
	@.ci/deps kafka
	@cmake --build $(BUILD) --target product bench_kafka
	@tests/bench/kafka/run $(BUILD)

bench-peers: configured  ## beside a real Collector and a real Jaeger: spans per core, memory (SPANS=1000000, 15 minutes)
	@.ci/deps kafka
	@cmake --build $(BUILD) --target product bench_peers
	@tests/bench/peers/run $(BUILD) $(if $(SPANS),--spans $(SPANS))

bench-cost: configured  ## what tracing costs the traced programs (root, a quiet machine, half an hour)
	@cmake --build $(BUILD) --target bench_cost
	@tests/bench/cost/run $(BUILD)

format:  ## clang-format what is tracked
	@git ls-files '*.cc' '*.h' | grep -v ^bpf/ | xargs clang-format-14 -i

tidy: deps  ## clang-tidy over everything (slow)
	@cmake --preset fuzz >/dev/null && cmake --build build/fuzz --target weft_capnp
	@git ls-files 'engine/*.cc' 'sources/*.cc' 'plugins/*.cc' 'sinks/*.cc' 'sql/*.cc' | \
	  xargs -P2 -n8 clang-tidy-19 -p build/fuzz --quiet

clean:
	rm -rf build
