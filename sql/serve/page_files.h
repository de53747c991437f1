// The page's files as they are in web/, built into the program. See embed.cmake.
#pragma once

#include <span>
#include <string_view>

namespace weft::serve {

struct PageFile {
  std::string_view name;  // "app.js"
  std::string_view text;
};
std::span<const PageFile> PageFiles();

}  // namespace weft::serve
