// tests/fuzz/stop_at_failure.cc - an expectation that does not hold ends the program by abort(), as libFuzzer wants it.
#include <gtest/gtest.h>

#include <cstdlib>

namespace {

class StopAtFailure : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (result.failed()) std::abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::testing::UnitTest::GetInstance()->listeners().Append(new StopAtFailure);  // behind the one that prints
  return 0;
}
