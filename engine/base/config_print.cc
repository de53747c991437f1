#include <fmt/format.h>

#include "engine/base/config.h"
#include "engine/base/config_keys.h"
#include "engine/base/units.h"

namespace weft {
namespace {

struct Printer {
  const ConfigKey& key;
  Config& config;

  std::string operator()(bool* (*member)(Config&)) const {
    return *member(config) ? "true" : "false";
  }
  std::string operator()(int64_t* (*member)(Config&)) const {
    return key.unit == Unit::kDuration ? FormatDuration(*member(config))
                                       : fmt::format("{}", *member(config));
  }
  std::string operator()(uint64_t* (*member)(Config&)) const { return FormatSize(*member(config)); }
  std::string operator()(double* (*member)(Config&)) const {
    return fmt::format("{}", *member(config));
  }
  std::string operator()(std::string* (*member)(Config&)) const {
    return member(config)->empty() ? "\"\"" : *member(config);
  }
  std::string operator()(std::vector<std::string>* (*member)(Config&)) const {
    return fmt::format("[{}]", fmt::join(*member(config), ", "));
  }
  std::string operator()(std::vector<int64_t>* (*member)(Config&)) const {
    return fmt::format("[{}]", fmt::join(*member(config), ", "));
  }
  std::string operator()(std::vector<PluginChoice>* (*member)(Config&)) const {
    std::string names;
    for (const PluginChoice& choice : *member(config))
      names.append(names.empty() ? "" : ", ").append(choice.name);
    return fmt::format("[{}]", names);
  }
  // Names only: some values are secrets.
  std::string operator()(std::map<std::string, std::string>* (*member)(Config&)) const {
    std::string names;
    for (const auto& entry : *member(config))
      names.append(names.empty() ? "" : ", ").append(entry.first).append(": ...");
    return fmt::format("{{{}}}", names);
  }
};

// " (50ms to 60s)", or the choices.
std::string Range(const ConfigKey& key) {
  if (!key.choices.empty()) return fmt::format(" ({})", key.choices);
  if (key.min == 0 && key.max == 0) return "";
  const auto spell = [&](double v) {
    if (key.unit == Unit::kDuration) return FormatDuration(static_cast<int64_t>(v));
    if (key.unit == Unit::kSize) return FormatSize(static_cast<uint64_t>(v));
    return fmt::format("{}", v);
  };
  return fmt::format(" ({} to {})", spell(key.min), spell(key.max));
}

// Breaks a list that is too long for a line behind its commas.
std::string Wrap(std::string text, size_t indent) {
  constexpr size_t kColumns = 98;
  size_t line = 0;  // where it begins
  for (size_t at = 0; text.size() - line > kColumns - indent;) {
    at = text.rfind(", ", line + kColumns - indent);
    if (at == text.npos || at <= line) break;
    text.replace(at + 1, 1, "\n" + std::string(indent, ' '));
    line = at + 2;
  }
  return text;
}

void Comment(std::string_view text, size_t depth, std::string& out) {
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.append(2 * depth, ' ').append("# ").append(text.substr(at, end - at)).append("\n");
    at = end + 1;
  }
}

}  // namespace

std::string PrintDefaultConfig() {
  std::string out =
      "# Configuration of weft: every key with its default. Check yours with `weft validate "
      "FILE`.\n";
  Config config;
  std::string open;  // the section that the last line was in
  for (const ConfigKey& key : ConfigKeys()) {
    // Open the sections of this key that the one before it did not share.
    size_t depth = 0;
    for (size_t dot = key.path.find('.'); dot != key.path.npos; dot = key.path.find('.', dot + 1)) {
      const std::string section(key.path.substr(0, dot));
      if (open != section && !open.starts_with(section + ".")) {
        if (depth == 0) out.push_back('\n');
        if (const auto doc = SectionDoc(section); !doc.empty()) Comment(doc, depth, out);
        out.append(2 * depth, ' ').append(section.substr(section.rfind('.') + 1)).append(":\n");
      }
      ++depth;
    }
    const size_t dot = key.path.rfind('.');
    open = dot == key.path.npos ? "" : std::string(key.path.substr(0, dot));
    if (depth == 0) out.push_back('\n');
    Comment(fmt::format("{}{}", key.doc, Range(key)), depth, out);
    const std::string name(key.path.substr(dot == key.path.npos ? 0 : dot + 1));
    const std::string value = std::visit(Printer{key, config}, key.member);
    out.append(2 * depth, ' ')
        .append(name)
        .append(": ")
        .append(Wrap(value, 2 * depth + name.size() + 3))
        .append("\n");
  }
  return out;
}

}  // namespace weft
