#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/doctor_host.h"
#include "engine/cli/doctor_processes.h"
#include "engine/cli/doctor_store.h"
#if WEFT_HAVE_KAFKA
#include "engine/cli/doctor_kafka.h"
#endif
#include "engine/cli/json_writer.h"
#include "engine/cli/ledger.h"
#include "engine/cli/store_state.h"
#include "engine/cli/terminal.h"
#include "engine/plugin/loader.h"
#include "sources/ebpf/host_sockets.h"
#include "sources/ebpf/other_tracers.h"
#include "sources/ebpf/probe_report.h"
#include "sources/ebpf/process_metadata.h"

namespace weft::cli {
namespace {

using ebpf::Check;
using ebpf::CheckState;

std::string_view StateName(CheckState state) {
  switch (state) {
    case CheckState::kOk: return "ok";
    case CheckState::kWarn: return "warn";
    case CheckState::kFail: return "FAIL";
  }
  return "?";
}

// Opens every library in the folder, as a pipeline would.
std::vector<Check> CheckPlugins(const std::filesystem::path& folder) {
  plugin::PluginLoader loader(folder);
  std::vector<Check> checks;
  std::map<std::string, std::string> loaded;  // kind -> names
  for (const std::string& entry : loader.List()) {
    const size_t blank = entry.find(' ');
    const std::string kind = entry.substr(0, blank), name = entry.substr(blank + 1);
    for (const plugin::Kind k :
         {plugin::Kind::kCorrelator, plugin::Kind::kSampler, plugin::Kind::kExporter}) {
      if (plugin::KindName(k) != kind) continue;
      if (const auto result = loader.Load(k, name); !result)
        checks.push_back({"plugin " + name, CheckState::kFail, result.error().message,
                          "build it again with this version of weft, or remove the file"});
      else
        loaded[kind].append(loaded[kind].empty() ? "" : ", ").append(name);
    }
  }
  std::string detail = fmt::format("in {}", folder.string());
  for (const auto& [kind, names] : loaded) detail += fmt::format("; {}s: {}", kind, names);
  if (loaded.empty())
    checks.push_back({"plugins", CheckState::kFail, fmt::format("none in {}", folder.string()),
                      "name the folder: weft doctor --plugin-dir DIR"});
  else
    checks.insert(checks.begin(), {"plugins", CheckState::kOk, detail, ""});
  return checks;
}

class Doctor final : public Command {
 public:
  CommandInfo Info() const override {
    return {"doctor", "What works here, what does not, and the command that mends it",
            "Looks at the kernel, the privileges, other eBPF tracers, the plugins, the disk, the "
            "clock, the "
            "store\nwith its ledger and sinks, and at each process with sockets: traced, or why "
            "not. Changes "
            "nothing.\nExit code 0: nothing has failed, whatever it warns of; 3: this host does "
            "not let weft "
            "trace; 5: something\nelse has failed.",
            "weft doctor                     # this host, and ./weft.db if it is there\n"
            "weft doctor --db /var/lib/weft/weft.db\n"
            "weft doctor --config /etc/weft/weft.yaml # its store, and whom it leaves out\n"
            "weft doctor --kafka --config weft.yaml   # the cluster instead of this host\n"
            "weft doctor --json | jq .checks"};
  }
  void Declare(Options& options) override {
    options.Text("--db", &db_, "Store to look at (default: of --config, else weft.db)", "FILE");
    options.Text("--plugin-dir", &plugin_dir_, "Folder of the plugins", "DIR");
    options.Flag("--json", &json_, "Machine-readable output");
    options.Flag(
        "--kafka", &kafka_,
        "Look at the Kafka cluster instead: brokers, topics, groups and their lag, clocks");
#if WEFT_HAVE_KAFKA
    cluster_.Declare(options);
#else
    options.Text("--config", &config_file_, "Configuration file", "FILE");
#endif
  }

