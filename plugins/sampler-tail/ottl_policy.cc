// ottl_condition: some span, or some event of a span, meets one of the conditions.
#include <simdjson.h>

#include "plugins/sampler-tail/ottl.h"
#include "plugins/sampler-tail/policies.h"

namespace weft::tail {
namespace {

namespace dom = simdjson::dom;

OttlValue FromJson(dom::element value) {
  switch (value.type()) {
    case dom::element_type::BOOL: return value.get_bool().value_unsafe();
    case dom::element_type::INT64: return value.get_int64().value_unsafe();
    case dom::element_type::DOUBLE: return value.get_double().value_unsafe();
    case dom::element_type::STRING: return value.get_string().value_unsafe();
    default: return {};
  }
}

class OttlPolicy final : public Policy {
 public:
  explicit OttlPolicy(OttlConditions conditions) : conditions_(std::move(conditions)) {}

  // A trace is asked about more than once only for its weight.
  Answer Evaluate(Evaluation& e) override {
    if (e.facts.number != asked_) answer_ = Ask(e.facts);
    asked_ = e.facts.number;
    return answer_;
  }

 private:
  enum class Met : uint8_t { kNo, kYes, kError };

  Answer Ask(const TraceFacts& facts) {
    OttlScope scope;
    scope.spans = facts.rows;
    scope.batch = facts.batch;
    for (scope.row = facts.first_row; scope.row < facts.first_row + facts.spans; ++scope.row) {
      Met met = Any(conditions_.span, scope);
      if (met == Met::kNo && !conditions_.event.empty()) met = AnyEvent(scope);
      if (met == Met::kError) return Answer::kError;
      if (met == Met::kYes) return Answer::kSampled;
    }
    return Answer::kNotSampled;
  }

  Met Any(const std::vector<OttlGetter>& conditions, OttlScope& scope) {
    for (const OttlGetter& condition : conditions) {
      scope.failed = false;
      const OttlValue value = condition(scope);
      if (scope.failed && conditions_.propagate) return Met::kError;
      const bool* yes = std::get_if<bool>(&value);
      if (!scope.failed && yes != nullptr && *yes) return Met::kYes;
    }
    scope.made.clear();
    return Met::kNo;
  }

  Met AnyEvent(OttlScope& scope) {
    const OttlValue json = events_(scope);
    const auto* text = std::get_if<std::string_view>(&json);
    dom::array list;
    if (text == nullptr || parser_.parse(text->data(), text->size()).get(list) != simdjson::SUCCESS)
      return Met::kNo;
    for (dom::element item : list) {
      OttlEvent event;
      if (item["name"].get(event.name) != simdjson::SUCCESS) event.name = {};
      std::string_view time;
      if (item["timeUnixNano"].get(time) == simdjson::SUCCESS)
        event.time_ns = std::strtoll(std::string(time).c_str(), nullptr, 10);
      dom::object attributes;
      if (item["attributes"].get(attributes) == simdjson::SUCCESS)
        for (const auto& [key, value] : attributes)
          event.attributes.emplace_back(key, FromJson(value));
      scope.event = &event;
      const Met met = Any(conditions_.event, scope);
      scope.event = nullptr;
      if (met != Met::kNo) return met;
    }
    return Met::kNo;
  }

  OttlConditions conditions_;
  OttlGetter events_ = ParseOttl("attributes[\"otel.events\"]", OttlContext::kSpan);
  dom::parser parser_;
  uint64_t asked_ = UINT64_MAX;
  Answer answer_ = Answer::kNotSampled;
};

}  // namespace

PolicyPtr Ottl(OttlConditions conditions) {
  return std::make_unique<OttlPolicy>(std::move(conditions));
}

}  // namespace weft::tail
