#include "plugins/sampling/settings.h"

#include <algorithm>

#include "engine/api/plugin.h"

namespace weft::sampling {
namespace {

namespace dom = simdjson::dom;

std::string Cut(dom::element value) {
  std::string text = simdjson::minify(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::vector<Settings> Items(const std::string& path, dom::element value) {
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS)
    throw sdk::ConfigError(path + ": a list is wanted, not " + Cut(value));
  std::vector<Settings> out;
  for (dom::element item : list)
    out.emplace_back(path + "[" + std::to_string(out.size()) + "]", item);
  return out;
}

}  // namespace

SettingsDocument::SettingsDocument(std::string path, std::string_view json)
    : path_(std::move(path)) {
  if (parser_.parse(json.data(), json.size()).get(root_) != simdjson::SUCCESS)
    throw sdk::ConfigError(path_ + ": no JSON");
}

Settings::Settings(std::string path, dom::element value) : path_(std::move(path)) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS)
    throw sdk::ConfigError(path_ + ": a mapping is wanted, not " + Cut(value));
  for (const auto& [key, field] : object) fields_.emplace_back(key, field);
}

void Settings::Name(std::string_view name) { path_.append(" (").append(name).append(")"); }

bool Settings::Has(std::string_view key) const {
  return std::ranges::any_of(fields_, [&](const auto& f) { return f.first == key; });
}

// A key that is null was left out.
const dom::element* Settings::Find(std::string_view key) {
  const auto it = std::ranges::find_if(fields_, [&](const auto& f) { return f.first == key; });
  if (std::ranges::find(read_, key) == read_.end()) read_.emplace_back(key);
  if (it == fields_.end()) return nullptr;
  return it->second.is_null() ? nullptr : &it->second;
}

void Settings::Refuse(std::string_view what) const {
  throw sdk::ConfigError(path_ + ": " + std::string(what));
}

void Settings::Refuse(std::string_view key, std::string_view what) const {
  throw sdk::ConfigError(path_ + ": " + std::string(key) + ": " + std::string(what));
}

std::string Settings::Text(std::string_view key) {
  std::string text = Text(key, "");
  if (text.empty()) Refuse(key, "required and missing");
  return text;
}

std::string Settings::Text(std::string_view key, std::string_view fallback) {
  const dom::element* value = Find(key);
  if (value == nullptr) return std::string(fallback);
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) return std::string(text);
  // 200 and true are texts that nobody quotes in YAML.
  if (value->is_number() || value->is_bool()) return simdjson::minify(*value);
  Refuse(key, "a text is wanted, not " + Cut(*value));
}

int64_t Settings::Int(std::string_view key, int64_t fallback) {
  const dom::element* value = Find(key);
  if (value == nullptr) return fallback;
  int64_t number = 0;
  if (value->get(number) == simdjson::SUCCESS) return number;
  Refuse(key, "a whole number is wanted, not " + Cut(*value));
}

double Settings::Number(std::string_view key, double fallback) {
  const dom::element* value = Find(key);
  if (value == nullptr) return fallback;
  double number = 0;
  if (value->get(number) == simdjson::SUCCESS) return number;
  Refuse(key, "a number is wanted, not " + Cut(*value));
}

bool Settings::Flag(std::string_view key, bool fallback) {
  const dom::element* value = Find(key);
  if (value == nullptr) return fallback;
  bool flag = false;
  if (value->get(flag) == simdjson::SUCCESS) return flag;
  Refuse(key, "true or false is wanted, not " + Cut(*value));
}

std::vector<std::string> Settings::Texts(std::string_view key) {
  const dom::element* value = Find(key);
  if (value == nullptr) return {};
  dom::array list;
  if (value->get(list) != simdjson::SUCCESS) return {Text(key, "")};
  std::vector<std::string> out;
  for (dom::element item : list) {
    std::string_view text;
    if (item.get(text) == simdjson::SUCCESS)
      out.emplace_back(text);
    else if (item.is_number() || item.is_bool())
      out.push_back(simdjson::minify(item));
    else
      Refuse(key, "texts are wanted, not " + Cut(item));
  }
  return out;
}

Settings Settings::Object(std::string_view key) {
  const dom::element* value = Find(key);
  if (value == nullptr) Refuse(key, "required and missing");
  return Settings(path_ + ": " + std::string(key), *value);
}

std::vector<Settings> Settings::Objects(std::string_view key) {
  const dom::element* value = Find(key);
  if (value == nullptr) Refuse(key, "required and missing");
  return Items(path_ + ": " + std::string(key), *value);
}

void Settings::Finish() const {
  for (const auto& [key, value] : fields_)
    if (std::ranges::find(read_, key) == read_.end()) {
      std::string known;
      for (const std::string& name : read_) known.append(known.empty() ? "" : ", ").append(name);
      Refuse(key, "unknown" + (known.empty() ? std::string() : "; known are " + known));
    }
}

std::vector<Settings> ListOf(const SettingsDocument& document) {
  return Items(document.path(), document.root());
}

}  // namespace weft::sampling
