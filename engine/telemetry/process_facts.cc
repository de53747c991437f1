#include "engine/telemetry/process_facts.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace weft::telemetry {
namespace {

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Unix time at which the host was booted.
double BootSeconds() {
  const std::string text = ReadAll("/proc/stat");
  const size_t at = text.find("\nbtime ");
  return at == text.npos ? 0 : std::strtod(text.c_str() + at + 7, nullptr);
}

uint64_t OpenFiles() {
  std::error_code error;
  uint64_t n = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error))
    ++n;
  return n > 0 ? n - 1 : 0;  // one is the listing's own
}

}  // namespace

Result<ProcessFacts> ReadProcessFacts() {
  // proc(5): the name, in parentheses, may contain anything; fields are counted after it, from 3.
  const std::string stat = ReadAll("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return Fail(Code::kIo, "/proc/self/stat cannot be read");
  std::istringstream fields(stat.substr(name_end + 1));
  double values[25] = {};
  std::string state;
  fields >> state;
  for (int field = 4; field <= 24; ++field) fields >> values[field];
  if (fields.fail()) return Fail(Code::kIo, "/proc/self/stat: unknown format");

  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessFacts facts;
  facts.cpu_seconds = (values[14] + values[15]) / ticks;
  facts.threads = static_cast<uint64_t>(values[20]);
  facts.start_unix_seconds = BootSeconds() + values[22] / ticks;
  facts.virtual_bytes = static_cast<uint64_t>(values[23]);
  facts.resident_bytes =
      static_cast<uint64_t>(values[24]) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  facts.open_files = OpenFiles();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.max_files = limit.rlim_cur;
  return facts;
}

}  // namespace weft::telemetry
