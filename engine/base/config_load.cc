#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "engine/base/config.h"
#include "engine/base/config_keys.h"
#include "engine/base/config_value.h"
#include "engine/base/nearest_word.h"

namespace weft {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxMistakes = 20;

// Walks one document and collects every mistake, so that a file is mended in one go.
class Loader {
 public:
  explicit Loader(std::string_view name) : name_(name) {}

  void Section(const YAML::Node& node, const std::string& prefix) {
    if (node.IsNull()) return;  // a section whose keys are all commented out
    if (!node.IsMap()) {
      Mistake(node, prefix, "expected a section with keys");
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Mistake(entry.first, prefix, "a key is not a word");
        continue;
      }
      const std::string path =
          prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar();
      if (!seen.insert(path).second)
        Mistake(entry.first, path, "is there twice");
      else
        Entry(entry.first, entry.second, path);
    }
  }

  void Mistake(const YAML::Node& at, std::string_view path, std::string_view what) {
    const int line = at.Mark().line + 1;
    Mistake(line, path.empty() ? std::string(what) : fmt::format("{:.120}: {}", path, what));
  }

  void Mistake(int line, std::string_view what) {
    if (++count_ > kMaxMistakes) return;
    if (!mistakes_.empty()) mistakes_.push_back('\n');
    mistakes_ +=
        line > 0 ? fmt::format("{}:{}: {}", name_, line, what) : fmt::format("{}: {}", name_, what);
  }

  Result<Config> Finish() {
    if (count_ > kMaxMistakes)
      mistakes_ += fmt::format("\n{}: and {} more", name_, count_ - kMaxMistakes);
    if (count_ > 0) return Fail(Code::kInvalid, std::move(mistakes_));
    if (auto whole = CheckConfig(config_); !whole) return Context(std::move(whole.error()), name_);
    return std::move(config_);
  }

 private:
  void Entry(const YAML::Node& name, const YAML::Node& value, const std::string& path) {
    const std::string inside = path + ".";
    for (const ConfigKey& key : ConfigKeys()) {
      if (key.path == path) {
        if (const auto set = SetConfigValue(key, value, config_); !set)
          Mistake(value.IsNull() ? name : value, path, set.error().message);
        return;
      }
      if (key.path.starts_with(inside)) {
        Section(value, path);
        return;
      }
    }
    Mistake(name, path, Unknown(path));
  }

  // The nearest key of the same section, else a key of that name (or near it) elsewhere.
  static std::string Unknown(std::string_view path) {
    const size_t dot = path.rfind('.');
    const std::string_view prefix = dot == path.npos ? "" : path.substr(0, dot + 1);
    const std::string_view word = path.substr(prefix.size());
    std::vector<std::string_view> siblings, leaves;
    for (const ConfigKey& key : ConfigKeys()) {
      leaves.push_back(key.path.substr(key.path.rfind('.') + 1));
      if (!key.path.starts_with(prefix)) continue;
      const std::string_view rest = key.path.substr(prefix.size());
      siblings.push_back(rest.substr(0, rest.find('.')));
    }
    if (const auto near = NearestWord(word, siblings); !near.empty())
      return fmt::format("unknown key; did you mean '{}{}'?", prefix, near);
    if (const auto near = NearestWord(word, leaves); !near.empty())
      for (const ConfigKey& key : ConfigKeys())
        if (key.path == near || key.path.ends_with("." + std::string(near)))
          return fmt::format("unknown key; did you mean '{}'?", key.path);
    return "unknown key (`weft validate --print-defaults` lists all)";
  }

  std::string_view name_;
  Config config_;
  std::string mistakes_;
  size_t count_ = 0;
};

}  // namespace

Result<Config> ParseConfig(std::string_view yaml, std::string_view name) {
  Loader loader(name);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() > 1)
      loader.Mistake(documents[1], "", "a second document; one is expected");
    if (!documents.empty()) loader.Section(documents[0], "");
  } catch (const YAML::Exception& e) {
    loader.Mistake(e.mark.is_null() ? 0 : e.mark.line + 1, "not YAML: " + e.msg);
  } catch (const std::exception& e) {
    loader.Mistake(0, std::string("not YAML: ") + e.what());
  }
  return loader.Finish();
}

Result<Config> LoadConfigFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Fail(errno == ENOENT ? Code::kNotFound : Code::kIo,
                fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Fail(Code::kIo, fmt::format("{}: cannot be read", path));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes)
    return Fail(Code::kInvalid, fmt::format("{}: larger than 1 MiB", path));
  return ParseConfig(text, path);
}

}  // namespace weft
