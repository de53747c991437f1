#include "sources/ebpf/protocols/http1/http1.h"

#include "engine/api/plugin_abi.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/http1/chunks.h"
#include "sources/ebpf/protocols/http1/describe.h"
#include "sources/ebpf/protocols/http1/head.h"
#include "sources/ebpf/protocols/http1/head_memory.h"

namespace weft::ebpf::http1 {
namespace {

// What later messages need to know about a request; kept in Exchange::tag.
enum RequestTag : uint32_t { kOrdinary = 0, kHead = 1, kConnect = 2 };

class Http1Dialogue final : public Dialogue {
 public:
  Http1Dialogue(const ProtocolSet& set, Memory& memory)
      : set_(set), memory_(memory), heads_(set.heads()), response_(set) {}

  Step ParseRequest(std::string_view bytes, bool cut, Exchange* out) override {
    heads_.walk.Forget();
    // Span names depend on the process, attributes on the direction.
    const uint64_t whose = kRequests | uint64_t{out->request.first.pid} << 1 |
                           static_cast<uint64_t>(out->request_direction);
    if (KnownHead* const known = heads_.heads.Find(whose, bytes)) {
      heads_.walk.BeginKnown(bytes, known);
      known->Write(out);
      out->protocol = WEFT_PROTOCOL_HTTP1;
      return RequestBody(bytes, cut, {Outcome::kDone, known->text.size(), 0, 0}, known->framing);
    }
    StartLine line;
    Step step = ReadRequestLine(bytes, cut, &line);
    if (step.outcome != Outcome::kDone) return step;
    Framing framing;
    RequestDescriber describe(set_, memory_.urls, memory_.servers, line, out);
    heads_.walk.Begin(bytes.substr(step.lead), line);
    FieldCursor fields(bytes, step.used, heads_.known);
    bool unique = false;
    const FieldCursor::Item last =
        line.cut ? FieldCursor::Item::kNeedMore : ReadFields(&fields, &framing, &describe, &unique);
    if (last == FieldCursor::Item::kInvalid) return {};
    if (last == FieldCursor::Item::kNeedMore && !cut) return {Outcome::kNeedMore, 0, 0, step.lead};
    describe.Finish();
    out->protocol = WEFT_PROTOCOL_HTTP1;
    out->tag = line.method == "HEAD" ? kHead : line.method == "CONNECT" ? kConnect : kOrdinary;
    step.used = fields.position();
    if (last != FieldCursor::Item::kEnd) {
      step.used = bytes.size();
      step.outcome = Outcome::kSkip;
      step.skip = kUntilNext;
      return step;
    }
    if (step.lead == 0 && !unique) {
      if (KnownHead* const known = heads_.heads.Offer(whose, bytes, step.used)) {
        known->KeepRequest(*out, framing);
        heads_.walk.Keep(known);
      }
    }
    return RequestBody(bytes, cut, step, framing);
  }

  Step ParseResponse(std::string_view bytes, bool cut, const Exchange* expected) override {
    heads_.walk.Forget();
    if (KnownHead* const known = heads_.heads.Find(kResponses, bytes)) {
      heads_.walk.BeginKnown(bytes, known);
      response_.Begin(*known);
      status_ = known->status;
      return ResponseBody(bytes, cut, {Outcome::kDone, known->text.size(), 0, 0}, known->framing,
                          true, expected);
    }
    StartLine line;
    Step step = ReadStatusLine(bytes, cut, &line);
    if (step.outcome != Outcome::kDone) return step;
    Framing framing;
    response_.Begin(line);
    heads_.walk.Begin(bytes.substr(step.lead), line);
    FieldCursor fields(bytes, step.used, heads_.known);
    bool unique = false;
    const FieldCursor::Item last = ReadFields(&fields, &framing, &response_, &unique);
    if (last == FieldCursor::Item::kInvalid) return {};
    if (last == FieldCursor::Item::kNeedMore && !cut) return {Outcome::kNeedMore, 0, 0, step.lead};
    status_ = line.status;
    const bool whole = last == FieldCursor::Item::kEnd;
    step.used = whole ? fields.position() : bytes.size();
    if (whole && step.lead == 0 && !unique) {
      if (KnownHead* const known = heads_.heads.Offer(kResponses, bytes, step.used)) {
        response_.Keep(framing, known);
        heads_.walk.Keep(known);
      }
    }
    return ResponseBody(bytes, cut, step, framing, whole, expected);
  }

  Step Continue(MessageKind kind, std::string_view bytes, bool cut, Exchange*) override {
    return chunks(kind).Read(bytes, cut);
  }

  bool EndsIn(MessageKind kind, uint64_t missing) const override {
    return (kind == MessageKind::kRequest ? request_chunks_ : response_chunks_).EndsIn(missing);
  }

  size_t Pair(const OpenExchanges& open, size_t count) override {
    if (status_ < 200 && status_ != 101) return kInterim;
    if (count == 0) return kNoRequest;
    response_.Finish(&open.front());
    return 0;
  }

