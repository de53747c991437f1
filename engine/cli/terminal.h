// What the commands that print for people know about where their output goes, and text measured as
// a terminal shows it. Pure functions but for Stdout(); any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::cli {

struct OutputStyle {
  int width = 100;  // columns; what is drawn for a pipe gets the default
  bool color = false;
  bool unicode = true;  // box drawing and blocks, else ASCII
  bool piped = false;   // nobody has said how wide: tables are not cut, text is not wrapped
};

// Of standard output: its size, NO_COLOR, and whether the locale is UTF-8 (a pipe gets UTF-8 unless
// the locale says otherwise).
OutputStyle Stdout();

// Columns that UTF-8 text occupies: code points, which is right for all but wide scripts.
size_t DisplayWidth(std::string_view text);
// Cut to `width` columns, the last one an ellipsis where something was cut off.
std::string Fit(std::string_view text, size_t width, bool unicode);
// Fitted, then filled with blanks to exactly `width`.
std::string Pad(std::string_view text, size_t width, bool unicode);
// Broken at blanks where it would not fit, what follows behind `indent` blanks; the first line
// begins behind as many columns that somebody else has filled. Words are not broken.
std::string Wrap(std::string_view text, size_t width, size_t indent);
// Control characters as '?', so that data cannot drive the terminal.
std::string Printable(std::string_view text);

std::string UtcTime(int64_t unix_ns);  // "2026-11-21 09:51:12.123"

}  // namespace weft::cli
