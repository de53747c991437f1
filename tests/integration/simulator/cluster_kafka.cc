// What a transport over Kafka does differently from memory: a commit takes a while, may be aborted
// and tried again with the same bytes; whoever dies meanwhile leaves it in doubt, and the next
// owner waits until it is decided (the last stable offset); partitions are given back in good
// order; and offsets have holes (GappedOwner).
#include <utility>

#include "tests/integration/simulator/cluster.h"

namespace weft::sim {

namespace {
constexpr int kLongestLeave = 20;  // rounds; then it is taken over as it is
}

// False: somebody else's turn. What was computed is being committed, or is in doubt.
template <typename Member>
bool Cluster::PassKafka(uint32_t partition, Member& member) {
  if (!schedule_.kafka) return true;
  if (member.orphan_rounds > 0) {
    if (--member.orphan_rounds > 0) return false;
    if (member.pending && Chance() < 0.5)  // it had been committed: only the answer was lost
      Expect(member.owner->Commit(std::move(*member.pending)).has_value(),
             "commit in doubt failed");
    TakeOver(partition, member);
    return false;
  }
  if (!member.pending) return true;
  if (Dies()) {
    ++kills_;
    member.orphan_rounds = 1 + static_cast<int>(random_() % 10);
  } else if (drained_ || Chance() < 0.5) {  // else aborted, or still under way
    if (watch_wire_ != 0) Watch(partition, *member.pending);
    Expect(member.owner->Commit(std::move(*member.pending)).has_value(), "commit failed");
    member.pending.reset();
    Committed(member);
    if (Left(member)) TakeOver(partition, member);
  }
  return false;
}

// A step with nothing to commit goes on at once.
template <typename Member>
void Cluster::BeginCommit(Member& member, transport::Transaction transaction) {
  if (!transaction.out.empty() || transaction.commit_offset || member.leaving > 0)
    member.pending = std::move(transaction);
  else
    Committed(member);
}

void Cluster::Committed(StitchMember&) {}
void Cluster::Committed(TraceMember& member) {
  for (auto& batch : member.stage->TakeExports()) member.queue.push_back(std::move(batch));
  Export(member);
}

bool Cluster::Left(const StitchMember& member) { return member.leaving > 0; }
bool Cluster::Left(const TraceMember& member) {
  // Not before a step has noted what is durable.
  return member.leaving > 1 && (!member.stage->InFlight() || member.leaving > kLongestLeave);
}

bool Cluster::Leaves() { return !calm_ && Chance() < schedule_.move; }

void Cluster::Leave(StitchMember& member) {
  member.leaving = 1;
  ++moves_;
  member.stage->Cancel();
  member.stage->SaveStates();
}
void Cluster::Leave(TraceMember& member) {
  member.leaving = 1;
  ++moves_;
  member.stage->Leave();
}

template bool Cluster::PassKafka(uint32_t, StitchMember&);
template bool Cluster::PassKafka(uint32_t, TraceMember&);
template void Cluster::BeginCommit(StitchMember&, transport::Transaction);
template void Cluster::BeginCommit(TraceMember&, transport::Transaction);

}  // namespace weft::sim
