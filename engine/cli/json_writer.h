// JsonWriter: JSON for --json outputs, written in order, indented by two blanks.
//
// (BeginObject (Field* | BeginObject ... End | BeginArray ... End)* End). Commas and indentation
// are its business; matching Begin and End the caller's. Bytes that are not UTF-8 become U+FFFD.
// Owns its text; one thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::cli {

class JsonWriter {
 public:
  // A name is needed inside an object, and must be empty inside an array and at the top.
  void BeginObject(std::string_view name = {}) { Open(name, '{'); }
  void BeginArray(std::string_view name = {}) { Open(name, '['); }
  void End();

  void Field(std::string_view name, std::string_view text);
  void Field(std::string_view name, const char* text) { Field(name, std::string_view(text)); }
  void Field(std::string_view name, double value);
  void Field(std::string_view name, bool value);
  template <std::integral T>
  void Field(std::string_view name, T value) {
    Raw(name, std::to_string(value));
  }

  // Complete once every Begin has its End; ends with a newline then.
  const std::string& text() const { return text_; }

 private:
  void Open(std::string_view name, char bracket);
  void Raw(std::string_view name, std::string_view json);
  void Next(std::string_view name);
  void Quote(std::string_view text);

  std::string text_;
  std::string closers_;  // one per open object or array
  bool first_ = true;
};

}  // namespace weft::cli
