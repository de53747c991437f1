// `weft top`: what engines and agents do now.
#include <algorithm>
#include <cstdio>
#include <vector>

#include <fmt/format.h>

#include "engine/base/config.h"
#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/live_terminal.h"
#include "engine/cli/top_screen.h"
#include "engine/cli/top_watch.h"

namespace weft::cli {
namespace {

constexpr std::string_view kDefaultAddress = "127.0.0.1:9338";
constexpr size_t kMaxEndpoints = 100;

class Top final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "top", "What engines and agents do now: rates, lag, open traces, sinks, loss",
        "Asks each process for its metrics (`weft run --metrics 127.0.0.1:9338`, or metrics.listen "
        "in its\nconfiguration) and shows the figures of the last interval; q or Ctrl-C ends. One "
        "that does not\nanswer is shown as such until it does. Into a pipe goes one block per "
        "interval. With --once it ends\nafter the first: exit code 1 if one did not answer.",
        "weft top                                   # the weft of this host, 127.0.0.1:9338\n"
        "weft top agent-1:9338 engine-1:9338 engine-2:9338\n"
        "weft top --config weft.yaml --interval 5s\n"
        "weft top --once                            # two looks, one interval apart, as plain "
        "text"};
  }

  void Declare(Options& options) override {
    options.Positionals("address", &addresses_,
                        "HOST:PORT of metrics.listen; none: as configured, else 127.0.0.1:9338");
    options.Text("--config", &config_file_, "Configuration file that has metrics.listen", "FILE");
    options.Duration("--interval", &interval_ns_, "Between two looks, which rates are made of");
    options.Flag("--once", &once_, "One plain snapshot over one interval, then end");
  }

  Result<int> Run(CommandContext& context) override {
    if (interval_ns_ < 100 * kMillisecond || interval_ns_ > 3600 * kSecond)
      return Fail(Code::kInvalid, "--interval: from 100ms to 1h");
    const auto addresses = Addresses();
    if (!addresses) return std::unexpected(addresses.error());
    if (once_ || !LiveTerminal::Possible()) return Plain(*addresses, context.clock);
    return Live(*addresses, context.clock);
  }

 private:
  Result<std::vector<ListenAddress>> Addresses() const {
    std::vector<std::string> texts = addresses_;
    if (texts.empty() && !config_file_.empty()) {
      const auto config = LoadConfigFile(config_file_);
      if (!config) return std::unexpected(config.error());
      if (config->metrics.listen.empty())
        return Fail(Code::kInvalid,
                    fmt::format("{}: metrics.listen is not set, so whoever runs with it answers "
                                "nobody",
                                config_file_));
      texts.push_back(config->metrics.listen);
    }
    if (texts.empty()) texts.emplace_back(kDefaultAddress);
    if (texts.size() > kMaxEndpoints)
      return Fail(Code::kInvalid, fmt::format("more than {} addresses", kMaxEndpoints));
    std::vector<ListenAddress> out;
    for (const std::string& text : texts) {
      auto address = TopEndpoint::ParseAddress(text);
      if (!address) return std::unexpected(address.error());
      out.push_back(std::move(*address));
    }
    return out;
  }

  Result<int> Plain(const std::vector<ListenAddress>& addresses, const Clock& clock) const {
    TopWatch watch(addresses, interval_ns_, clock);
    for (uint64_t looks = 2;; ++looks) {
      watch.WaitForLooks(looks);
      const std::vector<TopView> views = watch.Views();
      const std::string title =
          fmt::format("{} UTC, the last {}", UtcTime(clock.UnixNs()), FormatDuration(interval_ns_));
      const std::string text = PlainText(TopLines(title, views, Stdout())) + (once_ ? "" : "\n");
      if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) return kExitFailure;
      if (!once_) continue;
      const bool all =
          std::ranges::all_of(views, [](const TopView& view) { return view.trouble.empty(); });
      return all ? kExitOk : kExitFailure;
    }
  }

  Result<int> Live(const std::vector<ListenAddress>& addresses, const Clock& clock) const {
    auto terminal = LiveTerminal::Open();
    if (!terminal) return std::unexpected(terminal.error());
    TopWatch watch(addresses, interval_ns_, clock);
    // Somebody is watching: what has come is shown soon, whoever else is still being asked.
    const int64_t redraw_ns = std::min(interval_ns_, 200 * kMillisecond);
    std::string shown;
    while (true) {
      const OutputStyle style = Stdout();
      const std::string title =
          fmt::format("weft top  {} UTC  every {}  q ends", UtcTime(clock.UnixNs()).substr(0, 19),
                      FormatDuration(interval_ns_));
      std::string frame =
          PaintFrame(TopLines(title, watch.Views(), style), style, LiveTerminal::Height());
      if (frame != shown) WEFT_TRY((*terminal)->Write(frame));
      shown = std::move(frame);
      const LiveTerminal::Event event = (*terminal)->Wait(redraw_ns);
      if (event == LiveTerminal::Event::kRedraw) shown.clear();
      if (event == LiveTerminal::Event::kEnd) break;
    }
    terminal->reset();  // before waiting for those that are being asked
    return kExitOk;
  }

  std::vector<std::string> addresses_;
  std::string config_file_;
  int64_t interval_ns_ = 2 * kSecond;
  bool once_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeTop() { return std::make_unique<Top>(); }

}  // namespace weft::cli
