// LibbpfWords: what libbpf says while it lives; its last lines explain a refused load.
//
// Made on the stack around libbpf calls; libbpf has one print function for the process, so one at
// a time and thread.
#pragma once

#include <string>
#include <string_view>

namespace weft::ebpf {

// The last line of libbpf's text that is no mere consequence, and the verifier's last word if it
// had one; empty if there is none.
std::string CauseIn(std::string_view text);

class LibbpfWords {
 public:
  LibbpfWords();
  ~LibbpfWords();
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;

  std::string Cause() const;

 private:
  std::string text_;
};

}  // namespace weft::ebpf
