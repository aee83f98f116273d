// The two operators of lsm/merge_operator.h, alone.
#include "lsm/merge_operator.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace varve::lsm {
namespace {

// What `operands` make of `base`; "refused" where the operator says so.
std::string Merge(const MergeOperator* op, const std::string* base, const std::vector<std::string>& operands) {
  const std::vector<std::string_view> views(operands.begin(), operands.end());
  const std::string_view base_view = base != nullptr ? *base : std::string_view();
  std::string result;
  return op->Merge("key", base != nullptr ? &base_view : nullptr, views, &result) ? result : "refused";
}

std::string Add(const std::string* base, const std::vector<int64_t>& numbers) {
  std::vector<std::string> operands;
  for (int64_t number : numbers) operands.push_back(EncodeCounter(number));
  const std::string sum = Merge(CounterAddOperator(), base, operands);
  const auto decoded = DecodeCounter(sum);
  return decoded ? std::to_string(*decoded) : sum;
}

TEST(MergeOperatorTest, CounterBytes) {
  EXPECT_EQ(EncodeCounter(0x0102), std::string("\x02\x01\0\0\0\0\0\0", 8));
  EXPECT_EQ(EncodeCounter(-1), std::string(8, '\xff'));
  EXPECT_EQ(DecodeCounter(EncodeCounter(-77)), -77);
  EXPECT_FALSE(DecodeCounter("").has_value());
  EXPECT_FALSE(DecodeCounter("seven b").has_value());
}

TEST(MergeOperatorTest, CountersAdd) {
  const std::string ten = EncodeCounter(10), text = "ten";
  EXPECT_EQ(Add(nullptr, {1}), "1");
  EXPECT_EQ(Add(nullptr, {1, 2, -5}), "-2");
  EXPECT_EQ(Add(&ten, {1, 2}), "13");
  EXPECT_EQ(Add(&text, {1}), "refused");
  EXPECT_EQ(Merge(CounterAddOperator(), &ten, {EncodeCounter(1), "x"}), "refused");
}

TEST(MergeOperatorTest, CountersWrap) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Add(nullptr, {kMax, 1}), std::to_string(kMin));
  EXPECT_EQ(Add(nullptr, {kMin, -1}), std::to_string(kMax));
  EXPECT_EQ(Add(nullptr, {kMax, 1, -1}), std::to_string(kMax));  // in whatever groups they are added
}

TEST(MergeOperatorTest, Appends) {
  const std::string base = "a", empty;
  EXPECT_EQ(Merge(AppendOperator(), &base, {"b", "", "c"}), "abc");
  EXPECT_EQ(Merge(AppendOperator(), &empty, {"b"}), "b");
  EXPECT_EQ(Merge(AppendOperator(), nullptr, {"b"}), "b");
  EXPECT_EQ(Merge(AppendOperator(), nullptr, {""}), "");
}

// Any grouping of neighbours gives the same.
TEST(MergeOperatorTest, CombinedOperandsDoTheSame) {
  const std::vector<std::string> numbers = {EncodeCounter(5), EncodeCounter(-9), EncodeCounter(1LL << 62),
                                            EncodeCounter(1LL << 62)};
  const std::vector<std::string> texts = {"x", "", "yz", "w"};
  for (const MergeOperator* op : {CounterAddOperator(), AppendOperator()}) {
    const auto& operands = op == CounterAddOperator() ? numbers : texts;
    const std::string base = op == CounterAddOperator() ? EncodeCounter(3) : "base";
    for (size_t from = 0; from < operands.size(); ++from) {
      for (size_t to = from + 2; to <= operands.size(); ++to) {
        const std::vector<std::string_view> group(operands.begin() + static_cast<std::ptrdiff_t>(from),
                                                  operands.begin() + static_cast<std::ptrdiff_t>(to));
        std::string combined;
        ASSERT_TRUE(op->Combine("key", group, &combined));
        std::vector<std::string> fewer(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(from));
        fewer.push_back(combined);
        fewer.insert(fewer.end(), operands.begin() + static_cast<std::ptrdiff_t>(to), operands.end());
        EXPECT_EQ(Merge(op, &base, fewer), Merge(op, &base, operands)) << op->name() << from << to;
        EXPECT_EQ(Merge(op, nullptr, fewer), Merge(op, nullptr, operands)) << op->name() << from << to;
      }
    }
  }
}

TEST(MergeOperatorTest, FoundByName) {
  EXPECT_EQ(FindMergeOperator("varve.counter"), CounterAddOperator());
  EXPECT_EQ(FindMergeOperator("varve.append"), AppendOperator());
  EXPECT_EQ(FindMergeOperator(""), nullptr);
  EXPECT_EQ(FindMergeOperator("varve"), nullptr);
}

}  // namespace
}  // namespace varve::lsm
