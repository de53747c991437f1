#include "sources/replay/trace_file.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sources/replay/csv_traces.h"
#include "sources/replay/json_trace_file.h"
#include "sources/replay/line_reader.h"

namespace weft::sources {
namespace {

constexpr uint32_t kRows = 8192;    // of one Next
constexpr size_t kComplaints = 20;  // that are kept of a folder

// Bytes of which the first that says something was looked at.
class PeekedBytes final : public ByteStream {
 public:
  explicit PeekedBytes(std::unique_ptr<ByteStream> inner) : inner_(std::move(inner)) {}

  // The first one that is no blank, nor part of a byte order mark.
  Result<std::optional<char>> FirstByte() {
    while (true) {
      const size_t at = seen_.find_first_not_of(" \t\r\n\xef\xbb\xbf");
      if (at != std::string::npos) {
        next_ = seen_.starts_with("\xef\xbb\xbf") ? 3 : 0;
        return seen_[at];
      }
      const size_t old = seen_.size();
      seen_.resize(old + 4096);
      const auto n = inner_->Read(seen_.data() + old, 4096);
      seen_.resize(old + n.value_or(0));
      if (!n) return std::unexpected(n.error());
      if (*n == 0) return std::nullopt;
    }
  }

  Result<size_t> Read(char* out, size_t size) override {
    if (next_ == seen_.size()) return inner_->Read(out, size);
    const size_t n = std::min(size, seen_.size() - next_);
    std::copy_n(seen_.data() + next_, n, out);
    next_ += n;
    return n;
  }

 private:
  std::unique_ptr<ByteStream> inner_;
  std::string seen_;
  size_t next_ = 0;
};

class CsvFile final : public TraceFile {
 public:
  CsvFile(LineReader lines, CsvTraces csv, std::string name)
      : lines_(std::move(lines)), csv_(std::move(csv)), rows_(std::move(name), totals_) {}

  Result<bool> Next(api::SpanTable* out) override {
    rows_.Begin(*out);
    for (const uint32_t enough = out->n() + kRows; out->n() < enough;) {
      const auto line = lines_.Next();
      if (!line) return std::unexpected(line.error());
      if (!*line) return false;
      csv_.Line(**line, lines_.number(), rows_);
    }
    return true;
  }
  std::string_view format() const override { return csv_.format(); }
  const Totals& totals() const override { return totals_; }

 private:
  LineReader lines_;
  CsvTraces csv_;
  Totals totals_;
  ForeignRows rows_;
};

// The files of a folder, by name, as one. A file that cannot be read, or not to its end, is named
// and counted; an error only where no file can be read at all.
class FolderTraces final : public TraceFile {
 public:
  explicit FolderTraces(const std::filesystem::path& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.is_regular_file()) files_.push_back(entry.path());
    std::ranges::sort(files_);
  }

  Result<bool> Next(api::SpanTable* out) override {
    if (file_ == nullptr) {
      if (next_ == files_.size()) return AtEnd();
      auto opened = TraceFile::Open(files_[next_++]);
      if (!opened) {
        Complain(opened.error());
        return next_ < files_.size() ? Result<bool>(true) : AtEnd();
      }
      file_ = std::move(*opened);
      some_read_ = true;
    }
    const auto more = file_->Next(out);
    if (more && *more) return true;
    if (!more) Complain(more.error());
    const Totals& one = file_->totals();
    done_.spans += one.spans;
    done_.malformed += one.malformed;
    for (const std::string& complaint : one.complaints)
      if (done_.complaints.size() < kComplaints) done_.complaints.push_back(complaint);
    format_ = file_->format();
    file_.reset();
    return next_ < files_.size() ? Result<bool>(true) : AtEnd();
  }
  std::string_view format() const override { return format_; }
  const Totals& totals() const override { return done_; }

 private:
  void Complain(const Error& error) {
    ++done_.malformed;
    if (done_.complaints.size() < kComplaints) done_.complaints.push_back(error.message);
    if (!first_error_) first_error_ = error;
  }
  Result<bool> AtEnd() const {
    if (!some_read_ && first_error_) return std::unexpected(*first_error_);
    return false;
  }

  std::vector<std::filesystem::path> files_;
  size_t next_ = 0;
  std::unique_ptr<TraceFile> file_;
  Totals done_;
  bool some_read_ = false;
  std::optional<Error> first_error_;
  std::string format_ = "folder";
};

}  // namespace

Result<std::unique_ptr<TraceFile>> TraceFile::Open(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return std::make_unique<FolderTraces>(path);
  auto bytes = ByteStream::Open(path);
  if (!bytes) return std::unexpected(bytes.error());
  return Read(std::move(*bytes), path.filename().string());
}

Result<std::unique_ptr<TraceFile>> TraceFile::Read(std::unique_ptr<ByteStream> bytes,
                                                   std::string name) {
  auto peeked = std::make_unique<PeekedBytes>(std::move(bytes));
  const auto first = peeked->FirstByte();
  if (!first) return std::unexpected(first.error());
  if (!*first) return Fail(Code::kInvalid, fmt::format("{}: is empty", name));
  if (**first == '{' || **first == '[') return OpenJsonTraces(std::move(peeked), std::move(name));
  LineReader lines(std::move(peeked));
  const auto header = lines.Next();
  if (!header) return std::unexpected(header.error());
  auto csv = CsvTraces::WithHeader(header->value_or(""));
  if (!csv)
    return Fail(
        Code::kInvalid,
        fmt::format(
            "{}: neither a recording of weft nor traces that it can read: no JSON, and as CSV "
            "{}",
            name, csv.error().message));
  return std::make_unique<CsvFile>(std::move(lines), std::move(*csv), std::move(name));
}

}  // namespace weft::sources
