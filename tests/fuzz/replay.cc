// tests/fuzz/replay.cc - a fuzzer without libFuzzer: the inputs of tests/fuzz/corpus/NAME, then mutations of them,
// always the same ones. VARVE_SEED draws others, VARVE_FUZZ_MUTATIONS says how many.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz_input.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace varve::fuzz {
namespace {

constexpr uint64_t kMutations = 2000;
constexpr size_t kInputSizeMax = 4096;  // as libFuzzer's

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Input {
  std::string name;
  std::string bytes;
};

std::vector<Input> Corpus() {
  std::vector<Input> corpus;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" VARVE_FUZZER)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.push_back({entry.path().filename().string(), {std::istreambuf_iterator<char>(file), {}}});
  }
  std::sort(corpus.begin(), corpus.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  return corpus;
}

// What is being run, for whoever sees it crash.
const Input* current = nullptr;

std::string Described(const Input& input) {
  std::string text = "input " + input.name + ", in hexadecimal:\n";
  for (const char c : input.bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text + "\n(xxd -r -p makes a file of it)\n";
}

void TellInput() {
  if (current != nullptr) std::fputs(Described(*current).c_str(), stderr);
}

void TellInputAndDie(int signal) {
  TellInput();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// False once an expectation did not hold: one story is enough.
bool Holds(const Input& input) {
  current = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.bytes.data()), input.bytes.size());
  current = nullptr;
  if (!::testing::Test::HasFailure()) return true;
  ADD_FAILURE() << Described(input);
  return false;
}

class Mutator {
 public:
  Mutator(std::vector<Input> corpus, uint64_t seed) : corpus_(std::move(corpus)), random_(seed) {}

  Input Next() {
    Input input = corpus_[Below(corpus_.size())];
    for (uint64_t n = 1 + Below(4); n > 0; --n) Change(&input.bytes);
    input.bytes.resize(std::min(input.bytes.size(), kInputSizeMax));
    input.name += ", mutation " + std::to_string(++count_);
    return input;
  }

 private:
  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  // Some bytes anywhere of any input.
  std::string Piece() {
    const std::string& from = corpus_[Below(corpus_.size())].bytes;
    return from.substr(Below(from.size()), 1 + Below(32));
  }
  void Change(std::string* bytes) {
    static constexpr std::string_view kNumbers[] = {
        {"\0\0\0\0", 4}, {"\xff\xff\xff\xff", 4}, {"\xff\xff\xff\x7f", 4}, {"\0\0\0\x80", 4}, {"\1\0\0\0", 4}};
    const size_t at = Below(bytes->size());
    switch (Below(8)) {
      case 0:
        if (!bytes->empty()) (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << Below(8)));
        break;
      case 1:
        if (!bytes->empty()) (*bytes)[at] = static_cast<char>(random_());
        break;
      case 2: bytes->erase(at, 1 + Below(16)); break;
      case 3: bytes->resize(at); break;
      case 4: bytes->insert(at, bytes->substr(at, 1 + Below(32))); break;
      case 5: bytes->insert(at, Piece()); break;
      case 6: bytes->replace(at, 4, kNumbers[Below(std::size(kNumbers))]); break;
      default: {
        const std::string piece = Piece();
        bytes->replace(at, piece.size(), piece);
      }
    }
  }

  const std::vector<Input> corpus_;
  std::mt19937_64 random_;
  uint64_t count_ = 0;
};

class FuzzReplay : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::signal(SIGABRT, TellInputAndDie);
    if (__sanitizer_set_death_callback != nullptr) {  // the other signals are its own
      __sanitizer_set_death_callback(TellInput);
    } else {
      for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, TellInputAndDie);
    }
  }
  void SetUp() override { ASSERT_FALSE(corpus_.empty()); }

  const std::vector<Input> corpus_ = Corpus();
};

TEST_F(FuzzReplay, Corpus) {
  for (const Input& input : corpus_) {
    if (!Holds(input)) return;
  }
}

TEST_F(FuzzReplay, Mutations) {
  const uint64_t seed = FromEnvironment("VARVE_SEED", 1);
  const uint64_t mutations = FromEnvironment("VARVE_FUZZ_MUTATIONS", kMutations);
  ASSERT_GT(mutations, 0u);
  std::printf("VARVE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  Mutator mutator(corpus_, seed);
  for (uint64_t i = 0; i < mutations; ++i) {
    if (!Holds(mutator.Next())) return;
  }
}

}  // namespace
}  // namespace varve::fuzz
