// llhttp's own test cases ($WEFT_DATA/http1-llhttp): input bytes and the parser's log with offsets.
// Where llhttp completes a message, ours must begin and end at the same bytes. Cases that llhttp
// refuses, or reads in a lenient mode, must only be survived.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "tests/support/transcript.h"

namespace weft::testing {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name, type, input;
  std::vector<std::string> log;
};

// As llhttp's runner reads them: line ends are CR LF, escaped ones are added, "\" + line end is
// none.
std::string Decode(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  text = std::regex_replace(text, std::regex("\\\\\n"), "");
  text = std::regex_replace(text, std::regex("\n"), "\r\n");
  text = std::regex_replace(text, std::regex("\\\\r"), "\r");
  text = std::regex_replace(text, std::regex("\\\\n"), "\n");
  text = std::regex_replace(text, std::regex("\\\\t"), "\t");
  text = std::regex_replace(text, std::regex("\\\\f"), "\f");
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\\x") == 0 && i + 4 <= text.size()) {
      const int c = std::stoi(text.substr(i + 2, 2), nullptr, 16);
      if (c >= 0x80) out.push_back(static_cast<char>(0xc0 | c >> 6));  // written as UTF-8 there
      out.push_back(static_cast<char>(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<Case> ReadCases(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  std::string line, heading, type, block;
  enum { kText, kInput, kLog } state = kText;
  std::smatch match;
  while (std::getline(file, line)) {
    if (line.starts_with("```")) {
      if (state == kInput) cases.push_back({heading, type, Decode(block), {}});
      state = state != kText ? kText : line == "```http" ? kInput : line == "```log" ? kLog : kText;
      block.clear();
    } else if (state == kInput) {
      block += line + "\n";
    } else if (state == kLog && !cases.empty()) {
      cases.back().log.push_back(line);
    } else if (line.starts_with("#")) {
      heading = path.stem().string() + ": " + line;
    } else if (std::regex_search(line, match, std::regex("\"type\": *\"([a-z-]*)\""))) {
      type = line.find("skipBody") == std::string::npos ? match[1].str() : "skip-body";
    }
  }
  return cases;
}

struct Message {
  uint64_t begin = 0, end = 0;
};

// What llhttp completed; false in *clean if it refused something, or it is not HTTP/1.
std::vector<Message> Completed(const Case& c, bool* clean) {
  std::vector<Message> messages;
  uint64_t begin = 0;
  *clean = std::ranges::any_of(c.log, [](const std::string& line) {
    return line.find("span[version]") != std::string::npos;  // else HTTP/0.9
  });
  for (const std::string& line : c.log) {
    std::smatch match;
    if (!std::regex_search(line, match, std::regex("^off=([0-9]+) (.*)$"))) continue;
    const uint64_t offset = std::stoull(match[1]);
    const std::string what = match[2];
    // Interim responses are messages there, and a part of the response here.
    if (what.starts_with("headers complete status=1")) *clean = false;
    if (what == "message begin") begin = offset;
    if (what == "message complete") messages.push_back({begin, offset});
    if (what.starts_with("error") || what.starts_with("pause")) *clean = false;
    if (std::regex_search(what, match, std::regex("span\\[(protocol|version)\\]=\"(.*)\"")) &&
        match[2] != "HTTP" && match[2] != "1.0" && match[2] != "1.1")
      *clean = false;
  }
  return messages;
}

Transcript ToTranscript(const Case& c, bool response, size_t cut) {
  constexpr uint64_t kRequests = 8;
  Transcript t;
  t.settings.redis = false;
  if (response) {
    // As many questions as there can be answers.
    for (uint64_t i = 0; i < kRequests; ++i)
      t.events.push_back(
          {Event::Kind::kBytes, ebpf::Direction::kSent, "GET / HTTP/1.1\r\n\r\n", 0});
  } else {
    t.events.push_back({Event::Kind::kBytes, ebpf::Direction::kReceived, "", 0});
  }
  t.events.push_back({Event::Kind::kBytes, ebpf::Direction::kReceived, c.input.substr(0, cut), 0});
  t.events.push_back({Event::Kind::kBytes, ebpf::Direction::kReceived, c.input.substr(cut), 0});
  return t;
}

TEST(Llhttp, FindsTheSameMessagesAtEveryCut) {
  const char* data = std::getenv("WEFT_DATA");
  if (!data) GTEST_SKIP() << "WEFT_DATA is not set: no test data";
  const fs::path folder = fs::path(data) / "http1-llhttp";
  if (!fs::exists(folder)) GTEST_SKIP() << "no http1-llhttp in WEFT_DATA";
  int compared = 0, survived = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".md" || entry.path().stem() == "url") continue;
    for (const Case& c : ReadCases(entry.path())) {
      const bool response = c.type.starts_with("response");
      bool clean = false;
      const std::vector<Message> expected = Completed(c, &clean);
      clean = clean && (c.type == "request" || c.type == "response") && !expected.empty();
      ++(clean ? compared : survived);
      bool right = true;
      for (size_t cut = 0; cut <= c.input.size() && right; ++cut) {
        Transcript t = ToTranscript(c, response, cut);
        if (!response) {
          // Each request gets its answer, so that it is handed out.
          for (size_t i = 0; i < 8; ++i)
            t.events.push_back(
                {Event::Kind::kBytes, ebpf::Direction::kSent, "HTTP/1.1 204 OK\r\n\r\n", 0});
        }
        const std::vector<Found> found = Play(t);
        if (!clean) continue;
        const std::string what = c.name + "\n" + Quote(c.input) + "\ncut at " + std::to_string(cut);
        right = found.size() >= expected.size();
        for (size_t i = 0; i < expected.size() && right; ++i) {
          const uint64_t begin = response ? found[i].response_begin : found[i].request_begin;
          const uint64_t end = response ? found[i].response_end : found[i].request_end;
          right = begin == 1000 + expected[i].begin && end == 1000 + expected[i].end;
        }
        EXPECT_TRUE(right) << what << "\n" << (found.empty() ? "nothing found" : found[0].text);
      }
    }
  }
  RecordProperty("compared", compared);
  std::printf("%d cases compared, %d survived\n", compared, survived);
  EXPECT_GT(compared, 30);
}

}  // namespace
}  // namespace weft::testing
