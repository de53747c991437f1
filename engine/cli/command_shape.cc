#include "engine/cli/command_shape.h"

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {
namespace {

class Collector final : public Options {
 public:
  void Flag(std::string_view name, bool*, std::string_view help) override { Add(name, "", help); }
  void Text(std::string_view name, std::string* out, std::string_view help,
            std::string_view value_name) override {
    Add(name, value_name, help, *out);
  }
  void List(std::string_view name, std::vector<std::string>* out, std::string_view help,
            std::string_view value_name) override {
    Add(name, value_name, help, fmt::format("{}", fmt::join(*out, ",")));
  }
  void Ints(std::string_view name, std::vector<int64_t>*, int64_t, int64_t,
            std::string_view help) override {
    Add(name, "N,N,...", help);
  }
  void Int(std::string_view name, int64_t* out, int64_t, int64_t, std::string_view help) override {
    Add(name, "N", help, std::to_string(*out));
  }
  void Number(std::string_view name, double* out, double, double, std::string_view help) override {
    Add(name, "X", help, fmt::format("{}", *out));
  }
  void Duration(std::string_view name, int64_t* ns, std::string_view help) override {
    Add(name, "DURATION", help, *ns == 0 ? "" : FormatDuration(*ns));
  }
  void Size(std::string_view name, uint64_t* bytes, std::string_view help) override {
    Add(name, "SIZE", help, *bytes == 0 ? "" : FormatSize(*bytes));
  }
  void Positional(std::string_view name, std::string*, bool, std::string_view help) override {
    Add(name, "", help);
  }
  void Positionals(std::string_view name, std::vector<std::string>*,
                   std::string_view help) override {
    Add(name, "", help);
  }
  std::vector<OptionShape> shapes;

 private:
  void Add(std::string_view names, std::string_view value, std::string_view help,
           std::string standard = "") {
    OptionShape shape{{}, std::string(value), std::string(help), std::move(standard)};
    while (!names.empty()) {
      const size_t comma = std::min(names.find(','), names.size());
      shape.names.emplace_back(names.substr(0, comma));
      names.remove_prefix(std::min(comma + 1, names.size()));
    }
    shapes.push_back(std::move(shape));
  }
};

}  // namespace

std::vector<OptionShape> ShapeOf(Command& command) {
  Collector collector;
  command.Declare(collector);
  return std::move(collector.shapes);
}

}  // namespace weft::cli
