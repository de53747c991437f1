#include "sql/serve/view_docs.h"

#include <algorithm>

namespace weft::serve {
namespace {

void AddWords(std::string& out, std::string_view words) {
  if (!out.empty()) out.push_back(' ');
  out.append(words);
}

// A comment's lines without their dashes: prose, a question, and SQL that is indented by two
// blanks.
ViewDoc DocOf(const std::vector<std::string_view>& lines) {
  ViewDoc doc;
  std::string paragraph;
  const auto end_paragraph = [&] {
    if (paragraph.ends_with('?') && doc.question.empty())
      doc.question = paragraph;
    else if (!paragraph.empty() && doc.example.empty())
      AddWords(doc.text, paragraph);
    paragraph.clear();
  };
  bool one_example = true;
  for (const std::string_view line : lines) {
    if (line.starts_with("   ")) {  // the blank after the dashes, and two more
      end_paragraph();
      if (!one_example) continue;
      if (!doc.example.empty()) doc.example.push_back('\n');
      doc.example.append(line.substr(3));
    } else {
      one_example = one_example && doc.example.empty();
      if (line.size() <= 1)
        end_paragraph();
      else
        AddWords(paragraph, line.substr(1));
    }
  }
  end_paragraph();
  return doc;
}

}  // namespace

void AppendViewDocs(std::string_view file, std::vector<ViewDoc>& out) {
  static constexpr std::string_view kCreate = "CREATE VIEW ";
  std::vector<std::string_view> comment;
  while (!file.empty()) {
    const std::string_view line = file.substr(0, file.find('\n'));
    file.remove_prefix(std::min(line.size() + 1, file.size()));
    if (line.starts_with("--")) {
      comment.push_back(line.substr(2));
      continue;
    }
    if (line.starts_with(kCreate)) {
      ViewDoc doc = DocOf(comment);
      const std::string_view rest = line.substr(kCreate.size());
      doc.name = rest.substr(0, rest.find_first_of(" ("));
      if (doc.text.starts_with(doc.name + ": ")) doc.text.erase(0, doc.name.size() + 2);
      out.push_back(std::move(doc));
    }
    comment.clear();
  }
}

}  // namespace weft::serve
