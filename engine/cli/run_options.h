// RunOptions: the options that run, record and replay share, laid over a configuration file.
//
// An option that is given wins over the file; the whole is checked again afterwards. One command
// owns one; the members live as long as the parse needs them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/config.h"
#include "engine/cli/command.h"

namespace weft::cli {

class RunOptions {
 public:
  // --config.
  void DeclareConfig(Options& options);
  // Which sockets: --include-process and so on.
  void DeclareSource(Options& options);
  // What becomes of them: --db, --correlators and so on.
  void DeclareEngine(Options& options);
  // The first of those that was given, for commands to which it means nothing; "" for none.
  std::string_view EngineOptionGiven() const;
  // Of that, who speaks for links: --correlators, --plugin-dir.
  void DeclareChain(Options& options);

  // Where the cluster is: --brokers, --group. Given, transport.kind is kafka.
  void DeclareKafka(Options& options);
  // --stages.
  void DeclareStages(Options& options);
  // Who may report spans of his own: --otlp; --zipkin, which no agent takes.
  void DeclareOtlp(Options& options);
  void DeclareZipkin(Options& options);
  // Who may look at the process: --metrics.
  void DeclareMetrics(Options& options);

  bool has_file() const { return !config_file_.empty(); }
  // The file (or the defaults) with the options on top. Errors name the file or the option.
  Result<Config> Load() const;

 private:
  std::string config_file_, db_, plugin_dir_, hooks_, metrics_, group_;
  std::vector<std::string> include_, exclude_, correlators_, brokers_, stages_;
  std::vector<int64_t> pids_, ports_;
  int64_t partitions_ = 0;
  bool capture_truth_ = false, otlp_ = false, zipkin_ = false;
};

}  // namespace weft::cli
