// LibbpfWords: what libbpf says while it lives; its last lines explain a refused load.
//
// Made on the stack around libbpf calls; libbpf has one print function for the process, so one at
// a time and thread.
#pragma once

#include <string>

namespace weft::ebpf {

class LibbpfWords {
 public:
  LibbpfWords();
  ~LibbpfWords();
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;

  // The last line that is not only about clean-up; empty if it said nothing.
  std::string Cause() const;

 private:
  std::string text_;
};

}  // namespace weft::ebpf