  Result<int> Run(CommandContext& context) override {
    if (kafka_) return RunKafka(context);
    const auto config = ReadConfig();
    if (!config) return std::unexpected(config.error());
    if (db_.empty()) db_ = config->store.path;
    if (plugin_dir_.empty()) plugin_dir_ = config->plugin_dir;
    std::vector<Check> checks = ebpf::ProbeHost();
    const bool usable = ebpf::Usable(checks);
    for (Check& check : ebpf::CheckOtherTracers()) checks.push_back(std::move(check));
    const auto plugins = CheckPlugins(plugin_dir_.empty() ? plugin::DefaultPluginFolder()
                                                          : std::filesystem::path(plugin_dir_));
    checks.insert(checks.end(), plugins.begin(), plugins.end());
    checks.push_back(CheckDisk(db_));
    const StoreState store = ReadStoreState(db_);
    checks.push_back(CheckStore(store, db_));
    const auto identities = LedgerIdentities(store.ledger);
    if (!store.ledger.empty()) checks.push_back(CheckLedger(store, context.clock.UnixNs()));
    for (Check& check : CheckSinks(store.ledger, store.run_ended))
      checks.push_back(std::move(check));
    checks.push_back(CheckClock(store, context.clock.UnixNs()));
    processes_ =
        JudgeProcesses(NamedProcesses(context.clock), *config, store, context.clock.UnixNs());

    const int code = usable ? CodeOf(checks) : kExitDenied;
    Print(checks, store, identities, code);
    return code;
  }

 private:
  static std::vector<ebpf::SocketProcess> NamedProcesses(const Clock& clock) {
    Metrics metrics;
    ebpf::ProcessMetadata names({}, clock, metrics);
    auto processes = ebpf::ReadHostSockets();
    for (ebpf::SocketProcess& process : processes)
      process.service = names.Get(process.pid).service_name;
    return processes;
  }

  Result<Config> ReadConfig() const {
#if WEFT_HAVE_KAFKA
    const std::string& file = cluster_.config_file();
#else
    const std::string& file = config_file_;
#endif
    return file.empty() ? Config() : LoadConfigFile(file);
  }

  Result<int> RunKafka([[maybe_unused]] CommandContext& context) {
#if WEFT_HAVE_KAFKA
    const auto config = cluster_.Load();
    if (!config) return std::unexpected(config.error());
    const std::vector<Check> checks = CheckKafka(*config, cluster_.Spelled(), context.clock);
    const int code = CodeOf(checks);
    Print(checks, {}, {}, code);
    return code;
#else
    return Fail(Code::kUnsupported,
                "this weft was built without Kafka: install librdkafka-dev and "
                "build again");
#endif
  }

  static int CodeOf(const std::vector<Check>& checks) {
    const bool well = std::none_of(checks.begin(), checks.end(), [](const Check& check) {
      return check.state == CheckState::kFail;
    });
    return well ? kExitOk : kExitUnhealthy;
  }

  void Print(const std::vector<Check>& checks, const StoreState& store,
             const std::vector<LedgerIdentity>& identities, int code) const {
    if (json_)
      PrintJson(checks, store, identities, code);
    else
      PrintText(checks, store, identities);
  }

  void PrintText(const std::vector<Check>& checks, const StoreState& store,
                 const std::vector<LedgerIdentity>& identities) const {
    fmt::print("weft {}\n\n", WEFT_VERSION);
    size_t width = 0;
    for (const Check& check : checks) width = std::max(width, check.name.size());
    const size_t indent = 2 + 4 + 2 + width + 2;
    for (const Check& check : checks) {
      fmt::print("  {:<4}  {:<{}}  {}\n", StateName(check.state), check.name, width,
                 Wrapped(check.detail, indent));
      if (check.state != CheckState::kOk && !check.remedy.empty())
        fmt::print("{:{}}-> {}\n", "", indent, Wrapped(check.remedy, indent + 3));
    }
    PrintProcesses();
    PrintUnread(store);
    PrintGaps(store.ledger);
    if (store.ledger.empty()) return;
    fmt::print("\nLedger of the newest run in the store:\n");
    for (const LedgerIdentity& identity : identities) {
      // The counters of a run that has not ended were not all read at the same moment.
      const char* const state = identity.Holds() ? "ok" : store.run_ended ? "FAIL" : "..";
      std::string right;
      for (const LedgerTerm& term : identity.right)
        right += fmt::format("{}{} {}", right.empty() ? "" : " + ", term.counter, term.value);
      fmt::print("  {:<4}  {} {} = {}{}\n", state, identity.left.counter, identity.left.value,
                 right,
                 identity.Holds() ? "" : fmt::format("  (difference {})", identity.Difference()));
    }
  }

  // Bytes of traced streams that nobody could read; see "What the probe sees" in ARCHITECTURE.md.
  static void PrintGaps(const Counters& counters) {
    uint64_t gaps = 0, contentless = 0;
    for (const auto& [name, value] : counters) {
      if (name == "agent.gap_bytes") gaps += value;
      if (name == "agent.contentless_bytes") contentless += value;
    }
    if (gaps > 0)
      fmt::print("\n{} bytes of traced streams are in no record: lost ones, splice or io_uring\n",
                 gaps);
    if (contentless > 0)
      fmt::print(
          "\n{} bytes were moved by calls whose content cannot be seen: sendfile, splice, "
          "io_uring\n",
          contentless);
  }

