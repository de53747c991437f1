#include "engine/base/config_value.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "engine/base/nearest_word.h"
#include "engine/base/units.h"
#include "engine/base/yaml_json.h"

namespace weft {
namespace {

std::string Describe(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return fmt::format("'{:.80}'", node.Scalar());
  return "nothing";
}

std::unexpected<Error> Expected(std::string_view what, const YAML::Node& node) {
  return Fail(Code::kInvalid, fmt::format("expected {}, found {}", what, Describe(node)));
}

bool IsText(const YAML::Node& node) { return node.IsScalar() && !node.Scalar().empty(); }

std::string Spell(const ConfigKey& key, double value) {
  if (key.unit == Unit::kDuration) return FormatDuration(static_cast<int64_t>(value));
  if (key.unit == Unit::kSize) return FormatSize(static_cast<uint64_t>(value));
  return fmt::format("{}", value);
}

Result<void> CheckRange(const ConfigKey& key, double value) {
  if ((key.min == 0 && key.max == 0) || (value >= key.min && value <= key.max)) return {};
  return Fail(Code::kInvalid, fmt::format("{} is outside {} to {}", Spell(key, value),
                                          Spell(key, key.min), Spell(key, key.max)));
}

template <typename T>
Result<T> ParseNumber(const ConfigKey& key, const YAML::Node& node, std::string_view what) {
  if (!IsText(node)) return Expected(what, node);
  const std::string& text = node.Scalar();
  T value{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return Expected(what, node);
  // Written so that NaN fails.
  if (const auto range = CheckRange(key, static_cast<double>(value)); !range)
    return std::unexpected(range.error());
  return value;
}

struct Setter {
  const ConfigKey& key;
  const YAML::Node& node;
  Config& config;

  Result<void> operator()(bool* (*member)(Config&)) const {
    if (node.IsScalar() && (node.Scalar() == "true" || node.Scalar() == "false")) {
      *member(config) = node.Scalar() == "true";
      return {};
    }
    return Expected("true or false", node);
  }

  Result<void> operator()(int64_t* (*member)(Config&)) const {
    if (key.unit == Unit::kDuration) {
      if (!IsText(node)) return Expected("a duration such as 500ms or 5m", node);
      const auto ns = ParseDuration(node.Scalar());
      if (!ns) return std::unexpected(ns.error());
      WEFT_TRY(CheckRange(key, static_cast<double>(*ns)));
      *member(config) = *ns;
      return {};
    }
    const auto value = ParseNumber<int64_t>(key, node, "a whole number");
    if (!value) return std::unexpected(value.error());
    *member(config) = *value;
    return {};
  }

  Result<void> operator()(uint64_t* (*member)(Config&)) const {
    if (!IsText(node)) return Expected("a size such as 64MB or 5GB", node);
    const auto bytes = ParseSize(node.Scalar());
    if (!bytes) return std::unexpected(bytes.error());
    WEFT_TRY(CheckRange(key, static_cast<double>(*bytes)));
    *member(config) = *bytes;
    return {};
  }

  Result<void> operator()(double* (*member)(Config&)) const {
    const auto value = ParseNumber<double>(key, node, "a number");
    if (!value) return std::unexpected(value.error());
    *member(config) = *value;
    return {};
  }

  Result<void> operator()(std::string* (*member)(Config&)) const {
    if (!node.IsScalar()) return Expected("text", node);
    if (!key.choices.empty()) WEFT_TRY(CheckChoice(node.Scalar()));
    *member(config) = node.Scalar();
    return {};
  }

  Result<void> operator()(std::vector<std::string>* (*member)(Config&)) const {
    std::vector<std::string> values;
    if (!node.IsSequence()) return Expected("a list such as [a, b]", node);
    for (const YAML::Node& item : node) {
      if (!IsText(item)) return Expected("a list of texts", item);
      values.push_back(item.Scalar());
    }
    *member(config) = std::move(values);
    return {};
  }

  Result<void> operator()(std::vector<int64_t>* (*member)(Config&)) const {
    std::vector<int64_t> values;
    if (!node.IsSequence()) return Expected("a list such as [80, 443]", node);
    for (const YAML::Node& item : node) {
      const auto value = ParseNumber<int64_t>(key, item, "a list of whole numbers");
      if (!value) return std::unexpected(value.error());
      values.push_back(*value);
    }
    *member(config) = std::move(values);
    return {};
  }

  Result<void> operator()(std::vector<PluginChoice>* (*member)(Config&)) const {
    std::vector<PluginChoice> chain;
    if (!node.IsSequence()) return Expected("a list of plugin names", node);
    for (const YAML::Node& item : node) {
      auto choice = ParsePlugin(item);
      if (!choice) return std::unexpected(choice.error());
      chain.push_back(std::move(*choice));
    }
    *member(config) = std::move(chain);
    return {};
  }

  // The values are not shown: some are secrets.
  Result<void> operator()(std::map<std::string, std::string>* (*member)(Config&)) const {
    std::map<std::string, std::string> values;
    if (!node.IsMap()) return Fail(Code::kInvalid, "expected a mapping such as {key: value}");
    for (const auto& entry : node) {
      if (!IsText(entry.first)) return Expected("a key", entry.first);
      if (!entry.second.IsScalar())
        return Fail(Code::kInvalid,
                    fmt::format("the value of '{:.80}' is no text", entry.first.Scalar()));
      if (!values.emplace(entry.first.Scalar(), entry.second.Scalar()).second)
        return Fail(Code::kInvalid, fmt::format("'{:.80}' is there twice", entry.first.Scalar()));
    }
    *member(config) = std::move(values);
    return {};
  }

  Result<void> CheckChoice(std::string_view text) const {
    for (size_t at = 0; at < key.choices.size();) {
      const size_t end = std::min(key.choices.find(' ', at), key.choices.size());
      if (key.choices.substr(at, end - at) == text) return {};
      at = end + 1;
    }
    return Fail(Code::kInvalid, fmt::format("'{:.80}' is not one of: {}", text, key.choices));
  }

  static Result<PluginChoice> ParsePlugin(const YAML::Node& item) {
    PluginChoice choice;
    choice.line = item.Mark().line + 1;
    if (IsText(item)) {
      choice.name = item.Scalar();
      return choice;
    }
    if (!item.IsMap()) return Expected("a plugin's name or {name: ..., config: {...}}", item);
    for (const auto& entry : item) {
      const std::string field = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (field == "name" && IsText(entry.second)) {
        choice.name = entry.second.Scalar();
      } else if (field == "config" && entry.second.IsMap()) {
        auto json = ToJson(entry.second);
        if (!json) return Context(std::move(json.error()), "config");
        choice.config_json = std::move(*json);
      } else if (field == "as" && IsText(entry.second)) {
        choice.as = entry.second.Scalar();
      } else if (field == "when_full" && IsText(entry.second)) {
        choice.when_full = entry.second.Scalar();
      } else if (field == "queue" && IsText(entry.second)) {
        const auto size = ParseSize(entry.second.Scalar());
        if (!size) return Context(Error(size.error()), field);
        choice.queue_bytes = *size;
      } else {
        return WrongField(field, entry.second);
      }
    }
    if (choice.name.empty()) return Fail(Code::kInvalid, "a plugin without a name");
    return choice;
  }

  static std::unexpected<Error> WrongField(const std::string& field, const YAML::Node& value) {
    static constexpr std::string_view kFields[] = {"name", "config", "as", "queue", "when_full"};
    if (std::ranges::find(kFields, field) != std::end(kFields))
      return Context(Expected(field == "name"     ? "a plugin's name"
                              : field == "config" ? "a mapping"
                                                  : "a text",
                              value)
                         .error(),
                     field);
    const std::string_view nearest = NearestWord(field, kFields);
    return Fail(Code::kInvalid,
                fmt::format("unknown key '{:.80}' of a plugin; it has 'name' and 'config'{}", field,
                            nearest.empty() ? "" : fmt::format(": '{}' is near", nearest)));
  }
};

}  // namespace

Result<void> SetConfigValue(const ConfigKey& key, const YAML::Node& value, Config& config) {
  return std::visit(Setter{key, value, config}, key.member);
}

}  // namespace weft
