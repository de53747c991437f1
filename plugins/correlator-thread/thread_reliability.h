// ThreadReliability: how much an equal thread id says about one callee of one process.
//
// Two rates are learned: how often the true parent's request was read by the thread that wrote the
// call, and how often another request's was. Their ratio is the voice: large with a thread per
// request, 1 in an event loop (everything is on one thread) and behind a worker pool (nothing is).
// Counts fade, so that a server which changes its threads is learned anew. Plain data.
#pragma once

namespace weft::plugins {

struct ThreadReliability {
  float true_match = 0, true_seen = 0;    // parents whose thread matched, parents seen
  float other_match = 0, other_seen = 0;  // the same for requests that were not the parent

  void Parent(bool match, float weight);
  void Others(float matches, float seen);  // as weights

  // Log-odds for a candidate on the call's thread that no later request has taken, for one on
  // another thread, and for one on the call's thread that has begun a later request since.
  struct Voices {
    float match, mismatch, superseded;
  };
  Voices Weigh() const;

 private:
  void Fade();
};

}  // namespace weft::plugins
