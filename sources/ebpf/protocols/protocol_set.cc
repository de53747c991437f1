#include "sources/ebpf/protocols/protocol_set.h"

#include <utility>

#include "engine/base/ascii.h"
#include "sources/ebpf/protocols/http1/http1.h"
#include "sources/ebpf/protocols/redis/redis.h"

namespace weft::ebpf {

ProtocolSet::ProtocolSet(ProtocolSettings settings, Metrics& metrics)
    : settings_(std::move(settings)),
      counters_{.exchanges = metrics.Get("protocols.exchanges"),
                .unanswered = metrics.Get("protocols.unanswered"),
                .incomplete = metrics.Get("protocols.incomplete"),
                .unpaired = metrics.Get("protocols.unpaired_responses"),
                .invalid = metrics.Get("protocols.invalid_heads"),
                .resyncs = metrics.Get("protocols.resyncs"),
                .lost_bytes = metrics.Get("protocols.lost_bytes"),
                .overflow = metrics.Get("protocols.overflow"),
                .context_invalid = metrics.Get("protocols.context_invalid"),
                .unrecognised = metrics.Get("protocols.unrecognised_connections")},
      redactor_(settings_.secret_names),
      names_(settings_.max_names) {
  open_budget_.limit = settings_.open_bytes_total;
  for (const std::string& header : settings_.headers) {
    std::string name;
    for (char c : header) name.push_back(Lower(c));
    if (name == kTruthHeader) continue;  // ground truth is never an attribute
    header_keys_.push_back({name, "http.request.header." + name, "http.response.header." + name});
  }
  if (settings_.tokens) {
    std::vector<std::string> excluded = settings_.secret_names;
    excluded.insert(excluded.end(), settings_.token_exclude.begin(), settings_.token_exclude.end());
    tokens_ = std::make_unique<TokenReader>(settings_.token_salt, excluded, heads_);
  }
  // The order matters where two recognise the same bytes: the stricter one first.
  if (settings_.http1) protocols_.push_back(std::make_unique<http1::Http1>(*this));
  if (settings_.redis) protocols_.push_back(std::make_unique<redis::Redis>(*this));
}

ProtocolSet::~ProtocolSet() = default;

}  // namespace weft::ebpf
