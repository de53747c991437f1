#include "sinks/jsonl/jsonl_sink.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::sinks {
namespace {

// Lines stay of a size that readers with a line limit take.
constexpr uint32_t kSpansPerLine = 1'000;

std::unexpected<Error> SystemError(const std::string& path) {
  const int code = errno;
  return Fail(code == ENOSPC || code == EDQUOT  ? Code::kFull
              : code == EACCES || code == EPERM ? Code::kDenied
                                                : Code::kIo,
              fmt::format("{}: {}", path, std::strerror(code)));
}

}  // namespace

Result<std::unique_ptr<JsonlSink>> JsonlSink::Open(const std::string& path) {
  const int fd = path == "-"
                     ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                     : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(path);
  return std::unique_ptr<JsonlSink>(new JsonlSink(path, fd));
}

JsonlSink::~JsonlSink() { ::close(fd_); }

weft_outcome JsonlSink::Write(const weft_spans& spans, Error* error) {
  text_.clear();
  for (uint32_t row = 0; row < spans.n; row += kSpansPerLine) {
    encoder_.AppendTracesData(text_, spans, row, std::min(row + kSpansPerLine, spans.n));
    text_.push_back('\n');
  }
  const Result<void> written = Append(text_);
  if (written) return WEFT_EXPORT_OK;
  *error = written.error();
  return WEFT_EXPORT_RETRY;
}

Result<void> JsonlSink::Append(const std::string& text) {
  struct stat st {};
  const bool file = ::fstat(fd_, &st) == 0 && S_ISREG(st.st_mode);
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    auto failure = SystemError(path_);
    if (file && done > 0 && ::ftruncate(fd_, st.st_size) != 0)
      failure.error().message += " (and the line it was in could not be removed)";
    return failure;
  }
  return {};
}

Result<void> JsonlSink::Flush() {
  // Pipes and terminals cannot be synchronised, and need not.
  if (::fdatasync(fd_) == 0 || errno == EINVAL || errno == EROFS) return {};
  return SystemError(path_);
}

}  // namespace weft::sinks
