// What a test needs from the machine. A test skips with the reason printed where it is missing, and
// fails where WEFT_REQUIRE (a comma list: "bpf,kafka") says that it must be there.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

namespace weft::testsupport {

inline bool IsRequired(std::string_view what) {
  const char* list = std::getenv("WEFT_REQUIRE");
  if (list == nullptr) return false;
  const std::string padded = "," + std::string(list) + ",";
  return padded.find("," + std::string(what) + ",") != std::string::npos;
}

}  // namespace weft::testsupport

// Requires: used in the body of a test or of SetUp.
#define WEFT_SKIP_OR_FAIL(what, reason)                                   \
  do {                                                                    \
    if (::weft::testsupport::IsRequired(what)) {                          \
      FAIL() << "WEFT_REQUIRE names " << (what) << ", but: " << (reason); \
    } else {                                                              \
      GTEST_SKIP() << (what) << ": " << (reason);                         \
    }                                                                     \
  } while (false)
