#include "sources/ebpf/protocols/redis/redis.h"

#include <algorithm>

#include "engine/api/plugin_abi.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/redis/commands.h"
#include "sources/ebpf/protocols/redis/reply_reader.h"
#include "sources/ebpf/protocols/redis/request_reader.h"
#include "sources/ebpf/protocols/redis/resp.h"

namespace weft::ebpf::redis {
namespace {

class RedisDialogue final : public Dialogue {
 public:
  explicit RedisDialogue(const ProtocolSet& set) : request_(set) {}

  Step ParseRequest(std::string_view bytes, bool cut, Exchange* out) override {
    return request_.Begin(bytes, cut, out);
  }

  Step ParseResponse(std::string_view bytes, bool cut, const Exchange* expected) override {
    Step step = reply_.Begin(bytes, cut);
    const bool log_begins =
        expected && SpecialOf(*expected) == Special::kMonitor && reply_.info().type == '+';
    if (step.outcome == Outcome::kDone && log_begins) step.outcome = Outcome::kEnd;
    return step;
  }

  Step Continue(MessageKind kind, std::string_view bytes, bool cut, Exchange* exchange) override {
    return kind == MessageKind::kRequest ? request_.Continue(bytes, cut, exchange)
                                         : reply_.Continue(bytes, cut);
  }

  bool EndsIn(MessageKind, uint64_t) const override { return false; }

  size_t Pair(const OpenExchanges& open, size_t count) override {
    const ReplyInfo& reply = reply_.info();
    const Special asked = count > 0 ? SpecialOf(open.front()) : Special::kNone;
    // In subscriber mode only these may be sent, so only before them can messages stand (RESP2;
    // RESP3 has its own type for pushes).
    const bool channels = asked == Special::kSubscribe || asked == Special::kUnsubscribe;
    const bool subscriber = channels || asked == Special::kSubscriber || asked == Special::kReset;
    const bool array = reply.type == '*' && (subscriber || count == 0);
    if (reply.type == '>' || (array && reply.channel != Channel::kNone)) {
      if (reply.channel == Channel::kConfirmation && IsFirstConfirmation(channels)) {
        confirmations_ = std::max<uint32_t>(ArgumentsOf(open.front()), 1) - 1;
        return Finish(&open.front());
      }
      if (reply.channel == Channel::kPong && asked == Special::kSubscriber)
        return Finish(&open.front());
      return kUnsolicited;
    }
    if (array && count > 0) return kUnsolicited;  // none of them is answered by an array
    if (count == 0) return kNoRequest;
    return Finish(&open.front());
  }

  void Resynchronised() override {
    confirmations_ = 0;
    request_.Resynchronised();
  }

 private:
  // One SUBSCRIBE of n channels is answered by n confirmations; the first ends the exchange.
  bool IsFirstConfirmation(bool channels_asked) {
    if (confirmations_ == 0) return channels_asked;
    --confirmations_;
    return false;
  }

  size_t Finish(Exchange* exchange) const {
    const ReplyInfo& reply = reply_.info();
    if (reply.error.empty()) return 0;
    exchange->status = WEFT_STATUS_ERROR;
    exchange->attributes.Add("db.response.status_code", reply.error);
    exchange->attributes.Add("error.type", reply.error);
    return 0;
  }

  RequestReader request_;
  ReplyReader reply_;
  uint32_t confirmations_ = 0;  // still to come for a request that was answered
};

// An array is a request if its first string is a command; replies may be arrays of strings too.
Guess RecogniseArray(std::string_view bytes, const Element& array, size_t used) {
  if (array.null || array.children == 0) return Guess::kWeakResponse;
  Element name;
  const Step step = ReadElement(bytes.substr(used), &name);
  if (step.outcome == Outcome::kNeedMore) return Guess::kMaybe;
  if (step.outcome == Outcome::kInvalid) return Guess::kNo;
  if (name.type != '$' || name.null) return Guess::kWeakResponse;
  if (name.text.size() + 2 < name.body) {
    return name.body > 34 ? Guess::kWeakResponse : Guess::kMaybe;
  }
  const Command* command = FindCommand(name.text);
  if (!command) return IsCommandToken(name.text) ? Guess::kWeakRequest : Guess::kWeakResponse;
  // "subscribe" is also the first word of its own confirmation, whose last element is a number.
  const bool ambiguous =
      command->special == Special::kSubscribe || command->special == Special::kUnsubscribe;
  return ambiguous && bytes.find("\r\n:") != std::string_view::npos ? Guess::kWeakResponse
                                                                    : Guess::kRequest;
}

Guess RecogniseInline(std::string_view bytes) {
  const size_t newline = bytes.find('\n');
  const std::string_view line = bytes.substr(0, newline);
  const size_t end = line.find_first_of(" \r");
  if (end == std::string_view::npos && newline == std::string_view::npos) return Guess::kNo;
  if (!FindCommand(line.substr(0, end))) return Guess::kNo;
  const bool printable = std::ranges::all_of(
      line, [](char c) { return c == '\r' || static_cast<unsigned char>(c) >= 0x20; });
  if (!printable) return Guess::kNo;
  return newline == std::string_view::npos ? Guess::kMaybe : Guess::kWeakRequest;
}

}  // namespace

uint8_t Redis::id() const { return WEFT_PROTOCOL_REDIS; }

Guess Redis::Recognise(std::string_view bytes) const {
  if (bytes.empty()) return Guess::kMaybe;
  if (IsAlpha(bytes[0])) return RecogniseInline(bytes);
  Element element;
  const Step step = ReadElement(bytes, &element);
  if (step.outcome == Outcome::kInvalid) return Guess::kNo;
  if (step.outcome == Outcome::kNeedMore) return Guess::kMaybe;
  if (element.type == '*') return RecogniseArray(bytes, element, step.used);
  return Guess::kWeakResponse;
}

bool Redis::MayBegin(MessageKind kind, std::string_view bytes) const {
  if (kind == MessageKind::kRequest) {
    const Guess guess = Recognise(bytes);
    return guess == Guess::kRequest || guess == Guess::kWeakRequest ||
           (guess == Guess::kMaybe && (bytes[0] == '*' || IsAlpha(bytes[0])));
  }
  Element element;
  return ReadElement(bytes, &element).outcome != Outcome::kInvalid;
}

std::unique_ptr<Dialogue> Redis::NewDialogue() const {
  return std::make_unique<RedisDialogue>(set_);
}

}  // namespace weft::ebpf::redis
