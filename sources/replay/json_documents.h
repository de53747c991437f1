// JsonDocuments: the JSON values of a file, one by one, without holding the file.
//
// Understands a value per line, values behind each other, one array of values, and objects with the
// list "data" (Jaeger) or "resourceSpans" (OTLP): elements of these lists are given singly, so that
// a reply of a gigabyte needs the memory of its largest trace. This only finds where values end;
// whether they are JSON is the parser's to say. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sources/replay/byte_stream.h"

namespace weft::sources {

class JsonDocuments {
 public:
  // A larger one is an error (kFull).
  static constexpr size_t kMaxDocument = size_t{512} << 20;

  enum class Place : uint8_t { kWhole, kElement, kData, kResourceSpans };
  struct Document {
    std::string_view text;  // valid until the next call
    uint64_t line = 0;      // of its first byte
    Place place = Place::kWhole;
  };
  // What is no JSON: its line, and why.
  using Complain = std::function<void(uint64_t line, std::string_view reason)>;

  JsonDocuments(std::unique_ptr<ByteStream> bytes, Complain complain)
      : bytes_(std::move(bytes)), complain_(std::move(complain)) {}

  // nullopt at the end.
  Result<std::optional<Document>> Next();

 private:
  enum class State : uint8_t { kBetween, kList, kRest };
  enum class Scan : uint8_t { kDone, kMore, kBad, kList };

  Result<bool> Fill();
  Result<bool> Peek(char* c);  // the next byte that is no blank; false at the end
  Result<bool> SkipLine();
  Result<bool> Value(Place place, Document* out);
  Result<bool> Line(Document* out);
  Result<bool> Rest(char next);
  Result<bool> Step(char next, Document* out);
  Scan ScanFurther(bool root);
  Place ListBefore(size_t bracket) const;
  void Consume(size_t bytes);

  std::unique_ptr<ByteStream> bytes_;
  Complain complain_;
  std::string buffer_;
  size_t begin_ = 0;    // what was consumed of the buffer
  uint64_t line_ = 1;   // of begin_
  size_t scanned_ = 0;  // of the value at begin_
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false;
  char last_ = 0;  // significant byte outside strings
  State state_ = State::kBetween;
  Place list_ = Place::kElement;
  bool lines_ = false;  // a value per line
  bool first_ = true, ended_ = false;
};

}  // namespace weft::sources
