#include "sources/replay/foreign_rows.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "engine/base/ascii.h"
#include "engine/base/hash.h"

namespace weft::sources {
namespace {

constexpr size_t kComplaints = 20;

bool Hex(std::string_view digits, uint64_t* out) {
  const auto [rest, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), *out, 16);
  return error == std::errc() && rest == digits.data() + digits.size() && digits[0] != '-';
}

uint64_t NotZero(uint64_t id) { return id == 0 ? 1 : id; }

}  // namespace

api::TraceId TraceIdOf(std::string_view text) {
  api::TraceId id;
  if (text.empty()) return id;
  const size_t low = text.size() > 16 ? text.size() - 16 : 0;
  if (text.size() <= 32 && (low == 0 || Hex(text.substr(0, low), &id.hi)) &&
      Hex(text.substr(low), &id.lo))
    return id;
  const uint64_t hash = HashText(text);
  return {NotZero(Mix64(hash)), NotZero(hash)};
}

uint64_t SpanIdOf(std::string_view text) {
  if (text.empty()) return 0;
  uint64_t id = 0;
  if (text.size() <= 16 && Hex(text, &id)) return id;
  return NotZero(HashText(text));
}

uint64_t SpanKindOf(std::string_view name) {
  constexpr std::string_view kPrefix = "SPAN_KIND_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  if (EqualsNoCase(name, "server")) return WEFT_KIND_SERVER;
  if (EqualsNoCase(name, "client")) return WEFT_KIND_CLIENT;
  if (EqualsNoCase(name, "producer")) return WEFT_KIND_PRODUCER;
  if (EqualsNoCase(name, "consumer")) return WEFT_KIND_CONSUMER;
  return WEFT_KIND_INTERNAL;
}

ForeignRows::ForeignRows(std::string file, TraceFile::Totals& totals)
    : file_(std::move(file)), totals_(totals) {}

void ForeignRows::Begin(api::SpanTable& out) {
  out_ = &out;
  rows_ = std::make_unique<otlp::OtlpRows>(out);
}

void ForeignRows::Service(std::string_view name) {
  rows_->Resource();
  if (!name.empty()) rows_->ResourceAttribute("service.name", {WEFT_ATTR_STRING, name, 0});
  rows_->EndResource();
}

bool ForeignRows::Add(const otlp::Span& span, std::string_view peer, uint64_t line) {
  if (!rows_->AddSpan(span)) {
    Malformed(line, "a span without valid ids or times");
    return false;
  }
  if (!peer.empty()) out_->peer.back() = out_->Intern(peer);
  ++totals_.spans;
  return true;
}

void ForeignRows::Attribute(std::string_view key, const otlp::Value& value) {
  rows_->Attribute(rows_->Pair(key, value));
}

void ForeignRows::Malformed(uint64_t line, std::string_view reason) {
  ++totals_.malformed;
  if (totals_.complaints.size() < kComplaints)
    totals_.complaints.push_back(fmt::format("{}:{}: {}", file_, line, reason));
}

}  // namespace weft::sources
