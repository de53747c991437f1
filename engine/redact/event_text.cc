#include "engine/redact/event_text.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "engine/base/json_text.h"
#include "engine/base/secrets.h"

namespace weft::redact {
namespace {

namespace dom = simdjson::dom;

constexpr int kMaxDepth = 32;
constexpr uint64_t kShortestCard = 1'000'000'000'000;  // 13 digits

class Rewriter {
 public:
  Rewriter(const Rules& rules, std::string* out) : rules_(rules), out_(*out) {}

  bool List(dom::element list) {
    if (!list.is_array()) return false;
    const dom::array items = list.get_array().value_unsafe();
    out_.push_back('[');
    for (const dom::element item : items) {
      if (!item.is_object()) return false;
      Separate();
      Item(item.get_object().value_unsafe());
    }
    out_.push_back(']');
    return true;
  }
  const Changes& changes() const { return changes_; }

 private:
  void Separate() {
    if (out_.back() != '[' && out_.back() != '{') out_.push_back(',');
  }
  void Key(std::string_view key) {
    Separate();
    AppendJsonString(out_, key);
    out_.push_back(':');
  }
  void Item(dom::object members) {
    out_.push_back('{');
    for (const auto& [key, value] : members) {
      if (key == "traceState") {
        ByRules(key, kTraceState, value);
        continue;
      }
      Key(key);
      if (key == "attributes" && value.is_object())
        Attributes(value.get_object().value_unsafe());
      else if (key == "name" || !value.is_string())
        Value(value, 0);
      else
        AppendJsonString(out_, value.get_string().value_unsafe());
    }
    out_.push_back('}');
  }
  void Attributes(dom::object attributes) {
    out_.push_back('{');
    for (const auto& [key, value] : attributes) ByRules(key, key, value);
    out_.push_back('}');
  }
  // The member `key`, for which the rules know the name `rule`.
  void ByRules(std::string_view key, std::string_view rule, dom::element value) {
    const Fate fate = rules_.FateOf(rule);
    if (fate == Fate::kDrop) {
      ++changes_.dropped;
      return;
    }
    Key(key);
    if (fate == Fate::kHash) {
      ++changes_.hashed;
      AppendJsonString(out_, rules_.Hash(TextOf(value)));
    } else if (fate == Fate::kHide && !IsCount(key, value)) {
      HideAll();
    } else {
      Value(value, 0);
    }
  }
  void HideAll() {
    ++changes_.hidden;
    AppendJsonString(out_, kRedacted);
  }
  // gen_ai.usage.input_tokens is a count of tokens, not a token.
  static bool IsCount(std::string_view key, dom::element value) {
    return value.is_number() && key.find("token") != key.npos;
  }
  // As the text of an attribute of a span, so that equal values have equal hashes.
  static std::string TextOf(dom::element value) {
    switch (value.type()) {
      case dom::element_type::STRING: return std::string(value.get_string().value_unsafe());
      case dom::element_type::DOUBLE: return fmt::format("{}", value.get_double().value_unsafe());
      default: return simdjson::minify(value);
    }
  }
  void Value(dom::element value, int depth) {
    switch (value.type()) {
      case dom::element_type::STRING: Text(value.get_string().value_unsafe()); break;
      case dom::element_type::INT64:
      case dom::element_type::UINT64: Number(value); break;
      case dom::element_type::DOUBLE: AppendDouble(out_, value.get_double().value_unsafe()); break;
      case dom::element_type::ARRAY:
      case dom::element_type::OBJECT: Nested(value, depth + 1); break;
      default: out_ += simdjson::minify(value);
    }
  }
  void Text(std::string_view text) {
    if (rules_.Hide(text, false, &text_)) {
      ++changes_.hidden;
      text = text_;
    }
    AppendJsonString(out_, text);
  }
  void Number(dom::element value) {
    const std::string digits = simdjson::minify(value);
    uint64_t number = 0;
    if (value.get(number) == simdjson::SUCCESS && number >= kShortestCard &&
        rules_.Hide(digits, false, &text_)) {
      ++changes_.hidden;
      return AppendJsonString(out_, text_);
    }
    out_ += digits;
  }
  void Nested(dom::element value, int depth) {
    if (depth > kMaxDepth) return HideAll();
    if (value.is_array()) {
      const dom::array items = value.get_array().value_unsafe();
      out_.push_back('[');
      for (const dom::element item : items) {
        Separate();
        Value(item, depth);
      }
      return out_.push_back(']');
    }
    const dom::object members = value.get_object().value_unsafe();
    out_.push_back('{');
    for (const auto& [key, member] : members) {
      Key(key);
      if (rules_.FateOf(key) == Fate::kHide && !IsCount(key, member))
        HideAll();
      else
        Value(member, depth);
    }
    out_.push_back('}');
  }

  const Rules& rules_;
  std::string& out_;
  std::string text_;
  Changes changes_;
};

}  // namespace

Changes RewriteEvents(const Rules& rules, std::string_view json, std::string* out) {
  out->clear();
  dom::parser parser;
  dom::element list;
  Rewriter rewriter(rules, out);
  if (parser.parse(json.data(), json.size()).get(list) == simdjson::SUCCESS && rewriter.List(list))
    return rewriter.changes();
  out->assign(kRedacted);
  return {.hidden = 1};
}

}  // namespace weft::redact
