#include "tests/accuracy/recording.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

namespace weft::accuracy {
namespace {

Result<std::string> ReadAll(const std::string& path) {
  if (!std::filesystem::exists(path)) return Fail(Code::kNotFound, path + ": no such file");
  const std::string command = fmt::format("gzip -dcf -- '{}'", path);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (pipe == nullptr) return Fail(Code::kIo, "cannot run gzip");
  std::string text;
  std::array<char, 65536> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe.get()))
    text.append(buffer.data(), n);
  return text;
}

class Names {
 public:
  uint32_t Of(std::string_view name) {
    const auto [found, added] = ids_.try_emplace(std::string(name), ids_.size());
    return static_cast<uint32_t>(found->second);
  }
  std::vector<std::string> List() const {
    std::vector<std::string> list(ids_.size());
    for (const auto& [name, id] : ids_) list[id] = name;
    return list;
  }
  size_t size() const { return ids_.size(); }

 private:
  std::unordered_map<std::string, size_t> ids_;
};

bool Split(std::string_view line, std::array<std::string_view, 9>& field) {
  for (size_t i = 0; i < field.size(); ++i) {
    const size_t comma = i + 1 < field.size() ? line.find(',') : line.size();
    if (comma == std::string_view::npos) return false;
    field[i] = line.substr(0, comma);
    line.remove_prefix(std::min(comma + 1, line.size()));
  }
  return true;
}

bool Number(std::string_view text, int64_t& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

}  // namespace

Result<Recording> ReadRecording(const std::string& path) {
  auto text = ReadAll(path);
  if (!text) return std::unexpected(std::move(text.error()));
  Recording out;
  out.name = std::filesystem::path(path).filename().string();
  out.name = out.name.substr(0, out.name.find('.'));
  Names names, traces;
  std::unordered_map<std::string, int32_t> by_id;
  std::vector<std::string> parents;
  size_t line_number = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (++line_number == 1 || line.empty()) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::array<std::string_view, 9> field;
    int64_t start = 0, duration = 0;
    if (!Split(line, field) || !Number(field[7], start) || !Number(field[8], duration))
      return Fail(Code::kInvalid, fmt::format("{}:{}: not a span", path, line_number));
    by_id[std::string(field[0])] = static_cast<int32_t>(out.spans.size());
    parents.emplace_back(field[1]);
    Span span;
    span.trace = traces.Of(field[2]);
    span.service = names.Of(field[3]);
    span.peer = names.Of(field[5]);
    span.operation = names.Of(field[6]);
    span.client = field[4] == "client";
    span.start_ns = start * 1000;
    span.end_ns = (start + duration) * 1000;
    out.spans.push_back(span);
  }
  for (size_t i = 0; i < out.spans.size(); ++i) {
    const auto found = by_id.find(parents[i]);
    if (out.spans[i].client && found != by_id.end()) out.spans[i].parent = found->second;
  }
  out.names = names.List();
  out.traces = static_cast<uint32_t>(traces.size());
  return out;
}

void Compress(Recording& recording, double factor) {
  std::vector<int64_t> begin(recording.traces, INT64_MAX);
  int64_t first = INT64_MAX;
  for (const Span& s : recording.spans) {
    begin[s.trace] = std::min(begin[s.trace], s.start_ns);
    first = std::min(first, s.start_ns);
  }
  for (Span& s : recording.spans) {
    const auto pulled = static_cast<int64_t>(static_cast<double>(begin[s.trace] - first) / factor);
    const int64_t shift = first + pulled / 1000 * 1000 - begin[s.trace];
    s.start_ns += shift;
    s.end_ns += shift;
  }
}

}  // namespace weft::accuracy
