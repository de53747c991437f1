#include "engine/base/config.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/config_keys.h"

namespace weft {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string Mistakes(std::string_view yaml) {
  const auto config = ParseConfig(yaml, "weft.yaml");
  return config ? "no mistake" : config.error().message;
}

TEST(Config, AnEmptyFileIsTheDefault) {
  for (const char* text : {"", "# nothing\n", "stitch:\n", "---\n"})
    EXPECT_TRUE(ParseConfig(text, "weft.yaml").has_value()) << text << Mistakes(text);
}

TEST(Config, ReadsEveryKindOfValue) {
  const auto config = ParseConfig(
      "sources: {ebpf: {capture_truth: true, include: {pids: [1, 2]}, headers: [a, b], "
      "capture_bytes: 512}}\n"
      "partitions: 8\n"
      "stitch: {window: 250ms, min_confidence: 0.25}\n"
      "samplers: [{name: head, config: {ratio: 0.1, label: '7', on: true, list: [1, x, null]}}]\n"
      "store: {path: /var/lib/weft.db}\n",
      "weft.yaml");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_TRUE(config->ebpf.capture_truth);
  EXPECT_EQ(config->ebpf.include.pids, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(config->ebpf.headers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->ebpf.capture_bytes, 512u);
  EXPECT_EQ(config->partitions, 8);
  EXPECT_EQ(config->stitch.window_ns, 250'000'000);
  EXPECT_DOUBLE_EQ(config->stitch.min_confidence, 0.25);
  EXPECT_EQ(config->store.path, "/var/lib/weft.db");
  ASSERT_EQ(config->samplers.size(), 1u);
  EXPECT_EQ(config->samplers[0].name, "head");
  EXPECT_EQ(config->samplers[0].config_json,
            R"({"ratio":0.1,"label":"7","on":true,"list":[1,"x",null]})");
}

TEST(Config, PrintedDefaultsReadBackAsTheDefault) {
  const std::string text = PrintDefaultConfig();
  const auto config = ParseConfig(text, "defaults.yaml");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_FALSE(key.doc.empty()) << key.path;
    EXPECT_THAT(text, HasSubstr(std::string(key.path.substr(key.path.rfind('.') + 1)) + ": "));
  }
  Config defaults;
  Config read = *config;
  for (const ConfigKey& key : ConfigKeys())
    std::visit([&](auto member) { EXPECT_TRUE(*member(read) == *member(defaults)) << key.path; },
               key.member);
}

TEST(Config, PrintedDefaultsFitTheScreen) {
  const std::string text = PrintDefaultConfig();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 110u) << text.substr(at, end - at);
    at = end + 1;
  }
}

TEST(Config, AnUnknownKeyNamesFileLineAndTheNearestKey) {
  EXPECT_EQ(Mistakes("store:\n  pth: x\n"),
            "weft.yaml:2: store.pth: unknown key; did you mean 'store.path'?");
  EXPECT_THAT(Mistakes("stich:\n  window: 1s\n"), HasSubstr("did you mean 'stitch'?"));
}

TEST(Config, AKeyInTheWrongSectionIsFoundElsewhere) {
  EXPECT_THAT(Mistakes("capture_bytes: 1KiB\n"), HasSubstr("'sources.ebpf.capture_bytes'"));
}

