// The functions of OTTL that are carried.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include <re2/re2.h>

#include "plugins/sampler-tail/ottl.h"

namespace weft::tail {
namespace {

using Arguments = std::vector<OttlGetter>;
using Body = std::function<OttlValue(OttlScope&, const Arguments&)>;

struct Function {
  size_t min_arguments, max_arguments;
  Body body;
};

std::optional<std::string_view> Text(OttlScope& scope, const OttlGetter& argument) {
  const OttlValue value = argument(scope);
  if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
  scope.failed = true;
  return std::nullopt;
}

template <class T>
Body Is() {
  return [](OttlScope& s, const Arguments& a) -> OttlValue {
    const OttlValue value = a[0](s);
    return std::holds_alternative<T>(value);
  };
}

Body Cased(int (*convert)(int)) {
  return [convert](OttlScope& s, const Arguments& a) -> OttlValue {
    const auto text = Text(s, a[0]);
    if (!text) return {};
    std::string out(*text);
    for (char& c : out) c = static_cast<char>(convert(static_cast<unsigned char>(c)));
    return s.Keep(std::move(out));
  };
}

Body TextTest(bool (*test)(std::string_view, std::string_view)) {
  return [test](OttlScope& s, const Arguments& a) -> OttlValue {
    const auto text = Text(s, a[0]), other = Text(s, a[1]);
    return text && other ? OttlValue(test(*text, *other)) : OttlValue();
  };
}

OttlValue ToInt(OttlScope& s, const Arguments& a) {
  const OttlValue value = a[0](s);
  if (std::holds_alternative<int64_t>(value)) return value;
  if (const auto* d = std::get_if<double>(&value)) {
    if (*d > -9.2e18 && *d < 9.2e18) return static_cast<int64_t>(*d);
    return {};
  }
  if (const auto* b = std::get_if<bool>(&value)) return int64_t{*b};
  const auto* text = std::get_if<std::string_view>(&value);
  int64_t out = 0;
  if (text == nullptr) return {};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out);
  return error == std::errc() && end == text->data() + text->size() ? OttlValue(out) : OttlValue();
}

OttlValue ToDouble(OttlScope& s, const Arguments& a) {
  const OttlValue value = a[0](s);
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* b = std::get_if<bool>(&value)) return *b ? 1.0 : 0.0;
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return value;
  double out = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out);
  return error == std::errc() && end == text->data() + text->size() ? OttlValue(out) : OttlValue();
}

OttlValue ToText(OttlScope& s, const Arguments& a) {
  const OttlValue value = a[0](s);
  if (std::holds_alternative<std::monostate>(value)) return {};
  return s.Keep(OttlText(value));
}

OttlValue Substring(OttlScope& s, const Arguments& a) {
  const auto text = Text(s, a[0]);
  const OttlValue from = a[1](s), count = a[2](s);
  const auto *begin = std::get_if<int64_t>(&from), *size = std::get_if<int64_t>(&count);
  if (!text || begin == nullptr || size == nullptr || *begin < 0 || *size < 0 ||
      static_cast<uint64_t>(*begin) + static_cast<uint64_t>(*size) > text->size())
    return s.Fail();
  return text->substr(static_cast<size_t>(*begin), static_cast<size_t>(*size));
}

OttlValue Len(OttlScope& s, const Arguments& a) {
  const auto text = Text(s, a[0]);
  return text ? OttlValue(static_cast<int64_t>(text->size())) : OttlValue();
}

OttlValue Trim(OttlScope& s, const Arguments& a) {
  const auto text = Text(s, a[0]);
  if (!text) return {};
  const size_t begin = text->find_first_not_of(" \t\r\n");
  if (begin == text->npos) return std::string_view();
  return text->substr(begin, text->find_last_not_of(" \t\r\n") - begin + 1);
}

const std::map<std::string, Function, std::less<>>& Functions() {
  static const std::map<std::string, Function, std::less<>> functions = {
      {"Double", {1, 1, ToDouble}},
      {"HasPrefix", {2, 2, TextTest([](auto t, auto o) { return t.starts_with(o); })}},
      {"HasSuffix", {2, 2, TextTest([](auto t, auto o) { return t.ends_with(o); })}},
      {"Int", {1, 1, ToInt}},
      {"IsBool", {1, 1, Is<bool>()}},
      {"IsDouble", {1, 1, Is<double>()}},
      {"IsInt", {1, 1, Is<int64_t>()}},
      {"IsRootSpan",
       {0, 0,
        [](OttlScope& s, const Arguments&) -> OttlValue {
          return s.spans->parent_id == nullptr || s.spans->parent_id[s.row] == 0;
        }}},
      {"IsString", {1, 1, Is<std::string_view>()}},
      {"Len", {1, 1, Len}},
      {"String", {1, 1, ToText}},
      {"Substring", {3, 3, Substring}},
      {"ToLowerCase", {1, 1, Cased(std::tolower)}},
      {"ToUpperCase", {1, 1, Cased(std::toupper)}},
      {"Trim", {1, 1, Trim}},
  };
  return functions;
}

// Patterns are compiled once, so they must be literals. A target that is no text is made one.
OttlGetter IsMatch(Arguments arguments, const std::vector<std::string>& literals) {
  if (arguments.size() != 2 || literals[1].empty())
    throw sdk::ConfigError("IsMatch wants a value and a pattern in quotes");
  re2::RE2::Options quiet;
  quiet.set_log_errors(false);
  auto pattern = std::make_shared<re2::RE2>(literals[1], quiet);
  if (!pattern->ok())
    throw sdk::ConfigError("\"" + literals[1] +
                           "\" is no regular expression (RE2): " + pattern->error());
  return [pattern, target = std::move(arguments[0])](OttlScope& s) -> OttlValue {
    const OttlValue value = target(s);
    if (std::holds_alternative<std::monostate>(value)) return false;
    const std::string made = std::holds_alternative<std::string_view>(value) ? "" : OttlText(value);
    const auto* text = std::get_if<std::string_view>(&value);
    const std::string_view in = text != nullptr ? *text : std::string_view(made);
    return re2::RE2::PartialMatch(re2::StringPiece(in.data(), in.size()), *pattern);
  };
}

}  // namespace

OttlGetter OttlFunction(const std::string& name, Arguments arguments,
                        const std::vector<std::string>& literals) {
  if (name == "IsMatch") return IsMatch(std::move(arguments), literals);
  const auto it = Functions().find(name);
  if (it == Functions().end()) {
    std::string known = "IsMatch";
    for (const auto& [other, unused] : Functions()) known += ", " + other;
    throw sdk::ConfigError("the function " + name + " is not carried; those that are: " + known);
  }
  if (arguments.size() < it->second.min_arguments || arguments.size() > it->second.max_arguments)
    throw sdk::ConfigError(name + " has " + std::to_string(it->second.max_arguments) +
                           " arguments, not " + std::to_string(arguments.size()));
  return [body = &it->second.body, arguments = std::move(arguments)](OttlScope& s) {
    return (*body)(s, arguments);
  };
}

}  // namespace weft::tail
