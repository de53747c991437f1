#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"
#include "sql/explanation.h"

namespace weft::cli {
namespace {

std::string Describe(const sql::StoredSpan& s) {
  static constexpr std::string_view kKinds[] = {"span", "internal span", "request served",
                                                "call", "message sent",  "message received"};
  const std::string_view kind = kKinds[s.kind < std::size(kKinds) ? s.kind : 0];
  return fmt::format("{} '{}' of {}", kind, s.operation, s.service);
}

class Explain final : public Command {
 public:
  CommandInfo Info() const override {
    return {"explain", "Say why a span has its parent",
            "The evidence for the link, how sure it is, and the other requests that were weighed. "
            "`weft trace ID --ids` shows span ids.",
            "weft explain 00f067aa0ba902b7          # a prefix of the id is enough"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("id", &id_, true, "Span id, or its beginning");
  }

  Result<int> Run(CommandContext& context) override {
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    const auto why = sql::Explain(*stores, id_);
    if (!why) return std::unexpected(why.error());
    const sql::StoredSpan& span = why->span;
    fmt::print("span {}: {}\n", sql::HexId(span.span_id), Describe(span));
    fmt::print("in trace {}, {} after its start, {} long; process {} on {}\n", why->trace.trace_id,
               ShortDuration(span.start_ns - why->trace.start_ns), ShortDuration(span.duration_ns),
               span.pid, span.node.empty() ? "an unknown node" : span.node);
    fmt::print("{}\n\n", why->decision);
    PrintParent(*why);
    PrintWeighed(*why);
    return kExitOk;
  }

 private:
  static void PrintParent(const sql::Explanation& why) {
    const sql::StoredSpan& span = why.span;
    if (span.parent_id == 0) {
      fmt::print("It has no parent: {}.\n", why.no_parent);
      return;
    }
    fmt::print("parent {}: {}\n", sql::HexId(span.parent_id),
               why.parent ? Describe(*why.parent) : "not stored");
    if (why.parent)
      fmt::print("begun {} before, {} long\n", ShortDuration(span.start_ns - why.parent->start_ns),
                 ShortDuration(why.parent->duration_ns));
    fmt::print("confidence {:.1f} %, because\n", span.confidence * 100);
    for (const std::string_view reason : why.because) fmt::print("  {}\n", reason);
    if (why.because.empty()) fmt::print("  no evidence was recorded\n");
  }

  static void PrintWeighed(const sql::Explanation& why) {
    if (why.weighed.empty()) {
      if (why.span.parent_id != 0) fmt::print("\nNo other request was weighed.\n");
      return;
    }
    TextTable table({"candidate", "request", "begun before", "log-odds", "share", "evidence", ""});
    for (const auto& [candidate, stored, share, chosen] : why.weighed) {
      const bool none = candidate.span_id == 0;
      table.Add({none ? "none" : sql::HexId(candidate.span_id),
                 none     ? "no parent at all"
                 : stored ? stored->service + " " + stored->operation
                          : "(not stored)",
                 stored ? ShortDuration(why.span.start_ns - stored->start_ns) : "",
                 fmt::format("{:.2f}", candidate.log_odds), fmt::format("{:.1f} %", 100 * share),
                 sql::EvidenceText(candidate.evidence), chosen ? "chosen" : "refused"});
    }
    fmt::print("\nWeighed, best first:\n{}", table.Render(Stdout()));
  }

  StoreNames stores_ = kDefaultStore;
  std::string id_;
};

}  // namespace

std::unique_ptr<Command> MakeExplain() { return std::make_unique<Explain>(); }

}  // namespace weft::cli
