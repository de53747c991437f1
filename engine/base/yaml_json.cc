#include "engine/base/yaml_json.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace weft {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kMaxBytes = 64 << 10;

void AppendQuoted(const std::string& text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

// A number of JSON's grammar: YAML's other spellings (0x10, .5, +1, .inf) stay text.
bool IsJsonNumber(const std::string& text) {
  const size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  if (first >= text.size() || text[first] < '0' || text[first] > '9') return false;
  if (text[first] == '0' && first + 1 < text.size() && text[first + 1] >= '0' &&
      text[first + 1] <= '9')
    return false;
  if (text.back() == '.' || text.find(".e") != std::string::npos ||
      text.find(".E") != std::string::npos)
    return false;
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && rest == text.data() + text.size() && std::isfinite(value);
}

void AppendScalar(const YAML::Node& node, std::string& out) {
  const std::string& text = node.Scalar();
  const bool quoted = node.Tag() == "!";
  if (!quoted && (text == "true" || text == "false" || IsJsonNumber(text)))
    out += text;
  else
    AppendQuoted(text, out);
}

Result<void> Append(const YAML::Node& node, int depth, std::string& out) {
  if (depth > kMaxDepth) return Fail(Code::kInvalid, "nested too deeply");
  if (out.size() > kMaxBytes) return Fail(Code::kInvalid, "larger than 64 KiB");
  if (node.IsScalar()) {
    AppendScalar(node, out);
  } else if (node.IsSequence()) {
    out.push_back('[');
    for (const YAML::Node& item : node) {
      if (out.back() != '[') out.push_back(',');
      WEFT_TRY(Append(item, depth + 1, out));
    }
    out.push_back(']');
  } else if (node.IsMap()) {
    out.push_back('{');
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return Fail(Code::kInvalid, "a key is not a word");
      if (out.back() != '{') out.push_back(',');
      AppendQuoted(entry.first.Scalar(), out);
      out.push_back(':');
      WEFT_TRY(Append(entry.second, depth + 1, out));
    }
    out.push_back('}');
  } else {
    out += "null";
  }
  return {};
}

}  // namespace

Result<std::string> ToJson(const YAML::Node& node) {
  std::string out;
  WEFT_TRY(Append(node, 0, out));
  return out;
}

}  // namespace weft
