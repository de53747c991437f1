// Stands in for libFuzzer's main: feeds every file of the folders given to the fuzz target, and
// then every file cut at a few places, so that corpora also run as plain unit tests.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(file), {});
      const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
      for (size_t cut : {bytes.size(), bytes.size() / 2, bytes.size() / 3}) {
        LLVMFuzzerTestOneInput(data, cut);
        ++inputs;
      }
    }
  }
  std::printf("%zu inputs\n", inputs);
  return inputs == 0 ? 1 : 0;
}
