// TextTable: rows in aligned columns for a terminal. Numbers to the right.
//
// Add the header, then rows of as many cells; Render once. A table that is wider than the terminal
// loses width in its widest columns, never in numbers or in columns to keep; in a pipe nothing is
// cut. One thread.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/terminal.h"

namespace weft::cli {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);
  // The column loses no width, whatever is in it.
  void Keep(size_t column) { kept_[column] = true; }
  // The last column is left out where nothing is in it.
  void OmitEmptyLast() { omitted_ = true; }
  // The last column goes on in further lines instead of losing width.
  void WrapLast() { wrapped_ = true; }
  // Control characters of the cells are made visible.
  void Add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  std::string Render(const OutputStyle& style) const;

 private:
  std::vector<size_t> Widths(size_t columns, const OutputStyle& style) const;

  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> numeric_, kept_;
  bool omitted_ = false, wrapped_ = false;
};

}  // namespace weft::cli
