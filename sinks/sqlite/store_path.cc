#include "sinks/sqlite/store_path.h"

#include <algorithm>
#include <cctype>

#include <unistd.h>

#include <fmt/format.h>

namespace weft::sinks {
namespace {

constexpr int kMaxSlots = 1'000;
constexpr std::string_view kSlot = "{slot}";

// A name as part of a file's name.
std::string Plain(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  return out;
}

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "host";
  return Plain(name);
}

void Replace(std::string& text, std::string_view place, std::string_view by) {
  for (size_t at = 0; (at = text.find(place, at)) != text.npos; at += by.size())
    text.replace(at, place.size(), by);
}

}  // namespace

Result<StorePath> StorePath::Claim(std::string_view pattern, std::string_view instance) {
  std::string path(pattern);
  Replace(path, "{instance}", instance.empty() ? "{host}-{slot}" : Plain(instance));
  Replace(path, "{host}", HostName());
  std::string rest = path;
  Replace(rest, kSlot, "");
  if (const size_t open = rest.find('{'); open != rest.npos)
    return Fail(Code::kInvalid,
                fmt::format("store.path {}: {} is no place that can be filled; there are {{host}}, "
                            "{{instance}} and {{slot}}",
                            pattern, rest.substr(open, rest.find('}', open) - open + 1)));
  StorePath out;
  out.path_ = path;
  if (path.find(kSlot) == path.npos) return out;
  for (int slot = 1; slot <= kMaxSlots; ++slot) {
    out.path_ = path;
    Replace(out.path_, kSlot, std::to_string(slot));
    Result<std::optional<StoreLock>> lock = StoreLock::TryTake(out.path_ + "-slot");
    if (!lock) return std::unexpected(lock.error());
    if (!*lock) continue;
    out.slot_ = std::move(**lock);
    return out;
  }
  return Fail(Code::kFull,
              fmt::format("store.path {}: all {} slots are taken", pattern, kMaxSlots));
}

}  // namespace weft::sinks
