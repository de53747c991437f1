// PluginConfig: reads a plugin's configuration, the compact JSON object that `create` receives.
//
// For plugin authors, C++20, no dependencies. The host has checked the text against the plugin's
// schema and filled in the defaults, so this is a reader of valid input and no validator: a key
// that is absent or of another type yields the fallback. Top-level keys only; Raw() gives the JSON
// text of a nested value for a parser of your own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace weft::sdk {

class PluginConfig {
 public:
  explicit PluginConfig(std::string_view json) : json_(json) {}

  double Number(std::string_view key, double fallback) const {
    const std::string text(Raw(key));
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return end == text.c_str() ? fallback : value;
  }

  bool Flag(std::string_view key, bool fallback) const {
    const std::string_view text = Raw(key);
    return text == "true" ? true : text == "false" ? false : fallback;
  }

  // Escapes other than \uXXXX beyond ASCII are resolved; those become '?'.
  std::string Text(std::string_view key, std::string_view fallback) const {
    const std::string_view raw = Raw(key);
    if (raw.size() < 2 || raw.front() != '"') return std::string(fallback);
    std::string out;
    for (size_t i = 1; i + 1 < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 2 >= raw.size()) {
        out += raw[i];
        continue;
      }
      const char escape = raw[++i];
      if (escape == 'u') {
        const long code = std::strtol(std::string(raw.substr(i + 1, 4)).c_str(), nullptr, 16);
        out += code < 0x80 ? static_cast<char>(code) : '?';
        i += 4;
      } else {
        out += escape == 'n' ? '\n' : escape == 't' ? '\t' : escape == 'r' ? '\r' : escape;
      }
    }
    return out;
  }

  // The JSON text of a top-level key's value; "" if there is none.
  std::string_view Raw(std::string_view key) const {
    size_t at = Skip(0) + 1;  // past '{'
    while ((at = Skip(at)) < json_.size() && json_[at] == '"') {
      const size_t key_end = End(at);
      const std::string_view found = json_.substr(at + 1, key_end - at - 2);
      const size_t value = std::min(Skip(Skip(key_end) + 1), json_.size());
      const size_t value_end = End(value);
      if (found == key) return json_.substr(value, value_end - value);
      at = Skip(value_end) + 1;  // past ','
    }
    return {};
  }

 private:
  size_t Skip(size_t at) const {
    while (at < json_.size() &&
           std::string_view(" \t\r\n").find(json_[at]) != std::string_view::npos)
      ++at;
    return at;
  }

  // Just past the value that begins at `at`: brackets counted, strings skipped over.
  size_t End(size_t at) const {
    int depth = 0;
    for (; at < json_.size(); ++at) {
      const char c = json_[at];
      if (c == '"') {
        for (++at; at < json_.size() && json_[at] != '"'; ++at)
          if (json_[at] == '\\') ++at;
        if (depth == 0) return std::min(at + 1, json_.size());
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
      } else if (depth == 0 && (c == ',' || Skip(at) != at)) {
        return at;
      }
    }
    return std::min(at, json_.size());
  }

  std::string_view json_;
};

}  // namespace weft::sdk
