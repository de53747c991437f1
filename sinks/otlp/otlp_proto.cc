#include "sinks/otlp/otlp_proto.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/api/dictionary.h"
#include "sinks/otlp/attribute_pool.h"
#include "sinks/otlp/proto_text.h"

namespace weft::sinks {
namespace {

using namespace proto;  // of this folder

template <typename T>
T At(const T* column, uint32_t row) {
  return column ? column[row] : T{};
}

}  // namespace

class OtlpProto::Impl {
 public:
  void Begin(const weft_spans& spans) {
    spans_ = &spans;
    pool_.Begin(spans);
    resources_.assign(spans.processes != nullptr ? spans.processes->n : 0, {});
  }

  void Append(std::span<const uint32_t> rows, std::string* out) {
    places_.clear();
    for (const uint32_t row : rows) places_.push_back(PlaceOf(row));
    std::ranges::sort(places_, {}, [](const Place& p) {
      return std::tie(p.process, p.scope, p.version, p.order);
    });
    for (size_t i = 0; i < places_.size();) {
      group_.clear();
      const Place& first = places_[i];
      for (; i < places_.size() && places_[i].process == first.process &&
             places_[i].scope == first.scope && places_[i].version == first.version;
           ++i)
        AppendSpan(places_[i].row);
      AppendGroup(first, *out);
    }
  }

 private:
  // Which group a row belongs to. The scope is a pair's number plus one, 0: weft itself.
  struct Place {
    uint32_t process, scope, version, order, row;
  };

  Place PlaceOf(uint32_t row) {
    Place place{spans_->process[row], 0, 0, static_cast<uint32_t>(places_.size()), row};
    if ((spans_->flags[row] & WEFT_FLAG_REPORTED) == 0 || spans_->attr_offset == nullptr)
      return place;
    for (uint32_t a = spans_->attr_offset[row]; a < spans_->attr_offset[row + 1]; ++a) {
      const Role role = pool_.Get(spans_->attr[a]).role;
      if (role == Role::kScopeName) place.scope = spans_->attr[a] + 1;
      if (role == Role::kScopeVersion) place.version = spans_->attr[a] + 1;
    }
    return place;
  }

  void AppendGroup(const Place& place, std::string& out) {
    scope_.clear();
    const bool reported = (spans_->flags[place.row] & WEFT_FLAG_REPORTED) != 0;
    if (place.scope != 0)
      AppendBytes(scope_, 1, pool_.Text(place.scope - 1));
    else if (!reported)
      AppendBytes(scope_, 1, "weft");
    if (place.version != 0) AppendBytes(scope_, 2, pool_.Text(place.version - 1));
    const std::string_view resource = ResourceOf(place.process);
    const size_t scope_spans = BytesSize(scope_.size()) + group_.size();
    AppendHeader(out, 1, BytesSize(resource.size()) + BytesSize(scope_spans));
    AppendBytes(out, 1, resource);
    AppendHeader(out, 2, scope_spans);
    AppendBytes(out, 1, scope_);
    out.append(group_);
  }

  const std::string& ResourceOf(uint32_t process) {
    static const std::string kNone;
    if (process >= resources_.size()) return kNone;
    std::string& out = resources_[process];
    if (!out.empty()) return out;
    const weft_processes& p = *spans_->processes;
    const auto text = [&](std::string_view key, const uint32_t* column) {
      if (const uint32_t at = At(column, process); at != 0)
        AppendTextAttribute(out, 1, key, pool_.Valid(at));
    };
    text("service.name", p.service);
    text("host.name", p.host);
    text("process.executable.path", p.executable);
    if (const uint32_t pid = At(p.pid, process); pid != 0)
      AppendIntAttribute(out, 1, "process.pid", pid);
    for (uint32_t a = p.attr_offset ? p.attr_offset[process] : 0;
         p.attr_offset && a < p.attr_offset[process + 1]; ++a) {
      const size_t at = out.size();
      out.append(pool_.Bytes(pool_.Get(p.attr[a])));
      if (out.size() > at) out[at] = BytesTag(1);  // of a resource, not of a span
    }
    return out;
  }

