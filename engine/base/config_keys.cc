#include "engine/base/config_keys.h"

#include <utility>

namespace weft {
namespace {

using TextMap = std::map<std::string, std::string>;

constexpr double kMs = 1e6;
constexpr double kS = 1e9;
constexpr double kDay = 86400e9;

// clang-format off
#define MEMBER(type, expr) ConfigMember(static_cast<type* (*)(Config&)>([](Config& c) { return &c.expr; }))
#define BOOL(expr) MEMBER(bool, expr)
#define INT(expr) MEMBER(int64_t, expr)
#define NUMBER(expr) MEMBER(double, expr)
#define SIZE(expr) MEMBER(uint64_t, expr)
#define TEXT(expr) MEMBER(std::string, expr)
#define TEXTS(expr) MEMBER(std::vector<std::string>, expr)
#define INTS(expr) MEMBER(std::vector<int64_t>, expr)
#define TEXT_MAP(expr) MEMBER(TextMap, expr)
#define PLUGINS(expr) MEMBER(std::vector<PluginChoice>, expr)

const ConfigKey kKeys[] = {
  {"log.level", TEXT(log_level),
   "Lines at or above this level go to stderr.",
   0, 0, Unit::kNone, "debug info warn error"},

  {"networks", TEXTS(networks),
   "What is watched, as networks: the trace context of peers in them is believed. A peer outside\nis the edge: its requests begin traces of their own."},

  {"sources.ebpf.enabled", BOOL(ebpf.enabled),
   "Watch the sockets of the programs on this host."},
  {"sources.ebpf.include.processes", TEXTS(ebpf.include.processes),
   "Names: of the service, or of the executable without its folder."},
  {"sources.ebpf.include.pids", INTS(ebpf.include.pids),
   "Process ids.",
   1, 4194304},
  {"sources.ebpf.include.cgroups", TEXTS(ebpf.include.cgroups),
   "Part of the cgroup's path, such as nginx.service or the id of a container."},
  {"sources.ebpf.include.ports", INTS(ebpf.include.ports),
   "Ports, at either end of a connection.",
   1, 65535},
  {"sources.ebpf.exclude.processes", TEXTS(ebpf.exclude.processes),
   "As above."},
  {"sources.ebpf.exclude.pids", INTS(ebpf.exclude.pids),
   "As above.",
   1, 4194304},
  {"sources.ebpf.exclude.cgroups", TEXTS(ebpf.exclude.cgroups),
   "As above."},
  {"sources.ebpf.exclude.ports", INTS(ebpf.exclude.ports),
   "As above.",
   1, 65535},
  {"sources.ebpf.hooks", TEXT(ebpf.hooks),
   "Where the kernel programs listen: in the socket layer (kernel 6.16 and newer, the least cost)\nor at the system calls (5.10 and newer); auto takes the first that works.",
   0, 0, Unit::kNone, "auto socket syscalls"},
  {"sources.ebpf.capture_bytes", SIZE(ebpf.capture_bytes),
   "Of each send and receive, this many bytes are looked at.",
   64, 1024, Unit::kSize},
  {"sources.ebpf.ring_bytes", SIZE(ebpf.ring_bytes),
   "Kernel buffer between the probes and the agent; a power of two. What does not fit is counted\nas lost.",
   65536, 1073741824, Unit::kSize},
  {"sources.ebpf.tcp_option", TEXT(ebpf.tcp_option),
   "Which connections carry an id in a TCP option on their first segments, so that requests find\ntheir callers where a middlebox changes sequence numbers: to other hosts in `networks`\n(remote), all, or none.",
   0, 0, Unit::kNone, "off remote all"},
  {"sources.ebpf.units", TEXTS(ebpf.units),
   "Processes that answer one request together, such as php-fpm and its workers: each a part of\nthe cgroup's path, a service's name, or that of an executable. Those of one cgroup are linked\nas one process."},
  {"sources.ebpf.headers", TEXTS(ebpf.headers),
   "Further HTTP headers that become attributes (http.request.header.<name>)."},
  {"sources.ebpf.secret_names", TEXTS(ebpf.secret_names),
   "Further parameters of query strings whose values never leave the agent; password, token and\ntheir like never do."},
  {"sources.ebpf.redis_arguments", BOOL(ebpf.redis_arguments),
   "Show the arguments of Redis commands instead of a ?. Those of AUTH are never shown."},
  {"sources.ebpf.tokens.enabled", BOOL(ebpf.tokens),
   "Keep salted hashes of at most 8 values (ids, numbers, keys) of each request and of each\nresponse, never the values. Values of secrets are not hashed."},
  {"sources.ebpf.tokens.salt", TEXT(ebpf.token_salt),
   "Any text; a secret. The same on all agents that write to one engine. Empty: one that is new at\neach boot of the host."},
  {"sources.ebpf.tokens.exclude", TEXTS(ebpf.token_exclude),
   "Headers, parameters and JSON keys whose values are not hashed, beside sources.ebpf.secret_names."},
  {"sources.ebpf.tcp_spans", BOOL(ebpf.tcp_spans),
   "Connections in no protocol that weft reads, TLS too, become spans named tcp: addresses, bytes\nand time, never content."},
  {"sources.ebpf.capture_truth", BOOL(ebpf.capture_truth),
   "Keep the header X-Weft-Truth, for scoring with `weft eval`. No correlator, sampler or id\nsees it."},

  {"sources.otlp.topics", TEXTS(otlp.topics),
   "Kafka topics with spans that programs made themselves, as an OpenTelemetry Collector writes\nthem: encoding otlp_proto or otlp_json. `weft engine` reads them; they join by trace context."},
  {"sources.otlp.listen_grpc", TEXT(otlp.listen_grpc),
   "Address for OTLP by gRPC, such as 127.0.0.1:4317. Empty: none; `weft run --otlp` listens at the\nusual ports of this host. No password: let only those reach it who may write."},
  {"sources.otlp.listen_http", TEXT(otlp.listen_http),
   "The same by HTTP, POST /v1/traces in protobuf or JSON, such as 127.0.0.1:4318. A `weft agent`\nwrites what comes in to the first of the topics above."},
  {"sources.otlp.max_request", SIZE(otlp.max_request_bytes),
   "A larger request is refused, compressed or not.",
   1e4, 16e6, Unit::kSize},
  {"sources.otlp.wait", INT(otlp.wait_ns),
   "With any of these: how long a trace stays open after its root has ended, for spans that come\nlater. SDKs send every 5 s.",
   0, 600 * kS, Unit::kDuration},

  {"sources.zipkin.listen", TEXT(zipkin.listen),
   "Address for Zipkin's spans (JSON, v2), such as 127.0.0.1:9411; not of an agent. Empty: none."},

  {"transport.kind", TEXT(transport.kind),
   "In memory, sources and engine in one process; or through Kafka, any number of processes.",
   0, 0, Unit::kNone, "memory kafka"},
  {"transport.memory_bytes", SIZE(transport.memory_bytes),
   "Bytes on the way between sources and engine. When it is full the sources wait,\nthen drop and count.",
   1e6, 1e12, Unit::kSize},
  {"kafka.brokers", TEXTS(kafka.brokers),
   "Where the cluster is first asked, as host:port."},
  {"kafka.group", TEXT(kafka.group),
   "Engines of one group share the work; <group>-stitch and <group>-trace are the consumer groups."},
  {"kafka.instance", TEXT(kafka.instance),
   "Name of this process in the cluster, one of its own for each. Empty: host, process id and\nstart time."},
  {"kafka.topic_prefix", TEXT(kafka.topic_prefix),
   "What the names of the topics begin with: <prefix>events, links, spans, labels, decisions,\nstate, dead. `weft topics create` makes them."},
  {"kafka.security", TEXT(kafka.security),
   "How the brokers are spoken to: ssl is TLS, sasl asks for a password.\nOne of",
   0, 0, Unit::kNone, "plaintext ssl sasl_plaintext sasl_ssl"},
  {"kafka.tls.ca", TEXT(kafka.tls_ca),
   "PEM file of the authorities that may sign the brokers' certificates. Empty: the system's."},
  {"kafka.tls.certificate", TEXT(kafka.tls_certificate),
   "PEM file of this client's certificate, where the brokers ask for one."},
  {"kafka.tls.key", TEXT(kafka.tls_key),
   "PEM file of its private key."},
  {"kafka.tls.key_password_file", TEXT(kafka.tls_key_password_file),
   "File with the password of the private key."},
  {"kafka.tls.key_password", TEXT(kafka.tls_key_password),
   "The same from the environment: ${NAME}, nothing else."},
  {"kafka.sasl.mechanism", TEXT(kafka.sasl_mechanism),
   "SCRAM with Kafka 4 needs librdkafka 2.6.1 or newer (Debian 12 has 2.0.2). GSSAPI and\nOAUTHBEARER take their settings from kafka.librdkafka.\nOne of",
   0, 0, Unit::kNone, "PLAIN SCRAM-SHA-256 SCRAM-SHA-512 GSSAPI OAUTHBEARER"},
  {"kafka.sasl.username", TEXT(kafka.sasl_username),
   "Who asks."},
  {"kafka.sasl.password_file", TEXT(kafka.sasl_password_file),
   "File with the password; a line break at its end does not count."},
  {"kafka.sasl.password", TEXT(kafka.sasl_password),
   "The same from the environment: ${NAME}, nothing else."},
  {"kafka.librdkafka", TEXT_MAP(kafka.librdkafka),
   "Any other setting of librdkafka, such as {socket.keepalive.enable: true}. What weft answers for\nitself (offsets, transactions, groups) is refused."},

  {"spool.path", TEXT(spool.path),
   "Folder in which an agent keeps what Kafka has not acknowledged; it survives kill -9 and a restart.\nOne for each agent. Empty: none, what memory cannot hold is dropped, oldest first, and counted."},
  {"spool.max_bytes", SIZE(spool.max_bytes),
   "Of its files. When it is full the oldest records are dropped and counted.",
   1e6, 1e13, Unit::kSize},

  {"partitions", INT(partitions),
   "Parallel shards of each stage; the result does not depend on it.",
   1, 256},

  {"engine.stages", TEXTS(engine.stages),
   "What a `weft engine` does: stitch (links inside each process), trace (whole traces, to the\nexporters), or both. Each stage has a group of members of its own."},

  {"stitch.window", INT(stitch.window_ns),
   "Spans of a process are linked in slices of this length.",
   10 * kMs, 60 * kS, Unit::kDuration},
  {"stitch.look_ahead", INT(stitch.look_ahead_ns),
   "What comes this long after a slice may still speak for a link in it.",
   0, 60 * kS, Unit::kDuration},
  {"stitch.min_confidence", NUMBER(stitch.min_confidence),
   "A call whose best parent is less likely than this begins a trace of its own.",
   0, 1},
  {"stitch.agent_silence", INT(stitch.agent_silence_ns),
   "An agent that is silent for so long is lost: its open spans are ended, and marked.",
   1 * kS, 3600 * kS, Unit::kDuration},
  {"correlators", PLUGINS(correlators),
   "Who speaks for links inside a process, in this order; the engine weighs their voices.\nEach is a name, or {name: ..., config: {...}}."},

  {"trace.max_age", INT(trace.max_age_ns),
   "A trace that is still open after this long is closed as it is, and marked.",
   1 * kS, 3600 * kS, Unit::kDuration},
  {"trace.max_spans", INT(trace.max_spans),
   "A trace with more spans is closed as it is, and marked.",
   10, 1e8},
  {"trace.max_bytes", SIZE(trace.max_bytes),
   "A trace with more bytes is closed as it is, and marked.",
   1e5, 1e11, Unit::kSize},
  {"samplers", PLUGINS(samplers),
   "Who decides which traces are kept, in this order; the first that drops a trace drops it.\nNone: all are kept. Each is a name, or {name: ..., config: {...}}, such as\n{name: head, config: {ratio: 0.1}}."},
  {"redact.secrets", BOOL(redact.secrets),
   "Attributes that are secret by name (password, token, authorization, cookie and their like) and\nsuch parameters inside texts become REDACTED."},
  {"redact.values", TEXTS(redact.values),
   "What becomes REDACTED inside any text: tokens (JSON web tokens, keys of well-known providers,\ncredentials in URLs and headers, private keys), cards (payment cards, by their check digit), emails."},
  {"redact.patterns", TEXTS(redact.patterns),
   "Further regular expressions (RE2); what matches becomes REDACTED."},
  {"redact.allow", TEXTS(redact.allow),
   "Attributes that are kept, all others go; `http.*` stands for all that begin so. Empty: all."},
  {"redact.deny", TEXTS(redact.deny),
   "Attributes that go; wins over allow. Those of a span's events and links are not looked at by key:\nsecrets, values and patterns look into them."},
  {"redact.hash", TEXTS(redact.hash),
   "Attributes whose value becomes a keyed hash: equal values stay equal, such as enduser.id."},
  {"redact.hash_key_file", TEXT(redact.hash_key_file),
   "File with its key, 32 hex digits (openssl rand -hex 16), the same on all engines."},
  {"exporters", PLUGINS(exporters),
   "Where kept traces go. Each is a name, or {name: ..., config: {...}}. sqlite is the store below.\nEach has a queue (queue: 64MiB). When it is full all wait, or the oldest traces in it are dropped,\nfor this exporter alone, and counted (when_full: wait or drop). Without a word sqlite, jsonl and\nwho is alone wait, the others drop. `as: NAME` tells two of one kind apart."},
  {"plugin_dir", TEXT(plugin_dir),
   "Folder of the plugins. Empty: beside the program, else where it was installed."},

  {"store.path", TEXT(store.path),
   "The SQLite database of the sqlite exporter; each process writes one of its own. Filled in: {host};\n{slot}, the first number whose file no other process has; {instance}, which is kafka.instance, or\n{host}-{slot} without one. `weft sql --db 'weft-*.db'` and the rest read them as one."},
  {"store.group", TEXT(store.group),
   "Who is in this group may read the database, while it is written too. Empty: only its owner."},
  {"store.max_age", INT(store.max_age_ns),
   "Older traces are removed, and counted. 0 keeps them.",
   0, 3650 * kDay, Unit::kDuration},
  {"store.max_bytes", SIZE(store.max_bytes),
   "When the database is larger the oldest traces are removed, and counted.\n0: no limit.",
   0, 1e15, Unit::kSize},

  {"metrics.listen", TEXT(metrics.listen),
   "Address for Prometheus (/metrics), for supervisors (/healthz, /readyz) and for `weft top`, such\nas 127.0.0.1:9338, or :9338 for all addresses. Empty: none, because any port may be wanted by\na program that is traced. No password: let only those reach it who may see it."},
  {"metrics.span_series", INT(metrics.span_series),
   "With an address: requests, errors and durations of all traffic, sampled out or not, for each\noperation and each edge between services, under the names that Grafana reads\n(traces_spanmetrics_*, traces_service_graph_*). At most so many series, one more takes the rest.\n0: none.",
   0, 1e6},
};
// clang-format on

constexpr std::pair<std::string_view, std::string_view> kSections[] = {
    {"sources", "Where observations come from."},
    {"sources.ebpf",
     "The programs on this host, by their sockets (needs root; see `weft doctor`)."},
    {"sources.otlp", "Spans of programs that are instrumented; they join by trace context."},
    {"sources.zipkin", "The same from programs that report to Zipkin."},
    {"sources.ebpf.tokens",
     "What requests and the calls that they cause have in common, for the correlator `token`."},
    {"sources.ebpf.include", "Only what one of these names. All empty: every process."},
    {"sources.ebpf.exclude", "Never what one of these names; wins over include."},
    {"transport", "Between sources and engine."},
    {"kafka",
     "With transport.kind: kafka. ${NAME} in a value is the environment variable of that name."},
    {"spool", "What `weft agent` keeps on disk on its way to Kafka."},
    {"engine", "One member of the groups that share the work through Kafka."},
    {"stitch", "Stage 1: links inside each process."},
    {"trace", "Stage 2: whole traces."},
    {"redact", "What is hidden from every exporter, after the samplers have decided."},
    {"store", "What `weft run` keeps: whichever limit is reached first."},
    {"metrics", "What weft says about itself."},
};

}  // namespace

std::span<const ConfigKey> ConfigKeys() { return kKeys; }

std::string_view SectionDoc(std::string_view path) {
  for (const auto& [section, doc] : kSections)
    if (section == path) return doc;
  return {};
}

}  // namespace weft
