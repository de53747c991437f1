// CopyStore: a consistent copy of a store while others write to it; for `weft snapshot`.
//
// One thread. A read transaction pins the state that is copied, so that writers neither wait nor
// make the copy begin anew; their log cannot be emptied past it meanwhile, and grows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/base/result.h"

namespace weft::sql {

// The copy's size. It is one file, with mode 0600, without a log; it gets its name when it is whole
// and on disk (PartFile), and where it fails nothing is left. `go_on` is told the bytes done and of
// all now and then, and false ends with kCancelled. kInvalid where `to` is there already; kFull.
Result<uint64_t> CopyStore(const std::string& from, const std::string& to,
                           const std::function<bool(uint64_t done, uint64_t all)>& go_on);

}  // namespace weft::sql
