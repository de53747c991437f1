# Writes OUT: the files of DIR as text constants. They are UTF-8 text without the closing mark.
file(GLOB files ${DIR}/*.html ${DIR}/*.css ${DIR}/*.js ${DIR}/*.svg)
list(SORT files)
set(body "")
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  # Brackets and semicolons are CMake's own; a raw string takes all others as they are.
  string(APPEND body "    {\"${name}\", R\"~~~~(${text})~~~~\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"sql/serve/page_files.h\"

namespace weft::serve {
namespace {
constexpr PageFile kFiles[] = {
${body}};
}  // namespace
std::span<const PageFile> PageFiles() { return kFiles; }
}  // namespace weft::serve
")