 private:
  // Whose heads are known: the rest is of the process and the direction.
  static constexpr uint64_t kResponses = 0, kRequests = uint64_t{1} << 63;

  // `step`: the head that was read.
  Step RequestBody(std::string_view bytes, bool cut, Step step, const Framing& framing) {
    if (framing.broken()) return {Outcome::kSkip, bytes.size(), kUntilNext, step.lead};
    if (framing.chunked()) return Chunked(MessageKind::kRequest, bytes, cut, step);
    step.skip = framing.length();  // no framing field: no body (RFC 9112, section 6.3, 7)
    return step;
  }

  // The same; `whole`: to its end.
  Step ResponseBody(std::string_view bytes, bool cut, Step step, const Framing& framing, bool whole,
                    const Exchange* expected) {
    const uint32_t request = expected ? expected->tag : kOrdinary;
    const bool no_body =
        status_ < 200 || status_ == 204 || status_ == 304 || (expected && request == kHead);
    if (status_ == 101 || (request == kConnect && status_ / 100 == 2)) {
      step.outcome = Outcome::kEnd;
    } else if (!whole) {
      step = {Outcome::kSkip, bytes.size(), kUntilNext, step.lead};
    } else if (no_body) {
      step.skip = 0;
    } else if (framing.broken()) {
      step = {Outcome::kSkip, bytes.size(), kUntilNext, step.lead};
    } else if (framing.chunked()) {
      return Chunked(MessageKind::kResponse, bytes, cut, step);
    } else if (framing.has_length()) {
      step.skip = framing.length();
    } else {
      step.outcome = Outcome::kSkip;  // until the connection closes
      step.skip = kUntilNext;
    }
    return step;
  }

  // `unique`: whether the head is not worth remembering.
  template <typename Sink>
  FieldCursor::Item ReadFields(FieldCursor* fields, Framing* framing, Sink* sink,
                               bool* unique) const {
    const bool configured = !set_.header_keys().empty(), walk = set_.tokens() != nullptr;
    FieldCursor::Item item;
    while ((item = fields->Next()) == FieldCursor::Item::kField) {
      const FieldName name = fields->which();
      if (name == FieldName::kContentLength || name == FieldName::kTransferEncoding)
        framing->Field(name, fields->value());
      if (name != FieldName::kOther || configured)
        sink->Field(name, fields->name(), fields->value());
      *unique |= IsUnique(name);
      if (walk) heads_.walk.Add(*fields, fields->line_is_new());
    }
    heads_.walk.End(fields->read_to(), item == FieldCursor::Item::kEnd);
    return item;
  }

  ChunkReader& chunks(MessageKind kind) {
    return kind == MessageKind::kRequest ? request_chunks_ : response_chunks_;
  }

  // The head is read; goes into the chunks as far as they were captured with it.
  Step Chunked(MessageKind kind, std::string_view bytes, bool cut, Step head) {
    chunks(kind).Begin();
    Step body = chunks(kind).Read(bytes.substr(head.used), cut);
    if (body.outcome == Outcome::kNeedMore || body.outcome == Outcome::kInvalid) {
      // The head stands; Continue decides about the rest.
      chunks(kind).Begin();
      return {Outcome::kSkip, head.used, 0, head.lead};
    }
    return {body.outcome, head.used + body.used, body.skip, head.lead};
  }

  const ProtocolSet& set_;
  Memory& memory_;
  HeadMemory& heads_;
  ResponseDescriber response_;
  int status_ = 0;
  ChunkReader request_chunks_, response_chunks_;
};

}  // namespace

uint8_t Http1::id() const { return WEFT_PROTOCOL_HTTP1; }

Guess Http1::Recognise(std::string_view bytes) const {
  StartLine line;
  const Step response = ReadStatusLine(bytes, false, &line);
  if (response.outcome == Outcome::kDone) return Guess::kResponse;
  const Step request = ReadRequestLine(bytes, false, &line);
  if (request.outcome == Outcome::kDone)
    return IsRegisteredMethod(line.method) ? Guess::kRequest : Guess::kWeakRequest;
  // The long target of a request whose first line was not captured whole.
  if (bytes.size() >= 256 && ReadRequestLine(bytes, true, &line).outcome == Outcome::kDone)
    return Guess::kRequest;
  const bool maybe =
      response.outcome == Outcome::kNeedMore || request.outcome == Outcome::kNeedMore;
  return maybe ? Guess::kMaybe : Guess::kNo;
}

bool Http1::MayBegin(MessageKind kind, std::string_view bytes) const {
  StartLine line;
  const Step step = kind == MessageKind::kRequest ? ReadRequestLine(bytes, false, &line)
                                                  : ReadStatusLine(bytes, false, &line);
  if (step.outcome == Outcome::kNeedMore) {
    return kind == MessageKind::kResponse || line.target.empty() || IsRegisteredMethod(line.method);
  }
  return step.outcome == Outcome::kDone;
}

std::unique_ptr<Dialogue> Http1::NewDialogue() const {
  return std::make_unique<Http1Dialogue>(set_, shared_);
}

}  // namespace weft::ebpf::http1
