// What a replay that was ended before its recording leaves in its store.
//
// Requests that were under way at the end are decided by what was there: some begin traces of their
// own. Replayed again into the same store the recording would put them where they belong, beside
// what stands there. So a store knows, in its ledger, of which recordings it has a part.
#pragma once

#include <string>

#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "sources/replay/recording.h"

namespace weft::cli {

// Before the store's ledger is written for the last time.
void NoteStoppedReplay(Metrics& metrics, const sources::RecordingHeader& recording);

// kInvalid, with the way out, where `db` has a part of it. A store that cannot be read passes: who
// writes to it says why.
Result<void> RefuseStoppedReplay(const std::string& db, const sources::RecordingHeader& recording);

}  // namespace weft::cli
