// What the comments of sql/views say about each view: what it is, and a question that it answers
// with an example. For the page's SQL box. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::serve {

struct ViewDoc {
  std::string name, text;
  std::string question, example;  // "" where there is none
};

// Of one file: for each CREATE VIEW the block of comments before it.
void AppendViewDocs(std::string_view file, std::vector<ViewDoc>& out);

}  // namespace weft::serve
