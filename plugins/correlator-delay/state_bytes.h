// Reading and writing of the fields of saved state. A reader never goes beyond its bytes: what is
// missing or out of range reads as 0 and leaves it failed.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "plugins/correlator-delay/fading.h"

namespace weft::plugins::delay {

class StateWriter {
 public:
  std::string& bytes() { return bytes_; }

  template <class T>
  void Raw(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  void Signed(int64_t value) {
    Number(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
  }
  void Count(float count) { Number(static_cast<uint64_t>(count * kCountSteps)); }

 private:
  std::string bytes_;
};

class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && bytes_.empty(); }
  void Refuse() { ok_ = false; }

  template <class T>
  T Raw() {
    T value{};
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  uint64_t Number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = Raw<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  // A number of at most `most`.
  uint64_t Number(uint64_t most) {
    const uint64_t value = Number();
    if (value <= most) return value;
    ok_ = false;
    return 0;
  }
  // Less than 2^61 either way, so that a few of them can be added up.
  int64_t Signed() {
    const uint64_t value = Number(kMostSigned);
    return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  // A moment, or INT64_MIN for none.
  int64_t Moment() {
    const auto at = Raw<int64_t>();
    if (at != INT64_MIN && (at > kLatest || at < -kLatest)) ok_ = false;
    return ok_ ? at : INT64_MIN;
  }
  float Count() { return static_cast<float>(Number(kMostCount)) / kCountSteps; }
  // Finite and not negative.
  float Weight() { return static_cast<float>(Sane(static_cast<double>(Raw<float>()), 0, 1e15)); }
  double Sum() { return Sane(Raw<double>(), 0, 1e18); }
  float Within(float least, float most) {
    return static_cast<float>(Sane(static_cast<double>(Raw<float>()), static_cast<double>(least),
                                   static_cast<double>(most)));
  }

 private:
  static constexpr uint64_t kMostSigned = (uint64_t{1} << 62) - 1;
  static constexpr int64_t kLatest = int64_t{1} << 61;
  static constexpr uint64_t kMostCount = uint64_t{1} << 30;
  double Sane(double value, double least, double most) {
    if (std::isfinite(value) && value >= least && value <= most) return value;
    ok_ = false;
    return 0;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace weft::plugins::delay
