#include "engine/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace weft {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

class StderrLog final : public Logger {
 public:
  explicit StderrLog(LogLevel level)
      : log_("weft", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()) {
    log_.set_level(ToSpdlog(level));
    log_.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    log_.flush_on(spdlog::level::debug);
  }
  void Write(LogLevel level, std::string_view line) override {
    log_.log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }
  void SetLevel(LogLevel level) override { log_.set_level(ToSpdlog(level)); }

 private:
  spdlog::logger log_;
};

class NullLog final : public Logger {
 public:
  void Write(LogLevel, std::string_view) override {}
};

}  // namespace

std::unique_ptr<Logger> StderrLogger(LogLevel level) { return std::make_unique<StderrLog>(level); }
std::unique_ptr<Logger> NullLogger() { return std::make_unique<NullLog>(); }

}  // namespace weft
