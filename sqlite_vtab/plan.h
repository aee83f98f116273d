// sqlite_vtab/plan.h - which of a query's terms become bounds of an iterator, and how the choice travels to the cursor.
//
// xBestIndex describes the query as a PlanRequest, MakePlan chooses, and the Plan reaches xFilter through the two slots
// SQLite offers:
//
//   idxStr   "key>=?, key<?, key glob ?, key in ?, desc"    the arguments of xFilter in order, then words;
//            this is what EXPLAIN QUERY PLAN shows
//   idxNum   bit 0 descending, bit 1 has list, bits 8.. the number of arguments
//
// Decode refuses a pair that does not agree with itself. What is safe to take over:
//
// P1  A term is taken only when it is usable, on the key column, and compares with BINARY.
// P2  A term is omitted from SQLite's own check only when KeyRange is exact for its value's class: always for BLOB
// keys,
//     for TEXT keys when the value is a literal that is no number. Never GLOB: users may define their own.
// P3  ORDER BY is consumed when its first term is the key (what follows cannot matter: keys are unique), or when one
//     exact equality leaves at most one row. GROUP BY and DISTINCT ask only for equal rows side by side: any term on
//     the key will do.
// P4  LIMIT and OFFSET are never taken. Rows are read one by one and SQLite stops asking after the last it wants, so
//     there is nothing to gain; and 3.40.1 offers both beside terms it still has to check (of a row value only the first
//     column is shown), beside an order it still has to sort by, and to each part of a UNION ALL.
// P5  The plan is called unique (at most one row) only for an exact equality.
//
// LIKE (65) is left to SQLite: it folds case, may have an ESCAPE or a user's definition. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_vtab/key_range.h"

namespace varve::sqlite_vtab {

inline constexpr int kKeyColumn = 0;
inline constexpr int kTermsMax = 16;  // SQLite honours `omit` for the first 16 arguments only

// What an argument of xFilter means.
enum class TermKind : uint8_t { kCompare, kList };

struct PlanTerm {
  TermKind kind = TermKind::kCompare;
  Operator op = Operator::kEqual;  // of kCompare
  friend bool operator==(const PlanTerm&, const PlanTerm&) = default;
};

struct Plan {
  bool descending = false;
  std::vector<PlanTerm> terms;  // in the order of xFilter's arguments

  int EncodeBits() const;
  std::string EncodeText() const;
  // Empty when the two do not describe a plan.
  static std::optional<Plan> Decode(int bits, std::string_view text);
  friend bool operator==(const Plan&, const Plan&) = default;
};

// A term of the query as xBestIndex sees it.
struct Constraint {
  bool is_comparison = false;  // with one of the operators above; anything else is SQLite's to check
  Operator op = Operator::kEqual;
  int column = kKeyColumn;
  bool usable = false;
  bool binary_collation = true;
  bool is_list = false;                   // an IN whose values can be had all at once
  std::optional<ValueClass> value_class;  // of a literal right-hand side
};

struct OrderTerm {
  int column = kKeyColumn;
  bool descending = false;
};

// What sqlite3_vtab_distinct() says the order is for.
enum class OrderUse : uint8_t { kSort = 0, kGroup = 1, kDistinct = 2, kDistinctSort = 3 };

struct PlanRequest {
  ColumnType key_type = ColumnType::kText;
  std::span<const Constraint> constraints;
  std::span<const OrderTerm> order;
  OrderUse order_use = OrderUse::kSort;
  double table_rows = 1;
  std::optional<double> range_rows;  // when all bounds are literals: rows between them
};

struct TermUse {
  int argument = 0;  // from 1; 0: left to SQLite
  bool omit = false;
  bool list = false;
};

struct PlanChoice {
  Plan plan;
  std::vector<TermUse> uses;  // as long as the constraints
  bool order_consumed = false;
  bool unique = false;
  double rows = 1;
  double cost = 1;  // in rows of a native table read in order
};

PlanChoice MakePlan(const PlanRequest& request);

}  // namespace varve::sqlite_vtab
