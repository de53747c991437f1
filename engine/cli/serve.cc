// `weft serve`: the web page and the read APIs over stores.
#include <cstdlib>
#include <fstream>
#include <sqlite3.h>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/stop_signal.h"
#include "engine/cli/store_option.h"
#include "sql/serve/http_front.h"
#include "sql/serve/service.h"

namespace weft::cli {
namespace {

// What SQLite may take for all queries together: a query that sorts or collects without end fails.
constexpr int64_t kMaxQueryMemory = 1 << 30;
constexpr const char* kTokenVariable = "WEFT_SERVE_TOKEN";

class Serve final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "serve", "Show the traces in a browser, and to Jaeger's tools",
        "A page with search, waterfall, flame graph, service map, rates and SQL, and the read API "
        "of "
        "Jaeger, so that Grafana's Jaeger data source or a Jaeger UI shows weft's traces "
        "(docs/serve.md). Reads only, while weft writes; several files are shown as one. Listens "
        "on "
        "this host alone; any other address needs a token of at least 16 characters, from "
        "--token-file or the environment's WEFT_SERVE_TOKEN: the page is opened with ?token=... "
        "once, programs send `Authorization: Bearer ...`. Anyone with the token reads everything "
        "in "
        "the store; put a proxy with TLS before it where others can listen in.",
        "weft serve                                    # weft.db on http://127.0.0.1:16686\n"
        "weft serve 'weft-*.db' --listen 127.0.0.1:0   # the stores of a group, on a free port\n"
        "openssl rand -hex 16 > token && weft serve --listen :16686 --token-file token"};
  }

  void Declare(Options& options) override {
    options.Text("--listen", &listen_, "Where to listen; port 0 takes a free one", "HOST:PORT");
    options.Text("--token-file", &token_file_, "File whose first line is the token", "FILE");
    options.List("--host", &hosts_, "Names by which browsers may call this server without a token",
                 "NAME");
    options.Duration("--timeout", &timeout_ns_, "Time that one query may take");
    options.Int("--queries", &queries_, 1, 64, "Queries at once; more wait");
    options.Positionals("file", &stores_, "Databases or patterns; none: weft.db");
  }

  Result<int> Run(CommandContext& context) override {
    StopSignal stop;
    const auto address = ListenAddress::Parse(listen_);
    if (!address) return Fail(Code::kInvalid, "--listen: " + address.error().message);
    auto token = Token();
    if (!token) return std::unexpected(token.error());
    if (token->empty() && !serve::IsLoopback(*address))
      return Fail(Code::kInvalid,
                  fmt::format("--listen {}: others can reach this address, so it needs a token: "
                              "`openssl rand -hex 16 > token`, and --token-file token",
                              listen_));
    if (stores_.empty()) stores_ = kDefaultStore;
    sqlite3_hard_heap_limit64(kMaxQueryMemory);
    serve::ReaderPool pool({.names = stores_,
                            .readers = static_cast<size_t>(queries_),
                            .query_ns = timeout_ns_,
                            .note = [&](const std::string& note) { context.log.Warn(note); }},
                           context.clock);
    if (const auto stores = pool.Take(); !stores) return NoStore(stores.error());
    const serve::Service service(serve::Access({std::move(*token), hosts_}), pool, context.clock);
    const auto log = StderrLogger(LogLevel::kWarn);
    const auto front = serve::HttpFront::Start(
        *address, [&](const auto& request, uint16_t port) { return service.Refuse(request, port); },
        [&](const auto& request, uint16_t port) { return service.Answer(request, port); }, *log);
    if (!front) return std::unexpected(front.error());
    PrintNote(fmt::format("weft: http://{} shows {} (Ctrl-C ends)\n", (*front)->address().Text(),
                          fmt::join(stores_, ", ")));
    while (!stop.Wait(3600 * kSecond)) {
    }
    pool.Stop();
    return kExitOk;
  }

 private:
  Result<std::string> Token() const {
    std::string token;
    if (!token_file_.empty()) {
      std::ifstream file(token_file_);
      if (!std::getline(file, token))
        return Fail(Code::kNotFound,
                    fmt::format("--token-file {}: cannot read a line from it", token_file_));
    } else if (const char* const variable = std::getenv(kTokenVariable)) {
      token = variable;
    } else {
      return token;
    }
    if (const auto right = serve::CheckToken(token); !right)
      return Context(right.error(), token_file_.empty() ? kTokenVariable : token_file_);
    return token;
  }

  std::string listen_ = "127.0.0.1:16686", token_file_;
  StoreNames stores_;
  std::vector<std::string> hosts_;
  int64_t timeout_ns_ = 10 * kSecond, queries_ = 4;
};

}  // namespace

std::unique_ptr<Command> MakeServe() { return std::make_unique<Serve>(); }

}  // namespace weft::cli
