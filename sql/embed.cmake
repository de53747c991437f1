# Writes OUT: arrays of the texts in DIR/schema and DIR/views, in the order of their names.
function(texts folder variable)
  file(GLOB files ${DIR}/${folder}/*.sql)
  list(SORT files)
  set(body "")
  foreach(file ${files})
    get_filename_component(name ${file} NAME)
    file(READ ${file} text)
    string(APPEND body "    {\"${name}\", R\"~~~(${text})~~~\"},\n")
  endforeach()
  set(${variable} "${body}" PARENT_SCOPE)
endfunction()
texts(schema schema)
texts(views views)
file(WRITE ${OUT} "#include \"sql/embedded_sql.h\"

namespace weft::sql {
namespace {
constexpr SqlFile kMigrationFiles[] = {
${schema}};
constexpr SqlFile kViewFiles[] = {
${views}};
}  // namespace
std::span<const SqlFile> MigrationFiles() { return kMigrationFiles; }
std::span<const SqlFile> ViewFiles() { return kViewFiles; }
}  // namespace weft::sql
")
