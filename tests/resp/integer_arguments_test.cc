// Numbers at the edges of every width, in every place where COMMAND DOCS says that a command takes one: a proper reply,
// no key that lives to no time, no memory beyond what a value may have. The sanitizers' build looks for overflows.
#include <sys/resource.h>

#include <cstdlib>
#include <random>
#include <set>

#include "tests/resp/harness.h"
#include "tests/resp/reply_decoder.h"

namespace varve::resp {
namespace {

constexpr int kFormsPerCommand = 24;
constexpr size_t kValueBytesMax = size_t{1} << 20;  // proto-max-bulk-len here: what else bounds SETBIT and SETRANGE
constexpr size_t kRssGrowthMax = size_t{256} << 20;

// "9223372036854775808" and its like included: not every one is an integer of ours.
const std::vector<std::string>& Edges() {
  static const std::vector<std::string> edges = {"-9223372036854775809",
                                                 "-9223372036854775808",
                                                 "-9223372036854775807",
                                                 "-9223372036854775",
                                                 "-4294967297",
                                                 "-4294967296",
                                                 "-2147483649",
                                                 "-2147483648",
                                                 "-1",
                                                 "0",
                                                 "1",
                                                 "8388607",
                                                 "8388608",
                                                 "2147483647",
                                                 "2147483648",
                                                 "4294967295",
                                                 "4294967296",
                                                 "4294967297",
                                                 "9223372036854775",
                                                 "9223372036854775807",
                                                 "9223372036854775808",
                                                 "18446744073709551615",
                                                 "18446744073709551616",
                                                 "+1",
                                                 "-0",
                                                 "1e3",
                                                 "0x10",
                                                 ""};
  return edges;
}

// One way to call a command, and where numbers stand in it.
struct Form {
  std::vector<std::string> words;
  std::vector<size_t> numbers;
};

class IntegerArgumentsTest : public DispatcherTest {
 protected:
  bool Toss() { return dice_() % 2 == 0; }
  static bool Has(const ArgumentDoc& argument, std::string_view flag) {
    return (" " + std::string(argument.flags) + " ").find(" " + std::string(flag) + " ") != std::string::npos;
  }

  void AddValue(const ArgumentDoc& argument, Form* form) {
    if (argument.type == "oneof") return Add(argument.arguments[dice_() % argument.arguments.size()], form);
    if (argument.type == "block") {
      for (const ArgumentDoc& child : argument.arguments) Add(child, form);
    } else if (argument.type == "integer" || argument.type == "unix-time" || argument.type == "double" ||
               argument.name == "offset" || argument.name == "cursor") {
      form->numbers.push_back(form->words.size());
      form->words.emplace_back("1");
    } else if (argument.type == "key") {
      static constexpr const char* kNames[] = {"number", "text", "none", "volatile", "hll"};
      form->words.emplace_back(kNames[dice_() % std::size(kNames)]);
    } else if (argument.name == "encoding") {
      static constexpr const char* kEncodings[] = {"u8", "i64", "u63", "i1"};
      form->words.emplace_back(kEncodings[dice_() % std::size(kEncodings)]);
    } else if (argument.name == "operation") {
      static constexpr const char* kOperations[] = {"AND", "OR", "XOR", "NOT"};
      form->words.emplace_back(kOperations[dice_() % std::size(kOperations)]);
    } else if (argument.type != "pure-token") {
      form->words.emplace_back("x");
    }
  }
  void Add(const ArgumentDoc& argument, Form* form) {
    if (Has(argument, "optional") && Toss()) return;
    const int times = Has(argument, "multiple") && Toss() ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      if (!argument.token.empty() && (i == 0 || Has(argument, "multiple_token"))) {
        form->words.emplace_back(argument.token);
      }
      AddValue(argument, form);
    }
  }

