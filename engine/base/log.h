// Logger: leveled text lines to one destination, passed in, never global.
//
// The engine and plugins write through this interface; the CLI decides where lines go (stderr by
// default, so that stdout stays clean for pipes). Any thread. Messages never carry payload bytes
// of the traced programs.
#pragma once

#include <memory>
#include <string_view>

namespace weft {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3 };

class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Write(LogLevel level, std::string_view line) = 0;
  // Lines below it are left out from now on.
  virtual void SetLevel(LogLevel) {}

  void Debug(std::string_view line) { Write(LogLevel::kDebug, line); }
  void Info(std::string_view line) { Write(LogLevel::kInfo, line); }
  void Warn(std::string_view line) { Write(LogLevel::kWarn, line); }
  void Error(std::string_view line) { Write(LogLevel::kError, line); }
};

// Lines at or above `level` to stderr with a UTC timestamp.
std::unique_ptr<Logger> StderrLogger(LogLevel level);
// Swallows everything.
std::unique_ptr<Logger> NullLogger();

}  // namespace weft
