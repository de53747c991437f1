// Certificates: an authority and what it signed, made by the openssl program for one test.
//
// Valid for a day, for 127.0.0.1 and localhost. Needs `openssl` (.ci/deps kafka). One thread.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace weft::test {

class Certificates {
 public:
  // `folder` outlives this.
  explicit Certificates(const std::filesystem::path& folder) : folder_(folder) {
    Run("req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout ca.key -out ca.pem");
    std::ofstream(folder_ / "names") << "subjectAltName=IP:127.0.0.1,DNS:localhost\n";
  }

  // NAME.crt and NAME.key (locked with the password unless that is empty), and NAME.pem with both.
  void Sign(const std::string& name, const std::string& password = "") {
    const std::string key = name + ".key", request = name + ".csr", certificate = name + ".crt";
    Run("req -newkey rsa:2048 -nodes -subj /CN=" + name + " -keyout " + key + " -out " + request);
    Run("x509 -req -days 1 -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -in " + request +
        " -out " + certificate);
    if (!password.empty()) {
      Run("pkcs8 -topk8 -v2 aes256 -passout pass:" + password + " -in " + key + " -out locked");
      std::filesystem::rename(folder_ / "locked", folder_ / key);
    }
    std::ofstream(folder_ / (name + ".pem"))
        << std::ifstream(folder_ / key).rdbuf() << std::ifstream(folder_ / certificate).rdbuf();
  }

  std::string File(const std::string& name) const { return (folder_ / name).string(); }

 private:
  void Run(const std::string& arguments) {
    const std::string command =
        "cd '" + folder_.string() + "' && openssl " + arguments + " 2>>openssl.log >&2";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }

  std::filesystem::path folder_;
};

}  // namespace weft::test
