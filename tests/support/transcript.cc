#include "tests/support/transcript.h"

#include <charconv>
#include <sstream>

#include "engine/api/plugin_abi.h"

namespace weft::testing {
namespace {

using ebpf::Direction;
using ebpf::Exchange;

bool Unquote(std::string_view* line, std::string* out) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
  };
  size_t i = 1;
  for (; i < line->size() && (*line)[i] != '"'; ++i) {
    char c = (*line)[i];
    if (c == '\\' && i + 1 < line->size()) {
      c = (*line)[++i];
      if (c == 'r')
        c = '\r';
      else if (c == 'n')
        c = '\n';
      else if (c == 't')
        c = '\t';
      else if (c == 'x' && i + 2 < line->size() && hex((*line)[i + 1]) >= 0 &&
               hex((*line)[i + 2]) >= 0) {
        c = static_cast<char>(hex((*line)[i + 1]) * 16 + hex((*line)[i + 2]));
        i += 2;
      }
    }
    out->push_back(c);
  }
  if (i >= line->size()) return false;
  line->remove_prefix(i + 1);
  return true;
}

bool ParseNumber(std::string_view text, uint64_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseSetting(std::string_view what, Transcript* t) {
  if (what == "joined")
    t->joined = true;
  else if (what == "truth")
    t->settings.capture_truth = true;
  else if (what == "arguments")
    t->settings.redis_arguments = true;
  else if (what.starts_with("header "))
    t->settings.headers.emplace_back(what.substr(7));
  else
    return false;
  return true;
}

bool ParseSegment(std::string_view line, Transcript* t) {
  Event event;
  event.direction = line[0] == '<' ? Direction::kReceived : Direction::kSent;
  line.remove_prefix(2);
  if (line == "fin") {
    event.kind = Event::Kind::kFin;
  } else if (line.starts_with("lost ")) {
    event.kind = Event::Kind::kLost;
    if (!ParseNumber(line.substr(5), &event.n)) return false;
  } else {
    if (!line.starts_with('"') || !Unquote(&line, &event.bytes)) return false;
    if (line.starts_with(" +") && !ParseNumber(line.substr(2), &event.n)) return false;
  }
  t->events.push_back(std::move(event));
  return true;
}

bool ParseLine(std::string_view line, Transcript* t) {
  if (line.empty() || line[0] == '#') return true;
  if (line.starts_with("set ")) return ParseSetting(line.substr(4), t);
  if (line.starts_with("< ") || line.starts_with("> ")) return ParseSegment(line, t);
  if (line[0] == '"' && !t->events.empty()) {
    if (!Unquote(&line, &t->events.back().bytes)) return false;
    return line.empty() ||
           (line.starts_with(" +") && ParseNumber(line.substr(2), &t->events.back().n));
  }
  Event event;
  if (line == "end") {
    event.kind = Event::Kind::kEnd;
  } else if (line.starts_with("wait ") && ParseNumber(line.substr(5), &event.n)) {
    event.kind = Event::Kind::kWait;
  } else {
    return false;
  }
  t->events.push_back(std::move(event));
  return true;
}

std::string Describe(const Exchange& e) {
  std::ostringstream out;
  const bool server = e.request_direction == Direction::kReceived;
  out << (server ? "SERVER " : "CLIENT ") << e.operation << "\n  request " << e.request.begin << '-'
      << e.request.end;
  if (e.has_response) out << ", response " << e.response.begin << '-' << e.response.end;
  if (!e.has_response) out << ", no response";
  if (e.pipelined) out << ", pipelined";
  if (e.incomplete) out << ", incomplete";
  if (e.aborted) out << ", aborted";
  if (e.one_way) out << ", one way";
  if (e.status == WEFT_STATUS_ERROR) out << ", error";
  out << '\n';
  if (!e.peer.empty()) out << "  peer " << e.peer << '\n';
  if (!e.request_id.empty()) out << "  request id " << e.request_id << '\n';
  if (!e.truth.empty()) out << "  truth " << e.truth << '\n';
  if (e.context.valid()) {
    out << "  context " << std::hex << e.context.trace_hi << ' ' << e.context.trace_lo << ' '
        << e.context.span_id << std::dec << (e.context.sampled ? " sampled" : "");
    if (!e.trace_state.empty()) out << " state " << e.trace_state;
    out << '\n';
  }
  for (const auto& item : e.attributes.items()) {
    out << "  " << item.key << " = ";
    if (item.is_number)
      out << item.number << '\n';
    else
      out << Quote(e.attributes.Text(item)) << '\n';
  }
  return out.str();
}

class Collector : public ebpf::ExchangeSink {
 public:
  void OnClosed(const Exchange& e) override {
    found.push_back({e.request_direction, e.request.begin, e.request.end, e.response.begin,
                     e.response.end, e.has_response, e.incomplete, e.operation, Describe(e)});
  }
  std::vector<Found> found;
};

}  // namespace

std::string Quote(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' || c == '\\')
      out.append("\\").push_back(c);
    else if (u >= 0x20 && u < 0x7f)
      out.push_back(c);
    else
      out.append("\\x").append({kDigits[u >> 4], kDigits[u & 15]});
  }
  return out + '"';
}

Result<Transcript> ParseTranscript(std::string_view text) {
  Transcript transcript;
  int number = 0;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    ++number;
    if (!ParseLine(line, &transcript))
      return Fail(Code::kInvalid, "line " + std::to_string(number) + ": " + std::string(line));
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return transcript;
}

std::vector<Found> Play(const Transcript& transcript, std::string* ledger) {
  Metrics metrics;
  const ebpf::ProtocolSet set(transcript.settings, metrics);
  Collector sink;
  ebpf::Conversation conversation(set, sink, !transcript.joined);
  uint64_t position[2] = {1000, 5000};
  if (!transcript.joined) {
    conversation.StartsAt(Direction::kReceived, position[0]);
    conversation.StartsAt(Direction::kSent, position[1]);
  }
  ebpf::Mark mark{.time_ns = 0, .pid = 7, .tid = 8, .fd = 9};
  for (const Event& event : transcript.events) {
    uint64_t& at = position[static_cast<size_t>(event.direction)];
    mark.time_ns += 1'000'000;
    switch (event.kind) {
      case Event::Kind::kBytes: {
        // A copy of its own, so that a sanitizer sees every byte read beyond the end.
        const std::string exact(event.bytes);
        const std::vector<char> bytes(exact.begin(), exact.end());
        conversation.Feed(event.direction,
                          {at, {bytes.data(), bytes.size()}, bytes.size() + event.n, mark});
        at += bytes.size() + event.n;
        break;
      }
      case Event::Kind::kLost: at += event.n; break;
      case Event::Kind::kFin: conversation.EndDirection(event.direction, mark); break;
      case Event::Kind::kEnd: conversation.End(mark); break;
      case Event::Kind::kWait: mark.time_ns += static_cast<int64_t>(event.n) * 1'000'000; break;
    }
  }
  if (ledger) {
    std::ostringstream out;
    for (size_t i = 0; i < conversation.open_count(); ++i)
      out << "open: " << Describe(conversation.open(i));
    for (const auto& [name, value] : metrics.Snapshot())
      if (value != 0) out << name << ' ' << value << '\n';
    *ledger = out.str();
  }
  return std::move(sink.found);
}

}  // namespace weft::testing
