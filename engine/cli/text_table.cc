#include "engine/cli/text_table.h"

#include <algorithm>
#include <numeric>

namespace weft::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 8;
constexpr size_t kWrapped = 24;  // the least that a column which is wrapped has

// "12", "-3.5", "1.28s", "98.2 %", "-": digits and a short unit. Ids begin like numbers too.
bool LooksNumeric(const std::string& cell) {
  if (cell.empty() || cell == "-") return true;
  const size_t begin = cell[0] == '-' ? 1 : 0;
  const size_t unit = std::min(cell.find_first_not_of("0123456789.", begin), cell.size());
  return unit > begin && cell.size() - unit <= 3;
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header)
    : header_(std::move(header)), numeric_(header_.size(), true), kept_(header_.size(), false) {}

void TextTable::Add(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i] = Printable(cells[i]);
    if (!LooksNumeric(cells[i])) numeric_[i] = false;
  }
  rows_.push_back(std::move(cells));
}

std::vector<size_t> TextTable::Widths(size_t columns, const OutputStyle& style) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns; ++i) widths.push_back(DisplayWidth(header_[i]));
  for (const auto& row : rows_)
    for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  if (widths.empty() || style.piped) return widths;
  const size_t total = static_cast<size_t>(std::max(style.width, 1));
  size_t sum = std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  if (wrapped_ && sum > total) {
    const size_t before = sum - widths.back();
    sum = before + std::max(std::min(widths.back(), kWrapped), total - std::min(total, before));
    widths.back() = sum - before;
  }
  while (sum > total) {
    size_t widest = widths.size();
    for (size_t i = 0; i + wrapped_ < widths.size(); ++i)
      if (!numeric_[i] && !kept_[i] && widths[i] > kNarrowest &&
          (widest == widths.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == widths.size()) break;
    --widths[widest];
    --sum;
  }
  return widths;
}

std::string TextTable::Render(const OutputStyle& style) const {
  const bool empty = std::ranges::all_of(rows_, [](const auto& row) { return row.back().empty(); });
  const size_t columns = header_.size() - (omitted_ && empty ? 1 : 0);
  const std::vector<size_t> widths = Widths(columns, style);
  const size_t before = std::accumulate(widths.begin(), widths.end() - 1, kGap * (columns - 1));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < columns; ++i) {
      if (i != 0) text.append(kGap, ' ');
      if (wrapped_ && i + 1 == columns && DisplayWidth(cells[i]) > widths[i]) {
        text += Wrap(cells[i], before + widths[i], before);
        continue;
      }
      const std::string cell = Fit(cells[i], widths[i], style.unicode);
      const std::string fill(widths[i] - DisplayWidth(cell), ' ');
      text += numeric_[i] ? fill + cell : cell + fill;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out.append(text).push_back('\n');
  };
  if (style.color) out += "\x1b[1m";
  line(header_);
  if (style.color) out.insert(out.size() - 1, "\x1b[0m");
  for (const auto& row : rows_) line(row);
  return out;
}

}  // namespace weft::cli
