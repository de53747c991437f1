#include "engine/base/units.h"

#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace weft {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// Largest first: Format takes the first that divides.
constexpr Unit kDurations[] = {{"d", 86400e9}, {"h", 3600e9}, {"m", 60e9}, {"s", 1e9},
                               {"ms", 1e6},    {"us", 1e3},   {"ns", 1}};
constexpr Unit kSizes[] = {
    {"TB", 1e12}, {"TiB", 1099511627776.0}, {"GB", 1e9}, {"GiB", 1073741824.0},
    {"MB", 1e6},  {"MiB", 1048576.0},       {"KB", 1e3}, {"KiB", 1024.0},
    {"B", 1}};

// 2^63: the first double that does not fit.
constexpr double kTooLarge = 9223372036854775808.0;

Result<double> Scaled(std::string_view text, const Unit* units, size_t n, double bare_factor,
                      std::string_view what, std::string_view example) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  const auto fail = [&](std::string_view why) {
    return Fail(Code::kInvalid,
                fmt::format("'{}' is not a {}: {} (for example {})", text, what, why, example));
  };
  if (error != std::errc() || !std::isfinite(number))
    return fail("it does not begin with a number");
  if (number < 0) return fail("it is negative");
  std::string_view name(rest, static_cast<size_t>(end - rest));
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  double factor = 0;
  if (name.empty()) factor = number == 0 ? 1 : bare_factor;
  for (size_t i = 0; i < n; ++i)
    if (units[i].name == name) factor = units[i].factor;
  if (factor == 0) return fail(name.empty() ? "the unit is missing" : "its unit is not known");
  const double value = std::round(number * factor);
  if (value >= kTooLarge) return fail("it is too large");
  return value;
}

std::string Exact(uint64_t value, const Unit* units, size_t n, std::string_view zero) {
  if (value == 0) return std::string(zero);
  for (size_t i = 0; i < n; ++i) {
    const auto factor = static_cast<uint64_t>(units[i].factor);
    if (value % factor == 0) return fmt::format("{}{}", value / factor, units[i].name);
  }
  return fmt::format("{}", value);
}

std::string Short(double value, std::string_view unit) {
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  if (digits.find('.') != std::string::npos) {
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
  }
  return digits.append(unit);
}

}  // namespace

Result<int64_t> ParseDuration(std::string_view text) {
  const auto ns = Scaled(text, kDurations, std::size(kDurations), 0, "duration", "50ms, 5m, 24h");
  if (!ns) return std::unexpected(ns.error());
  return static_cast<int64_t>(*ns);
}

Result<uint64_t> ParseSize(std::string_view text) {
  const auto bytes = Scaled(text, kSizes, std::size(kSizes), 1, "size", "64MB, 5GB, 512KiB");
  if (!bytes) return std::unexpected(bytes.error());
  return static_cast<uint64_t>(*bytes);
}

std::string FormatDuration(int64_t ns) {
  return Exact(static_cast<uint64_t>(ns), kDurations, std::size(kDurations), "0s");
}

std::string FormatSize(uint64_t bytes) { return Exact(bytes, kSizes, std::size(kSizes), "0B"); }

std::string ShortDuration(int64_t ns) {
  const auto v = static_cast<double>(ns);
  if (ns < 0) return "-" + ShortDuration(-ns);
  if (v < 1e3) return Short(v, "ns");
  if (v < 1e6) return Short(v / 1e3, "us");
  if (v < 1e9) return Short(v / 1e6, "ms");
  if (v < 120e9) return Short(v / 1e9, "s");
  if (v < 7200e9) return Short(v / 60e9, "m");
  return Short(v / 3600e9, "h");
}

std::string ShortSize(uint64_t bytes) {
  const auto v = static_cast<double>(bytes);
  if (v < 1e3) return Short(v, "B");
  if (v < 1e6) return Short(v / 1e3, "KB");
  if (v < 1e9) return Short(v / 1e6, "MB");
  if (v < 1e12) return Short(v / 1e9, "GB");
  return Short(v / 1e12, "TB");
}

}  // namespace weft
