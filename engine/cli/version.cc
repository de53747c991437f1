#include "engine/cli/version.h"

#include <vector>

#include <capnp/common.h>
#include <tbb/version.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/plugin/loader.h"

#if WEFT_HAVE_BPF
#include <bpf/libbpf.h>
#endif
#if WEFT_HAVE_SQLITE
#include <sqlite3.h>
#endif
#if WEFT_HAVE_KAFKA
#include <librdkafka/rdkafka.h>
#endif

namespace weft::cli {
namespace {

// Kernels that a test has traced on: `make test-kernels` boots the first three.
constexpr std::string_view kKernels = "Debian's 5.10, 6.1 and 6.12; 6.18 (x86_64)";

}  // namespace

std::string VersionText() {
  std::vector<std::string> features, missing, libraries;
  const auto feature = [&](bool have, std::string_view name) {
    (have ? features : missing).emplace_back(name);
  };
#if WEFT_HAVE_BPF
  feature(true, "bpf");
  libraries.push_back(fmt::format("libbpf {}", libbpf_version_string() + 1));  // "v1.1"
#else
  feature(false, "bpf");
#endif
#if WEFT_HAVE_SQLITE
  feature(true, "sqlite");
  libraries.push_back(fmt::format("sqlite {}", sqlite3_libversion()));
#else
  feature(false, "sqlite");
#endif
#if WEFT_HAVE_KAFKA
  feature(true, "kafka");
  libraries.push_back(fmt::format("librdkafka {}", rd_kafka_version_str()));
#else
  feature(false, "kafka");
#endif
  feature(true, "otlp");
  libraries.push_back(fmt::format("tbb {}", TBB_runtime_version()));
  libraries.push_back(fmt::format("capnproto {}.{}.{}", CAPNP_VERSION_MAJOR, CAPNP_VERSION_MINOR,
                                  CAPNP_VERSION_MICRO));
  std::string out = fmt::format("weft {}\nfeatures:  {}\n", WEFT_VERSION, fmt::join(features, " "));
  if (!missing.empty()) out += fmt::format("without:   {}\n", fmt::join(missing, " "));
  out += fmt::format("libraries: {}\n", fmt::join(libraries, ", "));
  out += fmt::format("kernels:   {}\n", kKernels);
  return out + fmt::format("plugins:   {}", plugin::DefaultPluginFolder().native());
}

}  // namespace weft::cli
