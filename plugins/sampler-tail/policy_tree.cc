// Policies made of policies: and, drop, not.
#include <algorithm>

#include "plugins/sampler-tail/policies.h"

namespace weft::tail {
namespace {

class Group : public Policy {
 public:
  explicit Group(std::vector<PolicyPtr> parts) : parts_(std::move(parts)) {}
  bool Random() const override {
    return std::ranges::any_of(parts_, [](const auto& p) { return p->Random(); });
  }
  bool Limited() const override {
    return std::ranges::any_of(parts_, [](const auto& p) { return p->Limited(); });
  }
  void Save(std::vector<double>& out) const override {
    for (const PolicyPtr& part : parts_) part->Save(out);
  }
  const double* Load(const double* at, const double* end) override {
    for (const PolicyPtr& part : parts_) at = part->Load(at, end);
    return at;
  }

 protected:
  // In order, as far as the first that says no: a limiter behind it is not asked.
  Answer All(Evaluation& e, Answer yes) {
    for (const PolicyPtr& part : parts_) {
      const Answer answer = part->Evaluate(e);
      if (answer == Answer::kError) return answer;
      if (!IsSampled(answer)) return Answer::kNotSampled;
    }
    return yes;
  }
  std::vector<PolicyPtr> parts_;
};

class AndPolicy final : public Group {
 public:
  using Group::Group;
  Answer Evaluate(Evaluation& e) override { return All(e, Answer::kSampled); }
};

class DropPolicy final : public Group {
 public:
  using Group::Group;
  Answer Evaluate(Evaluation& e) override { return All(e, Answer::kDropped); }
};

class NotPolicy final : public Group {
 public:
  using Group::Group;
  // Inverted answers go through as they are.
  Answer Evaluate(Evaluation& e) override {
    const Answer answer = parts_.front()->Evaluate(e);
    if (answer == Answer::kSampled) return Answer::kNotSampled;
    return answer == Answer::kNotSampled ? Answer::kSampled : answer;
  }
};

}  // namespace

PolicyPtr And(std::vector<PolicyPtr> parts) {
  return std::make_unique<AndPolicy>(std::move(parts));
}
PolicyPtr Drop(std::vector<PolicyPtr> parts) {
  return std::make_unique<DropPolicy>(std::move(parts));
}
PolicyPtr Not(PolicyPtr part) {
  std::vector<PolicyPtr> parts;
  parts.push_back(std::move(part));
  return std::make_unique<NotPolicy>(std::move(parts));
}

}  // namespace weft::tail