  void Prepare() {
    dispatcher_->Forget(session_);
    session_ = Session();
    session_.id = 1;
    session_.sink = &sink_;
    session_.address = "127.0.0.1:1000";
    session_.protocol = Toss() ? 2 : 3;
    dispatcher_->UnpauseClients();
    Do("FLUSHALL");
    Do("SET number 9223372036854775800");
    Do("SET text some-text-of-some-length");
    Do("SET volatile -9223372036854775800 PX 100000");
    Do("PFADD hll a b c");
    Commit();
  }
  void Check(const std::vector<std::string>& words) {
    Prepare();
    const std::string reply = Run(session_, words);
    ++requests_;
    if (!session_.close_after_reply && !last_.parked) CheckReply(reply);
    session_ = Session();
    session_.id = 1;
    session_.sink = &sink_;
    for (const char* name : {"number", "text", "volatile", "hll", "none", "x", "1"}) CheckKey(name);
    if (!HasFailure()) return;
    for (const std::string& word : words) ADD_FAILURE() << "of: " << word;
  }
  // Whole values and nothing else.
  static void CheckReply(const std::string& reply) {
    ReplyDecoder decoder(reply);
    ReplyValue value;
    do {
      ASSERT_EQ(decoder.Next(&value), ReplyResult::kValue) << reply.substr(0, 200);
    } while (!decoder.at_end());
    EXPECT_LE(reply.size(), 4 * kValueBytesMax);
  }
  void CheckKey(const char* name) {
    keyspace::Entry entry;
    keys_->BeginCommand();
    for (int db = 0; db < 2; ++db) {
      const lsm::Result<bool> found = keys_->Find(db, name, &entry);
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      if (!*found) continue;
      EXPECT_LE(entry.value.size(), kValueBytesMax + 8) << name;  // BITFIELD: the first bit is below, as in Redis
      EXPECT_LE(entry.expire_ms, static_cast<uint64_t>(INT64_MAX)) << name;
    }
  }
  // Each number at each edge while the others are 1, then all at once at any.
  void CheckForm(const Form& form) {
    for (size_t place : form.numbers) {
      for (const std::string& edge : Edges()) {
        std::vector<std::string> words = form.words;
        words[place] = edge;
        Check(words);
        if (HasFailure()) return;
      }
    }
    for (int i = 0; i < 8 && form.numbers.size() > 1; ++i) {
      std::vector<std::string> words = form.words;
      for (size_t place : form.numbers) words[place] = Edges()[dice_() % Edges().size()];
      Check(words);
    }
  }
  void CheckCommand(const Command& command, const std::vector<std::string>& name) {
    std::set<std::vector<std::string>> seen;
    for (int i = 0; i < kFormsPerCommand && !HasFailure(); ++i) {
      Form form{.words = name, .numbers = {}};
      for (const ArgumentDoc& argument : command.doc->arguments) Add(argument, &form);
      if (form.numbers.empty() || !seen.insert(form.words).second) continue;
      CheckForm(form);
    }
    if (!seen.empty()) ++commands_;
  }

  std::mt19937_64 dice_;
  int commands_ = 0;
  int requests_ = 0;
};

TEST_F(IntegerArgumentsTest, EveryNumberOfEveryCommand) {
  const char* const given = std::getenv("VARVE_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 7;
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  dice_.seed(seed);
  ASSERT_EQ(config_.Set("proto-max-bulk-len", std::to_string(kValueBytesMax), SettingTime::kRunning), "");
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  for (const Command& command : AllCommands()) {
    if (command.handler != nullptr) CheckCommand(command, {std::string(command.name)});
    for (const Command& child : command.subcommands) {
      CheckCommand(child, {std::string(command.name), std::string(child.name)});
    }
  }
  getrusage(RUSAGE_SELF, &after);
  EXPECT_GE(commands_, 30);
  std::printf("  %d requests of %d commands\n", requests_, commands_);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(static_cast<size_t>(after.ru_maxrss - before.ru_maxrss) * 1024, kRssGrowthMax);
#endif
}

// What cannot be said is refused, and never wraps around.
TEST_F(IntegerArgumentsTest, SumsAreExactOrRefused) {
  const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -4294967296, -1, 0, 1, 4294967296, INT64_MAX - 1, INT64_MAX};
  for (int64_t a : edges) {
    for (int64_t b : edges) {
      for (bool down : {false, true}) {
        Do("SET n " + std::to_string(a));
        const __int128 sum = down ? static_cast<__int128>(a) - b : static_cast<__int128>(a) + b;
        const std::string reply = Do((down ? "DECRBY n " : "INCRBY n ") + std::to_string(b));
        const bool fits = sum >= INT64_MIN && sum <= INT64_MAX && !(down && b == INT64_MIN);
        if (fits) {
          EXPECT_EQ(reply, ":" + std::to_string(static_cast<int64_t>(sum)) + "\r\n") << a << " " << b << " " << down;
        } else {
          EXPECT_TRUE(reply.starts_with("-ERR ") && reply.find("overflow") != std::string::npos) << reply;
          EXPECT_EQ(Do("GET n"), Bulk(std::to_string(a)));
        }
      }
    }
  }
}

// As a slice of a string in another language would be.
TEST_F(IntegerArgumentsTest, RangesOfStringsAreCutToWhatIsThere) {
  const std::string text = "0123456789";
  Do("SET s " + text);
  const int64_t edges[] = {INT64_MIN, -4294967296, -2147483648, -11, -10,        -9,         -1,       0,
                           1,         9,           10,          11,  2147483647, 4294967295, INT64_MAX};
  for (int64_t start : edges) {
    for (int64_t end : edges) {
      const auto at = [](int64_t index) -> __int128 { return index < 0 ? static_cast<__int128>(index) + 10 : index; };
      const __int128 from = std::max<__int128>(at(start), 0);
      const __int128 to = std::min<__int128>(std::max<__int128>(at(end), 0), 9);
      const bool none = (start < 0 && end < 0 && start > end) || from > to;
      const std::string expected =
          none ? "" : text.substr(static_cast<size_t>(from), static_cast<size_t>(to - from + 1));
      EXPECT_EQ(Do("GETRANGE s " + std::to_string(start) + " " + std::to_string(end)), Bulk(expected))
          << start << " " << end;
    }
  }
}

}  // namespace
}  // namespace varve::resp
