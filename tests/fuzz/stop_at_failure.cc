// tests/fuzz/stop_at_failure.cc - makes an expectation that does not hold a crash, which is what libFuzzer looks for.
#include <gtest/gtest.h>

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);
  return 0;
}
