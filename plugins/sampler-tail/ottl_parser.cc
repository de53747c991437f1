#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "plugins/sampler-tail/ottl.h"

namespace weft::tail {
namespace {

const std::map<std::string, int64_t, std::less<>> kEnums = {
    {"STATUS_CODE_UNSET", 0},     {"STATUS_CODE_OK", 1},     {"STATUS_CODE_ERROR", 2},
    {"SPAN_KIND_UNSPECIFIED", 0}, {"SPAN_KIND_INTERNAL", 1}, {"SPAN_KIND_SERVER", 2},
    {"SPAN_KIND_CLIENT", 3},      {"SPAN_KIND_PRODUCER", 4}, {"SPAN_KIND_CONSUMER", 5},
};

OttlGetter Constant(OttlValue value) {
  return [value](OttlScope&) { return value; };
}

bool True(const OttlValue& value) {
  const bool* yes = std::get_if<bool>(&value);
  return yes != nullptr && *yes;
}

std::optional<double> AsNumber(const OttlValue& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return std::nullopt;
}

OttlValue Calculate(char op, const OttlValue& a, const OttlValue& b, OttlScope& scope) {
  const auto *i = std::get_if<int64_t>(&a), *j = std::get_if<int64_t>(&b);
  if (i != nullptr && j != nullptr) {
    int64_t out = 0;
    if (op == '+' && !__builtin_add_overflow(*i, *j, &out)) return out;
    if (op == '-' && !__builtin_sub_overflow(*i, *j, &out)) return out;
    if (op == '*' && !__builtin_mul_overflow(*i, *j, &out)) return out;
    if (op == '/' && *j != 0 && *j != -1) return *i / *j;
    return scope.Fail();
  }
  const auto x = AsNumber(a), y = AsNumber(b);
  if (!x || !y || (op == '/' && *y == 0)) return scope.Fail();
  return op == '+' ? *x + *y : op == '-' ? *x - *y : op == '*' ? *x * *y : *x / *y;
}

class Parser {
 public:
  Parser(std::string_view text, OttlContext context) : text_(text), context_(context) {}

  OttlGetter Whole() {
    OttlGetter out = Or();
    Space();
    if (at_ != text_.size()) Wrong("what follows is not understood");
    return out;
  }

