// ScoreStores: the links of databases against the truth that was captured with their spans.
#pragma once

#include <string_view>

#include "engine/cli/command.h"
#include "engine/cli/store_option.h"

namespace weft::cli {

// `roots`: "" or "rA-rB". Prints, and gives an exit code.
Result<int> ScoreStores(const StoreNames& names, std::string_view roots, bool json,
                        CommandContext& context);

}  // namespace weft::cli
