// Redactor: takes secrets out of what the agent would otherwise publish. Every text that comes from
// a traced program passes one of these functions first.
//
// By name: a query parameter, header or command-line option whose name says that it is a secret
// keeps its name and loses its value. By shape: credentials in a URL, JSON web tokens. Errs on the
// side of redacting. Output is printable ASCII, bounded in length. Verdicts on names are
// remembered: one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/secrets.h"
#include "sources/ebpf/name_verdicts.h"

namespace weft::ebpf {

class Redactor {
 public:
  // `names`: further secret names, compared like the built-in ones.
  explicit Redactor(const std::vector<std::string>& names);

  // Whether a parameter, option or variable of this name holds a secret. Case, `-`, `_`, `.` and
  // percent-encoding do not matter.
  bool IsSecretName(std::string_view name) const {
    return known_.Of(name, [this](std::string_view n) { return JudgeName(n); });
  }
  // The same for a header: Authorization, Cookie and their like too.
  bool IsSecretHeader(std::string_view name) const;

  // Each appends to *out.
  void Query(std::string_view query, std::string* out) const;  // "a=1&token=x" without the `?`
  void Path(std::string_view path, std::string* out) const;    // also of ;jsessionid= parameters
  void Baggage(std::string_view members, std::string* out) const;  // "a=1,token=x;property"
  void HeaderValue(std::string_view name, std::string_view value, std::string* out) const;
  // Arguments as in /proc/PID/cmdline, separated by zero bytes; joined by blanks.
  void CommandLine(std::string_view arguments, std::string* out) const;
  // Any text: control and non-ASCII bytes become `?`; credentials in URLs and tokens go.
  void Text(std::string_view text, std::string* out) const;

  static constexpr size_t kMaxText = 1024;

 private:
  bool JudgeName(std::string_view name) const;
  bool IsPlainPairs(std::string_view text, std::string_view separators) const;
  void Pairs(std::string_view text, std::string_view separators, std::string* out) const;

  std::vector<std::string> names_;
  mutable NameVerdicts known_;
};

}  // namespace weft::ebpf
