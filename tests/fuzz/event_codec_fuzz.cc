// Feeds bytes to every decoder. The first byte says which one; a view that is handed out is then
// walked completely, so that an index that slipped through the checks is a sanitizer report.
#include <cstdint>
#include <string_view>

#include "engine/api/codec.h"
#include "engine/api/ledger_record.h"

namespace {

using namespace weft::api;

uint64_t WalkText(const weft_spans& s, uint32_t index) {
  uint64_t sum = s.strings[index].size;
  for (char c : View(s.strings[index])) sum += static_cast<unsigned char>(c);
  return sum;
}

uint64_t Walk(const SpanView& view) {
  const weft_spans& s = view.spans();
  SpanTable copy;
  RowCopier copier(s, copy);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < s.n; ++i) {
    copier.Copy(i);
    sum += WalkText(s, s.service[i]) + s.processes->process_id[s.process[i]];
  }
  return sum + copy.n();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  // The selector has a word of its own, so that corpus files keep the alignment of real records.
  const PayloadPtr payload =
      CopyPayload({reinterpret_cast<const char*>(data) + 8, (size - 8) / 8 * 8});
  uint64_t sum = 0;
  switch (data[0] % 10) {
    case 0:
      if (auto r = DecodeEvents(payload)) sum = Walk(r->spans);
      break;
    case 1:
      if (auto r = DecodeSpans(payload)) sum = Walk(r->spans);
      break;
    case 2: sum = DecodeLinks(payload).has_value(); break;
    case 3: sum = DecodeLabels(payload).has_value(); break;
    case 4: sum = DecodeDecisions(payload).has_value(); break;
    case 5: sum = DecodeState(payload).has_value(); break;
    case 8: sum = DecodeStageLedger(payload).has_value(); break;
    case 9: sum = DecodeAgentLedger(payload).has_value(); break;
    case 6: sum = DecodeAgentLost(payload).has_value(); break;
    default: sum = DecodeDead(payload).has_value(); break;
  }
  volatile uint64_t sink = sum;
  (void)sink;
  return 0;
}