  // Those that are traced last: there is nothing to mend.
  void PrintProcesses() const {
    if (processes_.empty()) return;
    fmt::print("\nProcesses with sockets (as far as this user may look):\n");
    for (const Tracing tracing :
         {Tracing::kNotSeen, Tracing::kBytesOnly, Tracing::kLeftOut, Tracing::kTraced}) {
      // Many of whom the same is to be said have one line for it.
      std::map<std::string, std::vector<std::string>> who;
      std::vector<std::string> order;
      for (const ProcessVerdict& one : processes_) {
        if (one.tracing != tracing) continue;
        const std::string what = one.why + (one.remedy.empty() ? "" : " -> ") + one.remedy;
        if (who[what].empty()) order.push_back(what);
        who[what].push_back(fmt::format("{} (pid {}{}{})", one.name, one.pid,
                                        one.ports.empty() ? "" : ", port ", one.ports));
      }
      for (const std::string& what : order)
        fmt::print("  {:<10}  {}\n", TracingName(tracing),
                   Wrapped(fmt::format("{}: {}", fmt::join(who[what], ", "), what), 14));
    }
  }

  // What a terminal would break anywhere; a pipe gets one line for each.
  static std::string Wrapped(const std::string& text, size_t indent) {
    const OutputStyle style = Stdout();
    const auto width = static_cast<size_t>(style.width);
    return !style.piped && width > indent + 20 ? Wrap(text, width, indent) : text;
  }

  static void PrintUnread(const StoreState& store) {
    if (store.unread.empty()) return;
    fmt::print(
        "\nConnections in no protocol that weft reads (spans named tcp), and what they look "
        "like:\n");
    for (const UnreadTraffic& one : store.unread)
      fmt::print("  {:<10}  {} {} {}: {} spans, {}\n", one.guess.empty() ? "?" : one.guess,
                 one.service, one.server ? "<-" : "->", one.peer, one.spans, ShortSize(one.bytes));
  }

  void PrintJson(const std::vector<Check>& checks, const StoreState& store,
                 const std::vector<LedgerIdentity>& identities, int code) const {
    JsonWriter json;
    json.BeginObject();
    json.Field("version", WEFT_VERSION);
    json.Field("exit_code", code);
    json.BeginArray("checks");
    for (const Check& check : checks) {
      json.BeginObject();
      json.Field("name", check.name);
      json.Field("state", check.state == CheckState::kFail ? "fail" : StateName(check.state));
      json.Field("detail", check.detail);
      json.Field("remedy", check.remedy);
      json.End();
    }
    json.End();
    json.BeginArray("processes");
    for (const ProcessVerdict& one : processes_) {
      json.BeginObject();
      json.Field("pid", one.pid);
      json.Field("name", one.name);
      json.Field("ports", one.ports);
      json.Field("tracing", TracingName(one.tracing));
      json.Field("why", one.why);
      json.Field("remedy", one.remedy);
      json.End();
    }
    json.End();
    json.BeginArray("unread");
    for (const UnreadTraffic& one : store.unread) {
      json.BeginObject();
      json.Field("service", one.service);
      json.Field("kind", one.server ? "server" : "client");
      json.Field("peer", one.peer);
      json.Field("guess", one.guess);
      json.Field("spans", one.spans);
      json.Field("bytes", one.bytes);
      json.End();
    }
    json.End();
    json.BeginObject("counters");
    for (const auto& [name, value] : store.ledger) json.Field(name, value);
    json.End();
    json.BeginArray("identities");
    for (const LedgerIdentity& identity : identities) {
      json.BeginObject();
      json.Field("where", identity.where);
      json.Field("left", identity.left.counter);
      json.Field("difference", identity.Difference());
      json.Field("holds", identity.Holds());
      json.End();
    }
    json.End();
    json.End();
    std::fputs(json.text().c_str(), stdout);
  }

  std::string db_;
  std::string plugin_dir_;
  std::vector<ProcessVerdict> processes_;
  bool json_ = false;
  bool kafka_ = false;
#if WEFT_HAVE_KAFKA
  KafkaOption cluster_;
#else
  std::string config_file_;
#endif
};

}  // namespace

std::unique_ptr<Command> MakeDoctor() { return std::make_unique<Doctor>(); }

}  // namespace weft::cli
