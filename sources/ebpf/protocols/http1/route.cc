#include "sources/ebpf/protocols/http1/route.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/base/ascii.h"

namespace weft::ebpf::http1 {
namespace {

constexpr size_t kMaxStaticSegment = 32;
constexpr size_t kMaxRoute = 160;

// Words with two or more digits that are names of things, not data.
constexpr std::array<std::string_view, 12> kWords = {"base64", "base32", "sha256",  "sha512",
                                                     "sha224", "sha384", "utf16",   "route53",
                                                     "x86",    "h264",   "oauth10", "win32"};

// v1, v2beta1, 1.0, v1.2.3
bool IsVersion(std::string_view s) {
  const bool v = !s.empty() && Lower(s[0]) == 'v';
  if (v) s.remove_prefix(1);
  if (s.empty() || s.size() > 8 || !IsDigit(s[0])) return false;
  if (!v)
    return s.find('.') != std::string_view::npos && s.size() <= 5 &&
           std::ranges::all_of(s, [](char c) { return IsDigit(c) || c == '.'; });
  size_t digits = 0;
  while (digits < s.size() && (IsDigit(s[digits]) || s[digits] == '.')) ++digits;
  const std::string_view rest = s.substr(digits);
  return digits <= 5 &&
         (rest.empty() || EqualsNoCase(rest.substr(0, 5), "alpha") ||
          EqualsNoCase(rest.substr(0, 4), "beta") || EqualsNoCase(rest.substr(0, 2), "rc"));
}

// The extension of a file name ("png" of "logo.png"), empty if there is none.
std::string_view Extension(std::string_view segment) {
  const size_t dot = segment.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  const std::string_view extension = segment.substr(dot + 1);
  if (extension.empty() || extension.size() > 5 || !IsAlpha(extension[0])) return {};
  return std::ranges::all_of(extension, [](char c) { return IsAlpha(c) || IsDigit(c); })
             ? extension
             : std::string_view{};
}

// What a character counts as, a byte each: of a segment of 32 characters no sum overflows.
enum : unsigned { kDigits = 0, kLetters = 8, kHex = 16, kHyphens = 24, kOdd = 32 };
constexpr std::array<uint64_t, 256> kCounts = [] {
  std::array<uint64_t, 256> counts{};
  for (size_t i = 0; i < counts.size(); ++i) {
    const char c = static_cast<char>(i);
    uint64_t& count = counts[i];
    if (IsDigit(c)) {
      count = uint64_t{1} << kDigits;
    } else if (IsAlpha(c)) {
      count = uint64_t{1} << kLetters;
    } else if (c == '-' || c == '_') {
      count = uint64_t{1} << kHyphens;
    } else if (c != '.' && c != '*') {
      count = uint64_t{1} << kOdd;  // encoded, or punctuation that routes do not have
    }
    if (HexValue(c) >= 0) count += uint64_t{1} << kHex;
  }
  return counts;
}();

}  // namespace

bool LooksLikeData(std::string_view segment) {
  if (segment.size() > kMaxStaticSegment) return true;
  uint64_t counts = 0;
  for (const char c : segment) counts += kCounts[static_cast<unsigned char>(c)];
  const auto count = [counts](unsigned what) { return counts >> what & 0xff; };
  const size_t digits = count(kDigits), letters = count(kLetters), hex = count(kHex);
  if (count(kOdd) > 0) return true;
  if (digits > 0 && letters == 0) return !IsVersion(segment);
  if (hex == segment.size() && segment.size() >= 16) return true;
  if (count(kHyphens) >= 4) return true;  // a slug: "ten-ways-to-cook-rice"
  if (digits >= 2 && !IsVersion(segment)) {
    return std::ranges::none_of(kWords,
                                [&](std::string_view w) { return EqualsNoCase(segment, w); });
  }
  return digits == 1 && segment.size() >= 16;
}

void AppendRouteGuess(std::string_view path, std::string* out) {
  const size_t limit = out->size() + kMaxRoute;
  path = path.substr(0, path.find(';'));
  size_t segments = 0;
  bool any = false;
  while (!path.empty()) {
    const size_t begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) break;
    path.remove_prefix(begin);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    any = true;
    if (++segments > kMaxRouteSegments || out->size() + segment.size() > limit) {
      out->append("/*");
      return;
    }
    out->push_back('/');
    const std::string_view extension = Extension(segment);
    const std::string_view stem =
        extension.empty() ? segment : segment.substr(0, segment.size() - extension.size() - 1);
    if (!LooksLikeData(stem)) {
      out->append(segment);
    } else {
      out->append("{id}");
      if (!extension.empty()) out->append(".").append(extension);
    }
  }
  if (!any) out->push_back('/');
}

}  // namespace weft::ebpf::http1
