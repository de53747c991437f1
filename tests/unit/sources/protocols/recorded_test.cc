// Recordings of other projects: DeepFlow's captures ($WEFT_DATA/pcap-deepflow) with what its
// parsers found beside them, and Kindling's system calls ($WEFT_DATA/syscall-kindling) with what it
// expects. HTTP/1 and Redis must be found as there; of all other protocols we must find nothing,
// and guess their names. Each is also fed cut at every byte and with losses.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "sources/ebpf/protocols/first_bytes.h"
#include "tests/support/pcap_reader.h"
#include "tests/unit/sources/protocols/none_wrong.h"

namespace weft::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path DataFolder(const char* name) {
  const char* data = std::getenv("WEFT_DATA");
  return data != nullptr && fs::exists(fs::path(data) / name) ? fs::path(data) / name : fs::path();
}

std::vector<fs::path> FilesOf(const fs::path& folder, const char* extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> LinesOf(fs::path path) {
  std::ifstream file(path.replace_extension(".result"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string Match(const std::string& text, const char* pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : std::string();
}

// The facts of DeepFlow's lines "HttpInfo { ... msg_type: Request ..." that our text must hold.
void ExpectFact(const std::string& found, const std::string& before, const std::string& value,
                const std::string& after) {
  if (!value.empty()) {
    EXPECT_THAT(found, HasSubstr(before + value + after));
  }
}

// The facts of DeepFlow's lines "HttpInfo { ... msg_type: Request ..." that our text must hold.
void ExpectHttp(const std::vector<std::string>& lines, const std::string& found) {
  for (const std::string& line : lines) {
    ExpectFact(found, "url.path = \"", Match(line, "path: \"([^\"?]+)"), "\"");
    ExpectFact(found, "server.address = \"", Match(line, "host: \"([^\":]+)"), "\"");
    ExpectFact(found, "http.response.status_code = ", Match(line, "status_code: Some\\(([0-9]+)"),
               "");
    std::string method = Match(line, "method: ([A-Z][a-z]+)");
    std::ranges::transform(method, method.begin(), ::toupper);
    if (method != "NONE") ExpectFact(found, "http.request.method = \"", method, "\"");
  }
}

void ExpectRedis(const std::vector<std::string>& lines, const std::string& found) {
  for (const std::string& line : lines) {
    std::string command = Match(line, "request_type: \"([A-Za-z]+)\"");
    std::ranges::transform(command, command.begin(), ::toupper);
    ExpectFact(found, "db.operation.name = \"", command, "\"");
    ExpectFact(found, "error.type = \"", Match(line, "error: \"-([A-Z]+)"), "\"");
  }
}

TEST(DeepFlowCaptures, OfHttpAndRedisGiveWhatIsInThem) {
  const fs::path folder = DataFolder("pcap-deepflow");
  if (folder.empty()) GTEST_SKIP() << "no pcap-deepflow in WEFT_DATA";
  int compared = 0;
  for (const fs::path& path : FilesOf(folder, ".pcap")) {
    const std::string name = path.parent_path().filename().string() + "/" + path.stem().string();
    SCOPED_TRACE(name);
    const auto flows = ReadPcap(path);
    ASSERT_TRUE(flows.has_value()) << flows.error().message;
    const std::vector<std::string> lines = LinesOf(path);
    const bool http1 = !lines.empty() && lines[0].find("proto: Http1") != std::string::npos;
    const bool redis = !lines.empty() && lines[0].starts_with("RedisInfo");
    std::string text;
    for (const CapturedFlow& flow : *flows) {
      for (const Found& found : Play(flow.transcript)) text += found.text;
      ExpectRobust(flow.transcript, name, http1 || redis ? 1 : 7);
    }
    if (http1) ExpectHttp(lines, text);
    if (redis) ExpectRedis(lines, text);
    const bool other = !http1 && !redis && !name.starts_with("tcp/");
    EXPECT_EQ(other ? text : "", "");
    compared += http1 || redis ? 1 : 0;
  }
  EXPECT_GE(compared, 5);
}

TEST(DeepFlowCaptures, OfOtherProtocolsAreGuessedByTheirFirstBytes) {
  const fs::path folder = DataFolder("pcap-deepflow");
  if (folder.empty()) GTEST_SKIP() << "no pcap-deepflow in WEFT_DATA";
  const std::map<std::string, std::string> names = {
      {"amqp", "amqp"},     {"dubbo", "dubbo"},        {"kafka", "kafka"},
      {"mongo", "mongodb"}, {"mqtt", "mqtt"},          {"mysql", "mysql"},
      {"nats", "nats"},     {"postgre", "postgresql"}, {"dns", "dns"}};
  std::map<std::string, int> right, flows_of;
  for (const fs::path& path : FilesOf(folder, ".pcap")) {
    const auto name = names.find(path.parent_path().filename().string());
    if (name == names.end()) continue;
    const auto flows = ReadPcap(path);
    ASSERT_TRUE(flows.has_value()) << flows.error().message;
    for (const CapturedFlow& flow : *flows) {
      std::set<std::string_view> guesses;
      bool seen[2] = {false, false};
      for (const Event& event : flow.transcript.events) {
        if (event.kind != Event::Kind::kBytes || seen[static_cast<size_t>(event.direction)])
          continue;
        seen[static_cast<size_t>(event.direction)] = true;
        const std::string_view first = std::string_view(event.bytes).substr(0, 1024);
        if (const auto guess = ebpf::GuessProtocol(first, event.bytes.size()); !guess.empty())
          guesses.insert(guess);
      }
      ++flows_of[name->first];
      right[name->first] += guesses.contains(name->second) ? 1 : 0;
      for (const std::string_view guess : guesses)
        EXPECT_TRUE(guess == name->second || name->first == "dns")
            << path << " taken for " << guess;
    }
  }
  for (const auto& [name, flows] : flows_of) {
    std::printf("%s: %d of %d guessed\n", name.c_str(), right[name], flows);
    EXPECT_GT(right[name] * 2, flows) << name;
  }
}

// "hex|0102" and "0007|text" are how Kindling writes bytes and lengths.
std::string KindlingBytes(const std::string& text) {
  std::string out;
  const size_t bar = text.find('|');
  const std::string hex = bar == std::string::npos ? "" : text.substr(0, bar);
  const auto append = [&](const std::string& digits) {
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
      out.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  };
  if (hex == "hex") {
    append(text.substr(bar + 1));
  } else if (!hex.empty() && hex.size() % 2 == 0 &&
             hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos) {
    append(hex);
    out += text.substr(bar + 1);
  } else {
    out = text;
  }
  return out;
}

// Whether the traced process is the server follows from the first call.
Transcript KindlingTranscript(const YAML::Node& trace) {
  Transcript t;
  t.joined = true;
  for (const char* part : {"requests", "responses"}) {
    for (const YAML::Node& call : trace[part]) {
      const auto name = call["name"].as<std::string>();
      const bool received = name.starts_with("read") || name.starts_with("recv");
      Event event{Event::Kind::kBytes,
                  received ? ebpf::Direction::kReceived : ebpf::Direction::kSent, "", 0};
      for (const YAML::Node& piece : call["user_attributes"]["data"])
        event.bytes += KindlingBytes(piece.as<std::string>());
      const auto length = call["user_attributes"]["res"].as<uint64_t>();
      if (event.bytes.size() > length) event.bytes.resize(length);
      event.n = length - event.bytes.size();
      t.events.push_back(std::move(event));
    }
  }
  t.events.push_back({Event::Kind::kEnd, ebpf::Direction::kReceived, "", 0});
  return t;
}

TEST(KindlingCalls, GiveTheExchangesThatAreExpected) {
  const fs::path folder = DataFolder("syscall-kindling");
  if (folder.empty()) GTEST_SKIP() << "no syscall-kindling in WEFT_DATA";
  int compared = 0;
  for (const fs::path& path : FilesOf(folder, ".yml")) {
    const std::string protocol = path.parent_path().filename();
    SCOPED_TRACE(protocol + "/" + path.filename().string());
    const YAML::Node trace = YAML::LoadFile(path.string())["trace"];
    if (!trace) continue;
    const Transcript transcript = KindlingTranscript(trace);
    const std::vector<Found> found = Play(transcript);
    ExpectRobust(transcript, path.filename().string());
    if (protocol != "http" && protocol != "redis") {
      EXPECT_TRUE(found.empty()) << found[0].text;
      continue;
    }
    ASSERT_EQ(found.size(), 1u);
    EXPECT_TRUE(found[0].has_response);
    ++compared;
    for (const YAML::Node& expect : trace["expects"]) {
      const YAML::Node labels = expect["Labels"], values = expect["Values"];
      EXPECT_EQ(found[0].request_end - found[0].request_begin, values["request_io"].as<uint64_t>());
      EXPECT_EQ(found[0].response_end - found[0].response_begin,
                values["response_io"].as<uint64_t>());
      if (!labels["http_url"]) continue;
      auto url = labels["http_url"].as<std::string>();
      url.resize(std::min(url.find('?'), url.size()));
      EXPECT_THAT(found[0].text, HasSubstr("url.path = \"" + url + "\""));
      EXPECT_THAT(found[0].text, HasSubstr("http.response.status_code = " +
                                           labels["http_status_code"].as<std::string>()));
    }
  }
  EXPECT_GE(compared, 4);
}

}  // namespace
}  // namespace weft::testing
