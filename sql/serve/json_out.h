// JsonOut: JSON without blanks for answers, written in order.
//
// (Object (Key value)* End | Array value* End), where a value is one of these or a Put. Commas are
// its business; matching brackets the caller's. Owns its text; one thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/json_text.h"

namespace weft::serve {

class JsonOut {
 public:
  JsonOut& Object() { return Open('{', '}'); }
  JsonOut& Array() { return Open('[', ']'); }
  JsonOut& End() {
    text_.push_back(closers_.back());
    closers_.pop_back();
    return *this;
  }
  JsonOut& Key(std::string_view key) {
    Next();
    AppendJsonString(text_, key);
    text_.push_back(':');
    return *this;
  }

  JsonOut& Put(std::string_view text) {
    Next();
    AppendJsonString(text_, text);
    return *this;
  }
  JsonOut& Put(const char* text) { return Put(std::string_view(text)); }
  JsonOut& Put(double value) {
    Next();
    AppendDouble(text_, value);
    return *this;
  }
  JsonOut& Put(bool value) { return Raw(value ? "true" : "false"); }
  JsonOut& Put(std::nullptr_t) { return Raw("null"); }
  template <std::integral T>
  JsonOut& Put(T value) {
    Next();
    if constexpr (std::signed_integral<T>)
      AppendInt(text_, value);
    else
      AppendUint(text_, value);
    return *this;
  }
  // A value that is JSON already.
  JsonOut& Raw(std::string_view json) {
    Next();
    text_.append(json);
    return *this;
  }
  template <typename T>
  JsonOut& Field(std::string_view key, T&& value) {
    return Key(key).Put(std::forward<T>(value));
  }

  size_t size() const { return text_.size(); }
  // For what appends a whole value itself: Slot() first.
  std::string& Slot() {
    Next();
    return text_;
  }
  std::string Take() && { return std::move(text_); }

 private:
  JsonOut& Open(char open, char close) {
    Next();
    text_.push_back(open);
    closers_.push_back(close);
    return *this;
  }
  void Next() {
    if (text_.empty()) return;
    const char last = text_.back();
    if (last != '{' && last != '[' && last != ':') text_.push_back(',');
  }

  std::string text_, closers_;
};

}  // namespace weft::serve
