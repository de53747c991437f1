#include "engine/plugin/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/nearest_word.h"

namespace weft::plugin {
namespace {

namespace fs = std::filesystem;

std::string Key(Kind kind, std::string_view name) {
  return fmt::format("{} {}", KindName(kind), name);
}

bool PlainName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// dlopen maps what the headers promise; where a half-copied file does not keep it, SIGBUS ends
// weft. Everything else that is wrong with a library dlopen reports by itself.
Result<void> CheckWhole(const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr head{};
  if (error || !file.read(reinterpret_cast<char*>(&head), sizeof head)) return {};
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return {};
  uint64_t end = head.e_shoff + uint64_t{head.e_shnum} * head.e_shentsize;
  file.seekg(static_cast<std::streamoff>(head.e_phoff));
  Elf64_Phdr part{};
  for (uint16_t i = 0; i < head.e_phnum; ++i) {
    if (!file.read(reinterpret_cast<char*>(&part), sizeof part)) break;
    if (part.p_type == PT_LOAD) end = std::max(end, part.p_offset + part.p_filesz);
  }
  if (end <= size) return {};
  return Fail(Code::kInvalid,
              fmt::format("open: {} is cut short: {} of {} bytes", path.native(), size, end));
}

Result<weft_plugin_v1_fn> OpenLibrary(const fs::path& path) {
  WEFT_TRY(CheckWhole(path));
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Fail(Code::kInvalid, fmt::format("open: {}", dlerror()));
  void* symbol = dlsym(library, "weft_plugin_v1");
  if (symbol != nullptr) return reinterpret_cast<weft_plugin_v1_fn>(symbol);
  for (unsigned major = 2; major < 10; ++major)
    if (dlsym(library, fmt::format("weft_plugin_v{}", major).c_str()) != nullptr)
      return Fail(Code::kUnsupported, fmt::format("symbol: built for ABI {}, this weft speaks {}",
                                                  major, WEFT_ABI_MAJOR));
  return Fail(Code::kInvalid, "symbol: it exports no weft_plugin_v1, so it is no weft plugin");
}

Result<LoadedPlugin> OpenAndCheck(const fs::path& path) {
  auto entry = OpenLibrary(path);
  if (!entry) return std::unexpected(std::move(entry.error()));
  return CheckTable((*entry)(), path.native());
}

}  // namespace

Result<fs::path> PluginLoader::Resolve(Kind kind, std::string_view name) const {
  if (!PlainName(name))
    return Fail(Code::kInvalid, "resolve: a name is made of [a-z0-9-], it is no path");
  std::error_code error;
  const fs::path folder = fs::canonical(folder_, error);
  if (error)
    return Fail(Code::kNotFound,
                fmt::format("resolve: plugin folder {}: {}", folder_.native(), error.message()));
  const fs::path path =
      fs::canonical(folder / fmt::format("weft-{}-{}.so", KindName(kind), name), error);
  if (error) {
    const auto known = List();
    const std::string wanted = Key(kind, name);
    const std::string_view near =
        NearestWord(wanted, std::vector<std::string_view>(known.begin(), known.end()));
    return Fail(Code::kNotFound,
                fmt::format("resolve: not in {}; {}", folder.native(),
                            near.empty() ? fmt::format("there are: {}", fmt::join(known, ", "))
                                         : fmt::format("did you mean \"{}\"?", near)));
  }
  if (path.parent_path() != folder)
    return Fail(Code::kDenied,
                fmt::format("resolve: {} leads out of {}", path.native(), folder.native()));
  return path;
}

Result<LoadedPlugin> PluginLoader::Load(Kind kind, std::string_view name) {
  const std::string key = Key(kind, name);
  if (auto found = loaded_.find(key); found != loaded_.end()) return found->second;
  const auto context = [&](Error error) { return Context(std::move(error), "plugin " + key); };

  auto path = Resolve(kind, name);
  if (!path) return context(std::move(path.error()));
  auto plugin = OpenAndCheck(*path);
  if (!plugin) return context(std::move(plugin.error()));
  if (plugin->kind != kind || plugin->name != name)
    return context({Code::kInvalid, fmt::format("name: {} calls itself {}", path->native(),
                                                Key(plugin->kind, plugin->name))});
  return loaded_.emplace(key, std::move(*plugin)).first->second;
}

Result<void> PluginLoader::Add(const weft_plugin* table) {
  auto plugin = CheckTable(table);
  if (!plugin) return Context(std::move(plugin.error()), "plugin in memory");
  const std::string key = Key(plugin->kind, plugin->name);
  loaded_.insert_or_assign(key, std::move(*plugin));
  return {};
}

std::vector<std::string> PluginLoader::List() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string stem = entry.path().stem();
    if (entry.path().extension() != ".so" || !stem.starts_with("weft-")) continue;
    for (Kind kind : {Kind::kCorrelator, Kind::kSampler, Kind::kExporter}) {
      const std::string prefix = fmt::format("weft-{}-", KindName(kind));
      if (stem.starts_with(prefix)) names.push_back(Key(kind, stem.substr(prefix.size())));
    }
  }
  std::ranges::sort(names);
  return names;
}

fs::path DefaultPluginFolder() {
  if (const char* configured = std::getenv("WEFT_PLUGIN_PATH"); configured != nullptr)
    return configured;
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* folder :
       {"plugins", "../plugins", "../../plugins", "../lib/weft/plugins", "../lib64/weft/plugins",
        "../lib/x86_64-linux-gnu/weft/plugins", "../lib/aarch64-linux-gnu/weft/plugins"})
    if (fs::is_directory(bin / folder, error)) return fs::canonical(bin / folder, error);
  return bin / "plugins";
}

}  // namespace weft::plugin
