#include "sources/replay/trace_file.h"

#include <utility>

#include <fmt/format.h>

#include "sources/replay/csv_traces.h"
#include "sources/replay/line_reader.h"

namespace weft::sources {
namespace {

constexpr uint32_t kRows = 8192;  // of one Next

class CsvFile final : public TraceFile {
 public:
  CsvFile(LineReader lines, CsvTraces csv, const std::filesystem::path& path)
      : lines_(std::move(lines)), csv_(std::move(csv)), rows_(path.filename().string(), totals_) {}

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

}  // namespace

Result<std::unique_ptr<TraceFile>> TraceFile::Open(const std::filesystem::path& path) {
  auto bytes = ByteStream::Open(path);
  if (!bytes) return std::unexpected(bytes.error());
  LineReader lines(std::move(*bytes));
  const auto header = lines.Next();
  if (!header) return std::unexpected(header.error());
  if (!*header) return Fail(Code::kInvalid, fmt::format("{}: is empty", path.string()));
  auto csv = CsvTraces::WithHeader(**header);
  if (!csv)
    return Fail(Code::kInvalid, fmt::format("{}: no traces that weft can read: {}", path.string(),
                                            csv.error().message));
  return std::make_unique<CsvFile>(std::move(lines), std::move(*csv), path);
}

}  // namespace weft::sources
