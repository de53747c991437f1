// Policies of others: any bytes give a configuration that ours reads, or an error.
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/config.h"
#include "engine/cli/policy_import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto imported = cli::ImportPolicies(text, "", [](const std::string&) { return ""; });
  if (imported) (void)ParseConfig(imported->yaml, "imported");
  return 0;
}