TEST(Config, WrongTypesSayWhatWasExpectedAndFound) {
  EXPECT_THAT(Mistakes("partitions: many\n"), HasSubstr("expected a whole number, found 'many'"));
  EXPECT_THAT(Mistakes("partitions: 4.5\n"), HasSubstr("expected a whole number"));
  EXPECT_THAT(Mistakes("partitions:\n"), HasSubstr("weft.yaml:1: partitions"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {capture_truth: yes}}\n"), HasSubstr("true or false"));
  EXPECT_THAT(Mistakes("store: {path: [a]}\n"), HasSubstr("expected text, found a list"));
  EXPECT_THAT(Mistakes("store: 5\n"), HasSubstr("expected a section"));
  EXPECT_THAT(Mistakes("stitch: {window: 500}\n"), HasSubstr("the unit is missing"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {include: {ports: 80}}}\n"), HasSubstr("expected a list"));
  EXPECT_THAT(Mistakes("- a\n- b\n"), HasSubstr("weft.yaml:1: expected a section"));
}

TEST(Config, ValuesOutsideTheirRangeAreRefused) {
  EXPECT_THAT(Mistakes("partitions: 0\n"), HasSubstr("0 is outside 1 to 256"));
  EXPECT_THAT(Mistakes("stitch: {window: 1ms}\n"), HasSubstr("1ms is outside 10ms to 1m"));
  EXPECT_THAT(Mistakes("stitch: {min_confidence: nan}\n"), HasSubstr("outside 0 to 1"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {include: {ports: [80, 70000]}}}\n"),
              HasSubstr("70000 is outside"));
  EXPECT_THAT(Mistakes("log: {level: loud}\n"), HasSubstr("not one of: debug info warn error"));
}

TEST(Config, ImpossibleCombinationsAreRefused) {
  EXPECT_THAT(Mistakes("exporters: []\n"), HasSubstr("traces would go nowhere"));
  EXPECT_THAT(Mistakes("correlators: [thread, thread]\n"), HasSubstr("'thread' is there twice"));
  EXPECT_THAT(Mistakes("correlators: [../x]\n"), HasSubstr("is not a plugin's name"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {include: {processes: [a]}, exclude: {processes: [a]}}}\n"),
              HasSubstr("a is in include.processes and in exclude.processes"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {ring_bytes: 3MiB}}\n"), HasSubstr("next: 4MiB"));
  EXPECT_THAT(Mistakes("sources: {ebpf: {include: {ports: [1]}, exclude: {ports: [2]}}}\n"),
              HasSubstr("both there"));
  EXPECT_THAT(Mistakes("exporters: [{name: sqlite, config: {path: x}}]\n"), HasSubstr("'store'"));
  EXPECT_THAT(Mistakes("networks: [10.0.0.0/33]\n"), HasSubstr("not a network"));
  EXPECT_THAT(Mistakes("networks: [localhost]\n"), HasSubstr("not a network"));
  EXPECT_THAT(Mistakes("trace: {max_age: 1s}\nstitch: {window: 2s}\n"), HasSubstr("would be cut"));
  EXPECT_THAT(Mistakes("transport: {memory_bytes: 1MB}\n"), HasSubstr("trace.max_bytes"));
  EXPECT_THAT(Mistakes("store: {path: ''}\n"), HasSubstr("the exporter sqlite needs it"));
}

TEST(Config, ExportersOfOneKindHaveNamesAndQueuesOfTheirOwn) {
  const auto config = ParseConfig(
      "exporters: [sqlite, otlp, {name: otlp, as: tempo, queue: 8MB, when_full: wait}]\n",
      "weft.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->exporters[1].label(), "otlp");
  EXPECT_EQ(config->exporters[2].label(), "tempo");
  EXPECT_EQ(config->exporters[2].queue_bytes, 8'000'000u);
  EXPECT_EQ(config->exporters[2].when_full, "wait");
  EXPECT_THAT(Mistakes("exporters: [otlp, otlp]\n"), HasSubstr("`as: NAME` tells them apart"));
  EXPECT_THAT(Mistakes("exporters: [{name: otlp, as: a b}]\n"), HasSubstr("'a b' is no name"));
  EXPECT_THAT(Mistakes("exporters: [{name: otlp, queue: 1KB}]\n"), HasSubstr("less than 100 KB"));
  EXPECT_THAT(Mistakes("exporters: [{name: otlp, when_full: stop}]\n"),
              HasSubstr("not one of: wait drop"));
  EXPECT_THAT(Mistakes("exporters: [{name: sqlite, as: store}]\n"), HasSubstr("no other name"));
  EXPECT_THAT(Mistakes("samplers: [{name: head, queue: 1MB}]\n"), HasSubstr("are of exporters"));
}

TEST(Config, ListenersHaveAddresses) {
  EXPECT_THAT(Mistakes("sources: {otlp: {listen_http: here}}\n"),
              HasSubstr("sources.otlp.listen_http: "));
  EXPECT_THAT(Mistakes("sources: {zipkin: {listen: '9411'}}\n"),
              HasSubstr("sources.zipkin.listen: "));
}

TEST(Config, AllMistakesAreNamedAtOnce) {
  EXPECT_THAT(Mistakes("partitions: 0\nstore:\n  max_age: soon\n  siez: 1\n"),
              AllOf(HasSubstr("weft.yaml:1: partitions"), HasSubstr("weft.yaml:3: store.max_age"),
                    HasSubstr("weft.yaml:4: store.siez")));
}

TEST(Config, AKeyThatIsThereTwiceIsRefused) {
  EXPECT_THAT(Mistakes("partitions: 1\npartitions: 2\n"),
              HasSubstr("weft.yaml:2: partitions: is there twice"));
}

TEST(Config, BrokenYamlNamesTheLine) {
  EXPECT_THAT(Mistakes("store:\n  path: [a\n"), AllOf(StartsWith("weft.yaml:"), HasSubstr("YAML")));
  EXPECT_THAT(Mistakes("partitions: 1\n---\npartitions: 2\n"), HasSubstr("a second document"));
}

TEST(Config, EndlessAliasesAreRefused) {
  EXPECT_THAT(Mistakes("samplers: [{name: x, config: &a {k: *a}}]\n"),
              HasSubstr("nested too deep"));
  std::string bomb = "samplers:\n- name: x\n  config:\n    k0: &k0 [aaaaaaaaaaaaaaaa]\n";
  for (int i = 1; i < 20; ++i)
    bomb += "    k" + std::to_string(i) + ": &k" + std::to_string(i) + " [*k" +
            std::to_string(i - 1) + ", *k" + std::to_string(i - 1) + "]\n";
  EXPECT_THAT(Mistakes(bomb), HasSubstr("larger than 64 KiB"));
}

TEST(Config, AMissingFileIsNamed) {
  const auto config = LoadConfigFile("no/such/weft.yaml");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, Code::kNotFound);
  EXPECT_THAT(config.error().message, HasSubstr("no/such/weft.yaml"));
}

TEST(Config, TheShippedExamplesAreRight) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto config = LoadConfigFile(entry.path());
    EXPECT_TRUE(config.has_value()) << config.error().message;
    ++files;
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace weft
