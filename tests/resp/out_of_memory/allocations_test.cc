// No allocation per GET or SET of a known key in steady state: bytes to parser, dispatcher, keyspace, engine and back.
//
// Counted are the calls of operator new by the thread that serves. What is left belongs to no request: a memtable's
// blocks and the log's next file, of which there is one for thousands of SETs.
#include <cstdio>

#include "resp/parser.h"
#include "tests/resp/harness.h"
#include "tests/starvation/starvation.h"

namespace varve::resp {
namespace {

constexpr int kKeys = 1000;
constexpr int kRequests = 100'000;

class AllocationsTest : public DispatcherTest, public ::testing::WithParamInterface<int> {
 protected:
  AllocationsTest() {
    for (int i = 0; i < kKeys; i++) names_.push_back("key:" + std::to_string(100'000 + i));
  }
  static int pipeline() { return GetParam(); }

  static std::string Request(const std::vector<std::string>& words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) bytes += Bulk(word);
    return bytes;
  }
  // What the client has sent when each tick begins: all keys in turn.
  std::vector<std::string> Ticks(bool set) {
    std::vector<std::string> ticks;
    for (int at = 0; at < kKeys; at += pipeline()) {
      std::string& bytes = ticks.emplace_back();
      for (int i = at; i < at + pipeline(); i++) {
        const std::string& name = names_[static_cast<size_t>(i % kKeys)];
        bytes += set ? Request({"SET", name, std::string(100, 'v')}) : Request({"GET", name});
      }
    }
    return ticks;
  }
  // As net::Connection and net::Server serve it.
  void Serve(std::string_view bytes) {
    out_.clear();
    dispatcher_->ReadClock();
    while (!bytes.empty()) {
      ASSERT_EQ(parser_.Parse(bytes, limits_), ParseResult::kRequest);
      Execution execution = dispatcher_->Execute(session_, parser_.args(), &out_);
      if (execution.fetching) {  // its table is not open yet
        session_.fetched = true;
        execution = dispatcher_->Execute(session_, parser_.args(), &out_);
      }
      dispatcher_->DeliverMessages(execution.wrote);
      bytes.remove_prefix(parser_.consumed());
      ++served_;
    }
    dispatcher_->EndTick();
    Commit();
  }
  int64_t AllocationsOf(const std::vector<std::string>& ticks, int requests) {
    const int64_t before = lsm::Starvation::Allocations();
    for (served_ = 0; served_ < requests;) {
      for (const std::string& tick : ticks) Serve(tick);
    }
    return lsm::Starvation::Allocations() - before;
  }
  void Fill() {
    const int64_t before = lsm::Starvation::Allocations();
    for (const std::string& tick : Ticks(true)) Serve(tick);
    EXPECT_GT(lsm::Starvation::Allocations(), before) << "nobody counts";
  }

  std::vector<std::string> names_;
  Parser parser_;
  const ParserLimits limits_;
  std::string out_;
  int served_ = 0;
};

TEST_P(AllocationsTest, NoneForAGetOfWhatIsInMemory) {
  Fill();
  const std::vector<std::string> gets = Ticks(false);
  AllocationsOf(gets, kKeys);
  EXPECT_EQ(AllocationsOf(gets, kRequests), 0);
  EXPECT_TRUE(out_.starts_with("$100\r\nvvv")) << out_;
}

TEST_P(AllocationsTest, NoneForAGetOfWhatIsInTheTables) {
  Fill();
  ASSERT_TRUE(db_->Flush().ok());
  const std::vector<std::string> gets = Ticks(false);
  AllocationsOf(gets, kKeys);
  EXPECT_EQ(AllocationsOf(gets, kRequests), 0);
  EXPECT_TRUE(out_.starts_with("$100\r\nvvv")) << out_;
}

TEST_P(AllocationsTest, NoneForAGetOfWhatIsNotThere) {
  Fill();
  ASSERT_TRUE(db_->Flush().ok());
  for (std::string& name : names_) name += "x";
  const std::vector<std::string> gets = Ticks(false);
  AllocationsOf(gets, kKeys);
  EXPECT_EQ(AllocationsOf(gets, kRequests), 0);
  EXPECT_TRUE(out_.starts_with("$-1\r\n")) << out_;
}

TEST_P(AllocationsTest, NoneForASetButTheMemtables) {
  Fill();
  const std::vector<std::string> sets = Ticks(true);
  AllocationsOf(sets, kRequests);
  const int64_t allocations = AllocationsOf(sets, kRequests);
  std::printf("  %lld allocations for %d SETs\n", static_cast<long long>(allocations), kRequests);
  EXPECT_LT(allocations, kRequests / 100);
  EXPECT_TRUE(out_.starts_with("+OK\r\n")) << out_;
}

INSTANTIATE_TEST_SUITE_P(Pipelines, AllocationsTest, ::testing::Values(1, 16));

}  // namespace
}  // namespace varve::resp
