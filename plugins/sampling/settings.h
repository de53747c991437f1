// Settings: one object of a plugin's nested configuration, read strictly.
//
// What a schema cannot say about a list of differently shaped objects is said here: every reader
// throws sdk::ConfigError that names the path ("policies[2] (slow): latency: threshold_ms: ...").
// Finish refuses keys that nobody has read. Lends from the document; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

namespace weft::sampling {

// A parsed JSON text that Settings lend from.
class SettingsDocument {
 public:
  // Throws ConfigError where it is no JSON.
  SettingsDocument(std::string path, std::string_view json);
  simdjson::dom::element root() const { return root_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

class Settings {
 public:
  // Throws where it is no object.
  Settings(std::string path, simdjson::dom::element value);

  const std::string& path() const { return path_; }
  // For messages from now on: "policies[2]" becomes "policies[2] (slow)".
  void Name(std::string_view name);
  bool Has(std::string_view key) const;

  std::string Text(std::string_view key);  // required, not empty
  std::string Text(std::string_view key, std::string_view fallback);
  int64_t Int(std::string_view key, int64_t fallback);
  double Number(std::string_view key, double fallback);
  bool Flag(std::string_view key, bool fallback);
  // A list, or a single text; empty where it is not there.
  std::vector<std::string> Texts(std::string_view key);
  // Required.
  Settings Object(std::string_view key);
  // Required, of objects.
  std::vector<Settings> Objects(std::string_view key);

  // Refuses what was not read.
  void Finish() const;
  [[noreturn]] void Refuse(std::string_view what) const;
  [[noreturn]] void Refuse(std::string_view key, std::string_view what) const;

 private:
  const simdjson::dom::element* Find(std::string_view key);

  std::string path_;
  std::vector<std::pair<std::string_view, simdjson::dom::element>> fields_;
  std::vector<std::string> read_;
};

// The objects of a list at the document's root.
std::vector<Settings> ListOf(const SettingsDocument& document);

}  // namespace weft::sampling
