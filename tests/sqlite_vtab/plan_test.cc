#include "sqlite_vtab/plan.h"

#include <gtest/gtest.h>

namespace varve::sqlite_vtab {
namespace {

Constraint Compare(Operator op, std::optional<ValueClass> literal = std::nullopt) {
  Constraint c;
  c.is_comparison = true;
  c.op = op;
  c.usable = true;
  c.value_class = literal;
  return c;
}

Constraint List() {
  Constraint c = Compare(Operator::kEqual);
  c.is_list = true;
  return c;
}

PlanChoice Choose(std::vector<Constraint> constraints, std::vector<OrderTerm> order = {},
                  ColumnType type = ColumnType::kText, OrderUse use = OrderUse::kSort) {
  PlanRequest request;
  request.key_type = type;
  request.constraints = constraints;
  request.order = order;
  request.order_use = use;
  request.table_rows = 1000;
  return MakePlan(request);
}

TEST(Plan, TextShowsWhatExplainQueryPlanShows) {
  PlanChoice choice =
      Choose({Compare(Operator::kGreaterEqual), Compare(Operator::kLess)}, {{.column = 0, .descending = true}});
  EXPECT_EQ(choice.plan.EncodeText(), "key>=?, key<?, desc");
  EXPECT_EQ(choice.plan.EncodeBits(), 2 << 8 | 1);
}

TEST(Plan, EveryPlanSurvivesTheTrip) {
  std::vector<PlanTerm> all = {{TermKind::kCompare, Operator::kEqual},
                               {TermKind::kCompare, Operator::kGreater},
                               {TermKind::kCompare, Operator::kGreaterEqual},
                               {TermKind::kCompare, Operator::kLess},
                               {TermKind::kCompare, Operator::kLessEqual},
                               {TermKind::kCompare, Operator::kGlob},
                               {TermKind::kList, Operator::kEqual}};
  for (size_t mask = 0; mask < 1u << all.size(); ++mask) {
    for (bool descending : {false, true}) {
      Plan plan;
      plan.descending = descending;
      for (size_t i = 0; i < all.size(); ++i) {
        if ((mask >> i & 1) != 0) plan.terms.push_back(all[i]);
      }
      std::optional<Plan> back = Plan::Decode(plan.EncodeBits(), plan.EncodeText());
      ASSERT_TRUE(back.has_value());
      EXPECT_EQ(*back, plan);
    }
  }
}

TEST(Plan, DecodeRefusesWhatDoesNotAgree) {
  EXPECT_FALSE(Plan::Decode(0, "key=?").has_value());
  EXPECT_FALSE(Plan::Decode(1, "").has_value());
  EXPECT_FALSE(Plan::Decode(1 << 8, "rowid=?").has_value());
  EXPECT_FALSE(Plan::Decode(1 << 8, "desc, key=?").has_value());
}

TEST(Plan, UnusableTermsAreLeftAlone) {
  Constraint c = Compare(Operator::kEqual);
  c.usable = false;
  EXPECT_EQ(Choose({c}).uses[0].argument, 0);
}

TEST(Plan, OtherCollationsAndColumnsAreLeftAlone) {
  Constraint nocase = Compare(Operator::kEqual);
  nocase.binary_collation = false;
  EXPECT_EQ(Choose({nocase}).uses[0].argument, 0);
  Constraint value = Compare(Operator::kEqual);
  value.column = 1;
  EXPECT_EQ(Choose({value}).uses[0].argument, 0);
}

TEST(Plan, OmitsOnlyWhatIsExact) {
  EXPECT_FALSE(Choose({Compare(Operator::kEqual)}).uses[0].omit);
  EXPECT_TRUE(Choose({Compare(Operator::kEqual, ValueClass::kText)}).uses[0].omit);
  EXPECT_FALSE(Choose({Compare(Operator::kEqual, ValueClass::kNumber)}).uses[0].omit);
  EXPECT_TRUE(Choose({Compare(Operator::kEqual)}, {}, ColumnType::kBlob).uses[0].omit);
  EXPECT_FALSE(Choose({Compare(Operator::kGlob, ValueClass::kText)}, {}, ColumnType::kBlob).uses[0].omit);
  EXPECT_FALSE(Choose({List()}).uses[0].omit);
}

TEST(Plan, UniqueOnlyForAnExactEquality) {
  EXPECT_TRUE(Choose({Compare(Operator::kEqual, ValueClass::kText)}).unique);
  EXPECT_FALSE(Choose({Compare(Operator::kEqual)}).unique);
  EXPECT_FALSE(Choose({List()}, {}, ColumnType::kBlob).unique);
}

TEST(Plan, OneListAtMostAndNoneBesideAnEquality) {
  PlanChoice two = Choose({List(), List()});
  EXPECT_EQ(two.uses[0].argument, 1);
  EXPECT_EQ(two.uses[1].argument, 0);
  PlanChoice with_equal = Choose({List(), Compare(Operator::kEqual)});
  EXPECT_EQ(with_equal.uses[0].argument, 0);
  EXPECT_EQ(with_equal.uses[1].argument, 1);
}

TEST(Plan, OrderIsConsumedWhenItBeginsWithTheKey) {
  EXPECT_TRUE(Choose({}, {{.column = 0}}).order_consumed);
  EXPECT_TRUE(Choose({}, {{.column = 0}, {.column = 1, .descending = true}}).order_consumed);
  EXPECT_FALSE(Choose({}, {{.column = 1}, {.column = 0}}).order_consumed);
  EXPECT_TRUE(Choose({List()}, {{.column = 0, .descending = true}}).plan.descending);
  // One row at most: any order is right.
  EXPECT_TRUE(Choose({Compare(Operator::kEqual, ValueClass::kText)}, {{.column = 1}}).order_consumed);
  EXPECT_FALSE(Choose({Compare(Operator::kEqual)}, {{.column = 1}}).order_consumed);
}

TEST(Plan, GroupingAsksOnlyForNeighbours) {
  std::vector<OrderTerm> order = {{.column = 1}, {.column = 0}};
  EXPECT_TRUE(Choose({}, order, ColumnType::kText, OrderUse::kGroup).order_consumed);
  EXPECT_TRUE(Choose({}, order, ColumnType::kText, OrderUse::kDistinct).order_consumed);
  EXPECT_FALSE(Choose({}, order, ColumnType::kText, OrderUse::kDistinctSort).order_consumed);
  EXPECT_FALSE(Choose({}, {{.column = 1}}, ColumnType::kText, OrderUse::kGroup).order_consumed);
}

// LIMIT, OFFSET, LIKE and the rest arrive as terms that are no comparisons.
TEST(Plan, WhatIsNoComparisonIsLeftAlone) {
  Constraint limit;
  limit.usable = true;
  EXPECT_EQ(Choose({limit}).uses[0].argument, 0);
}

TEST(Plan, NoMoreTermsThanOmitIsHonouredFor) {
  std::vector<Constraint> many(20, Compare(Operator::kGreater, ValueClass::kText));
  PlanChoice choice = Choose(many);
  EXPECT_EQ(choice.plan.terms.size(), static_cast<size_t>(kTermsMax));
  EXPECT_EQ(choice.uses[kTermsMax].argument, 0);
}

TEST(Plan, CostsFallFromScanToRangeToPoint) {
  double scan = Choose({}).cost;
  double range = Choose({Compare(Operator::kGreater)}).cost;
  double between = Choose({Compare(Operator::kGreater), Compare(Operator::kLess)}).cost;
  double point = Choose({Compare(Operator::kEqual)}).cost;
  EXPECT_GT(scan, range);
  EXPECT_GT(range, between);
  EXPECT_GT(between, point);
}

}  // namespace
}  // namespace varve::sqlite_vtab
