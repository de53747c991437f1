// Config: everything that can be set, with its defaults; read from YAML, checked as a whole.
//
// The defaults are the member initialisers below. config_keys.cc has one line per key: where it
// lives, its range and what it means; the loader, `weft validate` and --print-defaults all work
// from that table. A file is refused with every mistake named: "file:line: key: what is wrong".
// Plain data, no ownership; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/result.h"

namespace weft {

// One stage of a chain: a plugin's name, and its configuration as JSON for its own schema.
struct PluginChoice {
  std::string name;
  std::string config_json = "{}";
  int line = 0;  // in the file, for messages; 0: a default or the command line
  // Of exporters only.
  std::string as = {};         // what it is called, where one plugin is there twice; "": its name
  uint64_t queue_bytes = 0;    // 0: the engine's default
  std::string when_full = {};  // "wait", "drop"; "": wait where nobody else waits behind it
  const std::string& label() const { return as.empty() ? name : as; }
  bool operator==(const PluginChoice& other) const {
    return name == other.name && config_json == other.config_json && as == other.as &&
           queue_bytes == other.queue_bytes && when_full == other.when_full;
  }
};

// Which processes and connections; an empty list says nothing.
struct EbpfSelection {
  std::vector<std::string> processes, cgroups;
  std::vector<int64_t> pids, ports;
};

struct EbpfSettings {
  bool enabled = true;
  EbpfSelection include, exclude;
  std::string hooks = "auto";
  uint64_t capture_bytes = 1024;
  uint64_t ring_bytes = 16 << 20;
  std::string tcp_option = "remote";
  std::vector<std::string> headers;
  std::vector<std::string> secret_names;
  std::vector<std::string> units;
  bool redis_arguments = false;
  bool tcp_spans = true;
  bool capture_truth = false;
  bool tokens = true;
  std::string token_salt;
  std::vector<std::string> token_exclude;
};

struct OtlpSettings {
  std::vector<std::string> topics;
  int64_t wait_ns = 10 * kSecond;
  std::string listen_grpc, listen_http;  // "": nobody is listened to
  uint64_t max_request_bytes = 16'000'000;
  bool from_file = false;  // no key: set by what replays a file of them
};

struct ZipkinSettings {
  std::string listen;
};

struct TransportSettings {
  std::string kind = "memory";
  uint64_t memory_bytes = 256'000'000;
};

// `${NAME}` in a text stands for an environment variable until ResolveKafkaSettings has been called
// (engine/transport/kafka_settings.h). The passwords are never more than such a name here.
struct KafkaSettings {
  std::vector<std::string> brokers;
  std::string group = "weft";
  std::string instance;
  std::string topic_prefix = "weft.";
  std::string security = "plaintext";
  std::string tls_ca, tls_certificate, tls_key, tls_key_password, tls_key_password_file;
  std::string sasl_mechanism = "PLAIN", sasl_username, sasl_password, sasl_password_file;
  std::map<std::string, std::string> librdkafka;
};

// Of an agent.
struct SpoolSettings {
  std::string path;  // "": none
  uint64_t max_bytes = 1'000'000'000;
};

struct EngineSettings {
  std::vector<std::string> stages{"stitch", "trace"};
};

struct StitchSettings {
  int64_t window_ns = 500 * kMillisecond;
  int64_t look_ahead_ns = 500 * kMillisecond;
  double min_confidence = 0.0;
  int64_t agent_silence_ns = 10 * kSecond;
};

struct TraceSettings {
  int64_t max_age_ns = 60 * kSecond;
  int64_t max_spans = 100'000;
  uint64_t max_bytes = 64'000'000;
};

struct MetricsSettings {
  std::string listen;  // "": nobody is listened to
  int64_t span_series = 5000;
};

struct RedactSettings {
  bool secrets = true;
  std::vector<std::string> values{"tokens", "cards"};
  std::vector<std::string> patterns, allow, deny, hash;
  std::string hash_key_file;
};

struct StoreSettings {
  std::string path = "weft.db";
  std::string group;  // "": nobody else may read it
  int64_t max_age_ns = 24 * 3600 * kSecond;
  uint64_t max_bytes = 5'000'000'000;
};

struct Config {
  std::string log_level = "warn";
  std::vector<std::string> networks{"127.0.0.0/8",    "10.0.0.0/8",    "172.16.0.0/12",
                                    "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
                                    "::1/128",        "fc00::/7",      "fe80::/10"};
  EbpfSettings ebpf;
  OtlpSettings otlp;
  ZipkinSettings zipkin;
  TransportSettings transport;
  KafkaSettings kafka;
  SpoolSettings spool;
  int64_t partitions = 4;
  EngineSettings engine;
  StitchSettings stitch;
  std::vector<PluginChoice> correlators{{"context"}, {"thread"}, {"token"}, {"delay"}};
  TraceSettings trace;
  std::vector<PluginChoice> samplers;
  RedactSettings redact;
  std::vector<PluginChoice> exporters{{"sqlite"}};
  std::string plugin_dir;  // "": beside the program, else where it was installed
  StoreSettings store;
  MetricsSettings metrics;
};

// `name` is what messages call the text. On failure the message has one line per mistake.
Result<Config> ParseConfig(std::string_view yaml, std::string_view name);
Result<Config> LoadConfigFile(const std::string& path);

// What no single key can be blamed for. Called by ParseConfig, and again by whoever changes a
// Config afterwards (command line options). One line per mistake.
Result<void> CheckConfig(const Config& config);

// The keys whose values differ, in the order of the table.
std::vector<std::string> ChangedKeys(const Config& before, const Config& after);

// Every key with its default, commented; ParseConfig reads it back as the default Config.
std::string PrintDefaultConfig();

}  // namespace weft
