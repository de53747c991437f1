#include "engine/eval/measured_chain.h"

#include <algorithm>
#include <ctime>

#include <malloc.h>

namespace weft::eval {
namespace {

// Of this thread: machines that measure also do other things.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int64_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<int64_t>(heap.uordblks + heap.hblkhd);
}

}  // namespace

struct MeasuredChain::Measured {
  MeasuredChain* chain;
  stitch::ChainLink link;
  weft_correlator table;
};

// One call of a correlator, from construction to destruction.
class MeasuredChain::Call {
 public:
  explicit Call(MeasuredChain& chain) : chain_(chain), heap_(HeapBytes()), begun_(CpuSeconds()) {}
  ~Call() {
    chain_.seconds_ += CpuSeconds() - begun_;
    chain_.held_bytes_ += HeapBytes() - heap_;
    chain_.peak_bytes_ = std::max(chain_.peak_bytes_,
                                  static_cast<uint64_t>(std::max<int64_t>(chain_.held_bytes_, 0)));
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  MeasuredChain& chain_;
  const int64_t heap_;
  const double begun_;
};

MeasuredChain::MeasuredChain(const std::vector<stitch::ChainLink>& chain) {
  for (const stitch::ChainLink& link : chain) {
    auto measured = std::make_unique<Measured>(Measured{this, link, *link.table});
    weft_correlator& table = measured->table;
    table.correlate = [](void* self, const weft_spans* window, weft_candidates* io,
                         weft_error* error) noexcept {
      const auto& m = *static_cast<Measured*>(self);
      const Call call(*m.chain);
      return m.link.table->correlate(m.link.instance, window, io, error);
    };
    if (table.learn != nullptr)
      table.learn = [](void* self, const weft_spans* window, const weft_links* links,
                       weft_error* error) noexcept {
        const auto& m = *static_cast<Measured*>(self);
        const Call call(*m.chain);
        return m.link.table->learn(m.link.instance, window, links, error);
      };
    if (table.forget != nullptr)
      table.forget = [](void* self, uint64_t process_id) noexcept {
        const auto& m = *static_cast<Measured*>(self);
        m.link.table->forget(m.link.instance, process_id);
      };
    // Nobody takes over here.
    table.save = nullptr;
    table.load = nullptr;
    measured_.push_back(std::move(measured));
  }
}

MeasuredChain::~MeasuredChain() = default;

std::vector<stitch::ChainLink> MeasuredChain::Links() const {
  std::vector<stitch::ChainLink> links;
  for (const auto& measured : measured_)
    links.push_back({measured->link.name, &measured->table, measured.get()});
  return links;
}

}  // namespace weft::eval
