// Result<T>: a value or an Error, the way every fallible call below the data path reports failure.
//
// Errors are values. Each layer adds what it knows with Context(), outermost first, so that a user
// reads "config weft.yaml:12: stage 2: sampler: unknown key 'rat'". Exceptions never cross a
// module. The alias hides std::expected so that the library type can change in one place.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class Code : unsigned char {
  kInvalid,      // the input is wrong: a config, a file, a record, an argument
  kNotFound,     // the named thing does not exist
  kUnsupported,  // right input that this build, kernel or version cannot serve
  kDenied,       // privileges are missing; the message names them
  kIo,           // the operating system refused: the message carries its reason
  kCorrupt,      // stored bytes fail a check
  kFull,         // a bound was reached: disk, queue, budget
  kCancelled,    // the caller asked to stop
  kFenced,       // another owner has taken over; this one must not write any more
  kInternal,     // a bug; report it
};

struct Error {
  Code code = Code::kInternal;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> Fail(Code code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

// Puts `what` in front of the message, keeping the code.
[[nodiscard]] inline std::unexpected<Error> Context(Error error, std::string_view what) {
  error.message.insert(0, ": ").insert(0, what);
  return std::unexpected<Error>(std::move(error));
}

std::string_view CodeName(Code code);

}  // namespace weft

// Returns the error of `expr` from the enclosing function; the only macro of its kind.
#define WEFT_TRY(expr)                                                           \
  do {                                                                           \
    if (auto weft_try_result = (expr); !weft_try_result.has_value())             \
      return std::unexpected<::weft::Error>(std::move(weft_try_result.error())); \
  } while (false)
