// ProgressLine: one line on a terminal that is rewritten in place; nothing where stderr is no
// terminal. One thread. The line is as short as the terminal is wide, and gone when Clear was
// called.
#pragma once

#include <cstdio>
#include <string_view>

namespace weft::cli {

class ProgressLine {
 public:
  // `enabled`: false under --quiet.
  ProgressLine(std::FILE* out, bool enabled);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool active() const { return active_; }
  void Show(std::string_view line);
  void Clear();

 private:
  std::FILE* out_;
  bool active_;
  bool shown_ = false;
};

}  // namespace weft::cli