 private:
  static constexpr int kMaxDepth = 200;
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > kMaxDepth) parser.Wrong("nested too deeply");
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  [[noreturn]] void Wrong(std::string_view why) const {
    throw sdk::ConfigError("OTTL: \"" + std::string(text_) + "\" at \"" +
                           std::string(text_.substr(std::min(at_, text_.size()), 30)) +
                           "\": " + std::string(why));
  }
  void Space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  static bool InWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  bool Take(std::string_view mark) {
    Space();
    if (!text_.substr(at_).starts_with(mark)) return false;
    const size_t end = at_ + mark.size();
    if (InWord(mark.back()) && end < text_.size() && InWord(text_[end])) return false;
    at_ = end;
    return true;
  }
  std::string Word() {
    Space();
    const size_t begin = at_;
    while (at_ < text_.size() && InWord(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  OttlGetter Or() {
    const Deeper deeper(*this);
    OttlGetter left = And();
    while (Take("or"))
      left = [a = std::move(left), b = And()](OttlScope& s) -> OttlValue {
        return True(a(s)) || True(b(s));
      };
    return left;
  }
  OttlGetter And() {
    OttlGetter left = Not();
    while (Take("and"))
      left = [a = std::move(left), b = Not()](OttlScope& s) -> OttlValue {
        return True(a(s)) && True(b(s));
      };
    return left;
  }
  OttlGetter Not() {
    const Deeper deeper(*this);
    if (Take("not")) return [a = Not()](OttlScope& s) -> OttlValue { return !True(a(s)); };
    return Comparison();
  }

  // A parenthesis may hold a condition or a number: tried as a condition, which a value is too.
  OttlGetter Comparison() {
    OttlGetter left = Sum();
    static constexpr std::string_view kOps[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (const std::string_view op : kOps)
      if (Take(op)) return Compare(op, std::move(left), Sum());
    return left;
  }
  static OttlGetter Compare(std::string_view op, OttlGetter left, OttlGetter right) {
    return [op, a = std::move(left), b = std::move(right)](OttlScope& s) -> OttlValue {
      const OttlValue x = a(s), y = b(s);
      const int order = CompareOttl(x, y);
      if (op == "==") return order == 0;
      if (op == "!=") return order != 0;
      if (order == 2) return false;
      return op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
    };
  }

  OttlGetter Sum() {
    OttlGetter left = Product();
    while (true) {
      const char op = Take("+") ? '+' : Take("-") ? '-' : 0;
      if (op == 0) return left;
      left = Operation(op, std::move(left), Product());
    }
  }
  OttlGetter Product() {
    OttlGetter left = Value();
    while (true) {
      const char op = Take("*") ? '*' : Take("/") ? '/' : 0;
      if (op == 0) return left;
      left = Operation(op, std::move(left), Value());
    }
  }
  static OttlGetter Operation(char op, OttlGetter left, OttlGetter right) {
    return [op, a = std::move(left), b = std::move(right)](OttlScope& s) {
      const OttlValue x = a(s), y = b(s);
      return Calculate(op, x, y, s);
    };
  }

  OttlGetter Value() {
    const Deeper deeper(*this);
    Space();
    if (at_ >= text_.size()) Wrong("a value is missing");
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      OttlGetter inner = Or();
      if (!Take(")")) Wrong(") is missing");
      return inner;
    }
    if (c == '"') {
      auto text = std::make_shared<std::string>(Quoted());
      return [text](OttlScope&) -> OttlValue { return std::string_view(*text); };
    }
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '-' || c == '.') return Number();
    if (!std::isalpha(static_cast<unsigned char>(c))) Wrong("a value is wanted");
    return NameOrCall();
  }
  std::string Quoted() {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        const char escape = text_[++at_];
        if (escape != '"' && escape != '\\') out += '\\';
        out += escape == 'n'   ? (out.pop_back(), '\n')
               : escape == 't' ? (out.pop_back(), '\t')
                               : escape;
      } else {
        out += text_[at_];
      }
    }
    if (at_ >= text_.size()) Wrong("the text has no end");
    ++at_;
    return out;
  }
  OttlGetter Number() {
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    int64_t whole = 0;
    const auto [i, bad_int] = std::from_chars(begin, end, whole);
    double number = 0;
    const auto [d, bad_double] = std::from_chars(begin, end, number);
    if (bad_double != std::errc()) Wrong("a number is wanted");
    at_ += static_cast<size_t>(d - begin);
    if (bad_int == std::errc() && i == d) return Constant(whole);
    return Constant(number);
  }
  OttlGetter NameOrCall() {
    const size_t begin = at_;
    std::string name = Word();
    if (name == "true" || name == "false") return Constant(name == "true");
    if (name == "nil") return Constant(OttlValue{});
    if (const auto it = kEnums.find(name); it != kEnums.end()) return Constant(it->second);
    if (Take("(")) return Call(name);
    while (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      name += "." + Word();
    }
    std::optional<std::string> key;
    if (at_ < text_.size() && text_[at_] == '[') {
      ++at_;
      Space();
      if (at_ >= text_.size() || text_[at_] != '"') Wrong("a key in quotes is wanted");
      key = Quoted();
      if (!Take("]")) Wrong("] is missing");
      if (at_ < text_.size() && text_[at_] == '[')
        Wrong("maps and lists inside attributes are text here");
    }
    try {
      return OttlPath(name, key ? &*key : nullptr, context_);
    } catch (const sdk::ConfigError& e) {
      at_ = begin;
      Wrong(e.what());
    }
  }
  OttlGetter Call(const std::string& name) {
    std::vector<OttlGetter> arguments;
    std::vector<std::string> literals;  // of arguments that are texts; else ""
    if (!Take(")")) {
      do {
        Space();
        const size_t begin = at_;
        arguments.push_back(Sum());
        OttlScope scope;
        const bool text = begin < text_.size() && text_[begin] == '"';
        literals.push_back(text ? OttlText(arguments.back()(scope)) : "");
      } while (Take(","));
      if (!Take(")")) Wrong(") is missing");
    }
    try {
      return OttlFunction(name, std::move(arguments), literals);
    } catch (const sdk::ConfigError& e) {
      Wrong(e.what());
    }
  }

  std::string_view text_;
  OttlContext context_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

OttlGetter ParseOttl(std::string_view text, OttlContext context) {
  auto condition = std::make_shared<OttlGetter>(Parser(text, context).Whole());
  return [condition](OttlScope& scope) { return (*condition)(scope); };
}

int CompareOttl(const OttlValue& a, const OttlValue& b) {
  const auto order = [](const auto& x, const auto& y) {
    return x < y ? -1 : x == y ? 0 : x > y ? 1 : 2;
  };
  if (a.index() == b.index()) {
    if (std::holds_alternative<std::monostate>(a)) return 0;
    if (const auto* x = std::get_if<std::string_view>(&a))
      return order(*x, std::get<std::string_view>(b));
    if (const auto* x = std::get_if<int64_t>(&a)) return order(*x, std::get<int64_t>(b));
    if (const auto* x = std::get_if<bool>(&a)) return order(*x, std::get<bool>(b));
  }
  const auto x = AsNumber(a), y = AsNumber(b);
  return x && y ? order(*x, *y) : 2;
}

std::string OttlText(const OttlValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) {
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, *number);
    return error == std::errc() ? std::string(text, end) : "";
  }
  return "";
}

}  // namespace weft::tail
