#include "sources/ebpf/token_text.h"

#include <set>

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

const TokenText& Text() {
  static const TokenText text("salt", {"badge"});
  return text;
}

std::set<uint32_t> Tokens(std::string_view text, bool cut = false) {
  TokenSet set;
  Text().Scan(text, cut, &set);
  return {set.hashes().begin(), set.hashes().end()};
}

uint32_t Token(std::string_view word) {
  TokenSet set;
  Text().Scan(word, false, &set);
  EXPECT_EQ(set.hashes().size(), 1u) << word;
  return set.hashes()[0];
}

bool Has(std::string_view text, std::string_view word) {
  return Tokens(text).contains(Token(word));
}

TEST(SipHash, GivesThePapersExample) {
  std::string message;
  for (char c = 0; c < 15; ++c) message.push_back(c);
  EXPECT_EQ(SipHash({0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL}, message),
            0xa129ca6149be45e5ULL);
}

TEST(TokenText, FindsTheSameValueWhereverItStands) {
  for (const char* text :
       {"/api/cart/57", "/cart?user=57&brief=1", R"({"user": 57, "brief": true})",
        R"({"users":["12","57"]})", "cart:57", "user:57:cart", "<user>57</user>", "id=57; page=2",
        R"({\"user\":\"57\"})", R"({"57": {"n": 1}})", "user is 57, not 58."})
    EXPECT_TRUE(Has(text, "57")) << text;
}

TEST(TokenText, DoesNotHashNames) {
  EXPECT_FALSE(Has(R"({"quantity": 57})", "quantity"));
  EXPECT_FALSE(Has("quantity=57", "quantity"));
}

TEST(TokenText, DependsOnTheSaltAndNotOnCase) {
  TokenSet other;
  TokenText("another", {}).Scan("ab57", false, &other);
  EXPECT_NE(other.hashes()[0], Token("ab57"));
  EXPECT_EQ(Token("AB57"), Token("ab57"));
}

// The hash is of the letters in lower case, as an agent that goes byte by byte would have them.
TEST(TokenText, LowersWordsOfAnyLengthAndNothingButLetters) {
  std::string odd;
  for (int c = 0x80; c < 0x100; ++c) odd.push_back(static_cast<char>(c));
  const std::string letters = "AZ7azM@0nQ-yB_k.d" + odd.substr(0, 60) + "Z9";
  const std::string lower = "az7azm@0nq-yb_k.d" + odd.substr(0, 60) + "z9";
  const SipKey key{SipHash({1, 2}, "salt"), SipHash({3, 4}, "salt")};
  for (size_t n = 3; n <= letters.size(); ++n) {
    const std::string_view word = std::string_view(letters).substr(0, n);
    if (word.ends_with('-') || word.ends_with('_') || word.ends_with('.')) continue;
    const auto hash = static_cast<uint32_t>(SipHash(key, std::string_view(lower).substr(0, n)));
    EXPECT_EQ(Token(word), hash & ~1u) << n;
  }
  // Who knows what is encoded in it.
  for (size_t at = 0; at < 40; ++at) {
    std::string word = letters.substr(0, 40);
    word[at] = '%';
    EXPECT_TRUE(Tokens(word).empty()) << at;
  }
}

TEST(TokenText, DecodesPercentSigns) {
  TokenSet set;
  Text().ScanEncoded("user=bob%40shop.org", false, &set);
  EXPECT_EQ(set.hashes()[0], Token("bob@shop.org"));
}

// What a secret name names leaves no trace, however it is written down.
TEST(TokenText, NeverHashesWhatASecretNameNames) {
  for (const char* text : {R"({"password":"hunter2"})",
                           R"({"password" : "hunter2", "x":1})",
                           "password=hunter2",
                           "a=1&password=hunter2&b=2",
                           "password: hunter2",
                           "password: my hunter2",
                           "Authorization: Bearer hunter2",
                           "session:hunter2",
                           "session:57:hunter2",
                           "token/hunter2",
                           R"({"tokens":["a","hunter2"]})",
                           R"({"secret":{"a":{"b":"hunter2"}}})",
                           R"({"password":"a,b hunter2"})",
                           R"({"password":"a\" hunter2"})",
                           R"({\"password\":\"hunter2\"})",
                           "<password>hunter2</password>",
                           "<password type='text'>hunter2</password>",
                           "<wsse:Password Type='x'>hunter2</wsse:Password>",
                           "<a:password>hunter2</a:password>",
                           "<password type='",
                           "password='hunter2'",
                           "https://user:hunter2@host/",
                           "badge=hunter2",
                           "Cookie: a=1; b=hunter2",
                           "weft-truth:hunter2",
                           "7;weft-truth:hunter2",
                           "x-weft-truth: hunter2"})
    EXPECT_FALSE(Has(text, "hunter2")) << text;
  TokenSet set;
  Text().ScanEncoded("to=https%3A%2F%2Fx%3Ftoken%3Dhunter2", false, &set);
  for (const uint32_t token : set.hashes()) EXPECT_NE(token, Token("hunter2"));
}

TEST(TokenText, GoesOnBehindASecret) {
  for (const char* text :
       {R"({"password":"hunter2","id":57})", "password=hunter2&id=57", R"({"code":200,"id":57})",
        R"({"secret":{"a":"}"},"id":57})", "/token/abc/item/57",
        "<user type='x' id='57'>ann</user>", "<password a='1'>x</password><id>57</id>"})
    EXPECT_TRUE(Has(text, "57")) << text;
}

TEST(TokenText, LeavesOutWhatCannotBeJudged) {
  const std::string web_token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc";
  EXPECT_TRUE(Tokens(web_token).empty());
  EXPECT_TRUE(Tokens("a%2500b").empty());
  EXPECT_TRUE(Tokens(std::string(200, '7')).empty());
  EXPECT_TRUE(Tokens("true false null").empty());
}

TEST(TokenText, DoesNotTakeAPartOfAWordForAWord) {
  EXPECT_TRUE(Tokens("12", true).empty());
  EXPECT_EQ(Tokens("12 ", true).size(), 1u);
}

TEST(TokenText, SaysWhenItPassedASecretOver) {
  TokenSet set;
  EXPECT_TRUE(Text().Scan("session:abc", false, &set));
  EXPECT_FALSE(Text().Scan("cart:57", false, &set));
  EXPECT_FALSE(Text().Scan("weft-truth:r1.2", false, &set));
}

// So that two messages with many values in common do not keep different ones.
TEST(TokenSet, OfManyValuesTheSameRemain) {
  std::string many, other = "99001 99002 ";
  for (int i = 100000; i < 100040; ++i) many += std::to_string(i) + " ";
  other += many;
  size_t both = 0;
  for (const uint32_t token : Tokens(many)) both += Tokens(other).contains(token);
  EXPECT_EQ(Tokens(many).size(), TokenSet::kMax);
  EXPECT_GE(both, TokenSet::kMax - 2);
}

TEST(TokenSet, LongValuesWithDigitsStayBeforeShortOnes) {
  std::string text = "1f0cbe2a-77aa-4f6e-9b1e-57a6b2f0c001 ";
  for (int i = 10; i < 60; ++i) text += std::to_string(i) + " ";
  EXPECT_TRUE(Has(text, "1f0cbe2a-77aa-4f6e-9b1e-57a6b2f0c001"));
}

}  // namespace
}  // namespace weft::ebpf
