// The files of sql/schema and sql/views as text, in the order of their names; made at build time.
#pragma once

#include <span>
#include <string_view>

namespace weft::sql {

struct SqlFile {
  std::string_view name;  // "0001_store.sql"
  std::string_view text;
};

std::span<const SqlFile> MigrationFiles();
std::span<const SqlFile> ViewFiles();

}  // namespace weft::sql
