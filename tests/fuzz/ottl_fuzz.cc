// Conditions of OTTL: any text is a condition or refused with ConfigError, and what is a condition
// can be asked about a span, an event and a span without anything.
#include <cstdint>
#include <string_view>

#include "engine/api/span_table.h"
#include "plugins/sampler-tail/ottl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 4096) return 0;
  api::SpanTable table;
  table.AddProcess(1, "node", "shop", "/bin/shop", 7);
  for (int i = 0; i < 2; ++i) {
    const uint32_t row = table.AddRow();
    table.operation[row] = table.Intern("GET /cart");
    if (i == 1) continue;
    table.Attribute("a", int64_t{5});
    table.Attribute("b", "text");
  }
  const api::SpanView view = table.View();
  for (const auto context : {tail::OttlContext::kSpan, tail::OttlContext::kSpanEvent}) {
    try {
      const tail::OttlGetter condition = tail::ParseOttl(text, context);
      const tail::OttlEvent event{"exception", 1, {{"n", int64_t{3}}}};
      for (uint32_t row = 0; row < 2; ++row) {
        tail::OttlScope scope;
        scope.spans = &view.spans();
        scope.row = row;
        scope.event = &event;
        (void)tail::OttlText(condition(scope));
      }
    } catch (const sdk::ConfigError&) {
    }
  }
  return 0;
}