  void AppendSpan(uint32_t row) {
    span_.clear();
    AppendHeader(span_, 1, 16);
    AppendBigEndian(span_, At(spans_->trace_hi, row));
    AppendBigEndian(span_, At(spans_->trace_lo, row));
    AppendHeader(span_, 2, 8);
    AppendBigEndian(span_, spans_->span_id[row]);
    if (const uint64_t parent = At(spans_->parent_id, row); parent != 0) {
      AppendHeader(span_, 4, 8);
      AppendBigEndian(span_, parent);
    }
    AppendBytes(span_, 5, pool_.Valid(spans_->operation[row]));
    AppendNumber(span_, 6, spans_->kind[row]);
    AppendFixed64(span_, 7, static_cast<uint64_t>(spans_->start_ns[row]));
    AppendFixed64(span_, 8, static_cast<uint64_t>(spans_->end_ns[row]));
    uint8_t told = 0;
    uint32_t status_text = WEFT_NONE;
    if (spans_->attr_offset != nullptr)
      for (uint32_t a = spans_->attr_offset[row]; a < spans_->attr_offset[row + 1]; ++a) {
        const AttributePool::Entry& entry = pool_.Get(spans_->attr[a]);
        told |= entry.fact;
        if (entry.role == Role::kPlain)
          span_.append(pool_.Bytes(entry));
        else if (entry.role == Role::kStatusText)
          status_text = spans_->attr[a];
        else
          AppendOther(entry, spans_->attr[a]);
      }
    AppendFacts(row, told);
    if (const uint8_t status = At(spans_->status, row); status != 0) {
      const std::string_view text =
          status_text != WEFT_NONE ? pool_.Text(status_text) : std::string_view{};
      AppendHeader(span_, 15, 2 + (text.empty() ? 0 : BytesSize(text.size())));
      if (!text.empty()) AppendBytes(span_, 2, text);
      AppendNumber(span_, 3, status);
    }
    // W3C's trace flags; a fixed32.
    if ((spans_->flags[row] & WEFT_FLAG_SAMPLED) != 0) span_.append("\x85\x01\x01\0\0\0", 6);
    AppendBytes(group_, 2, span_);
  }

  void AppendOther(const AttributePool::Entry& entry, uint32_t pair) {
    switch (entry.role) {
      case Role::kTraceState: AppendBytes(span_, 3, pool_.Text(pair)); break;
      case Role::kEvents:
      case Role::kLinks: span_.append(pool_.Bytes(entry)); break;
      case Role::kDroppedAttributes: AppendNumber(span_, 10, Count(pair)); break;
      case Role::kDroppedEvents: AppendNumber(span_, 12, Count(pair)); break;
      case Role::kDroppedLinks: AppendNumber(span_, 14, Count(pair)); break;
      default: break;  // the scope is the group's
    }
  }
  uint64_t Count(uint32_t pair) const { return std::min<uint64_t>(pool_.Bits(pair), UINT32_MAX); }

  // What the columns know, except where the span's own attributes say it.
  void AppendFacts(uint32_t row, uint8_t told) {
    const auto text = [&](Fact fact, std::string_view key, const uint32_t* column) {
      if (const uint32_t at = At(column, row); at != 0 && (told & fact) == 0)
        AppendTextAttribute(span_, 9, key, pool_.Valid(at));
    };
    const auto number = [&](uint8_t fact, std::string_view key, uint64_t value) {
      if (value != 0 && (told & fact) == 0) AppendIntAttribute(span_, 9, key, value);
    };
    text(kLocalAddress, "network.local.address", spans_->local_address);
    number(kLocalPort, "network.local.port", At(spans_->local_port, row));
    text(kPeerAddress, "network.peer.address", spans_->remote_address);
    number(kPeerPort, "network.peer.port", At(spans_->remote_port, row));
    number(kThread, "thread.id", At(spans_->request_tid, row));
    number(0, "weft.response_thread.id", At(spans_->response_tid, row));
    number(0, "weft.fd", static_cast<uint64_t>(int64_t{At(spans_->fd, row)}));
    number(0, "weft.request.bytes", At(spans_->request_bytes, row));
    number(0, "weft.response.bytes", At(spans_->response_bytes, row));
    number(0, "weft.flags", spans_->flags[row]);
    number(0, "weft.link.evidence", At(spans_->evidence, row));
    if (const float confidence = At(spans_->confidence, row); confidence > 0)
      AppendDoubleAttribute(span_, 9, "weft.link.confidence", static_cast<double>(confidence));
    if (spans_->truth != nullptr && spans_->truth[row] != 0)
      AppendTextAttribute(span_, 9, "weft.truth",
                          api::View(spans_->truth_strings[spans_->truth[row]]));
  }

  const weft_spans* spans_ = nullptr;
  AttributePool pool_;
  std::vector<std::string> resources_;  // by process; made on first use
  std::vector<Place> places_;
  std::string span_, group_, scope_;
};

OtlpProto::OtlpProto() : impl_(std::make_unique<Impl>()) {}
OtlpProto::~OtlpProto() = default;
void OtlpProto::Begin(const weft_spans& spans) { impl_->Begin(spans); }
void OtlpProto::Append(std::span<const uint32_t> rows, std::string* out) {
  impl_->Append(rows, out);
}

}  // namespace weft::sinks
