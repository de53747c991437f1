// TopScreen: the text of `weft top`, as lines that fit the terminal.
//
// One endpoint has a paragraph; of several a table comes first, as a person looks there for the one
// that is ill. Facts go on in the next line where the terminal is narrow, tables lose their last
// columns (the least important ones), so that numbers are not cut. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/cli/terminal.h"
#include "engine/cli/top_endpoint.h"

namespace weft::cli {

struct ScreenLine {
  enum class Look : uint8_t { kPlain, kTitle, kBad };
  std::string text;
  Look look = Look::kPlain;
};

// `title`: the first line, "" for none.
std::vector<ScreenLine> TopLines(const std::string& title, std::span<const TopView> views,
                                 const OutputStyle& style);

// All lines, for a pipe.
std::string PlainText(std::span<const ScreenLine> lines);
// One frame over the frame before: as many lines as fit the height, the last one says what did not.
std::string PaintFrame(std::span<const ScreenLine> lines, const OutputStyle& style, size_t height);

}  // namespace weft::cli
