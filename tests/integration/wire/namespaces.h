// Network namespaces for tests, made with ip and nft and removed with the object.
//
// The names carry the process id, so tests may run at the same time. Needs root. Requires:
// MissingTools() is empty.
#pragma once

#include <string>
#include <string_view>

namespace weft::test {

// What ip, nft or the kernel lack, for people; empty: nothing.
std::string MissingTools();

// Runs a shell command; its output where it failed, else empty.
std::string Shell(const std::string& command);

class Namespace {
 public:
  explicit Namespace(std::string_view name);
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  const std::string& name() const { return name_; }
  // The calling thread, and what it forks, lives in it from now on. False: it does not.
  bool Enter() const;
  // Runs a shell command in it, and adds what it says when it fails to errors().
  void Run(const std::string& command);
  void Sysctl(std::string_view key, std::string_view value);
  // Loads an nft ruleset.
  void Rules(const std::string& text);
  const std::string& errors() const { return errors_; }

  // A cable between the two, each end with its addresses ("10.7.1.1/24").
  static void Connect(Namespace& a, const std::string& a_address, Namespace& b,
                      const std::string& b_address);

 private:
  std::string name_, errors_;
  int cables_ = 0;
};

// A cgroup2 for the sockets of the traced processes; path() is empty where there cannot be one.
class TestCgroup {
 public:
  TestCgroup();
  ~TestCgroup();
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;
  const std::string& path() const { return path_; }
  // The calling process moves into it.
  bool Enter() const;

 private:
  std::string path_;
};

}  // namespace weft::test
