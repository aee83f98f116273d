#include "sqlite_vtab/plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace varve::sqlite_vtab {
namespace {

constexpr int kDescendingBit = 1 << 0;
constexpr int kListBit = 1 << 1;
constexpr int kCountShift = 8;

struct TermText {
  PlanTerm term;
  std::string_view text;
};
constexpr std::array<TermText, 7> kTermTexts = {{
    {{TermKind::kCompare, Operator::kEqual}, "key=?"},
    {{TermKind::kCompare, Operator::kGreater}, "key>?"},
    {{TermKind::kCompare, Operator::kGreaterEqual}, "key>=?"},
    {{TermKind::kCompare, Operator::kLess}, "key<?"},
    {{TermKind::kCompare, Operator::kLessEqual}, "key<=?"},
    {{TermKind::kCompare, Operator::kGlob}, "key glob ?"},
    {{TermKind::kList, Operator::kEqual}, "key in ?"},
}};
constexpr std::string_view kDescendingText = "desc";
constexpr std::string_view kSeparator = ", ";

// Rows that an IN list is taken to have, and the share of the table that a bound of unknown value leaves: SQLite's own
// guesses for native tables.
constexpr double kListRows = 25;
constexpr double kOneBoundShare = 0.25;
constexpr double kTwoBoundsShare = 0.0625;

bool IsComparison(const Constraint& c) {
  return c.is_comparison && c.column == kKeyColumn && c.usable && c.binary_collation;
}

struct Taken {
  bool point = false;        // an equality with a single value
  bool exact_point = false;  // and nothing but its row passes
  bool list = false;
  bool lower = false;
  bool upper = false;
};

class Planner {
 public:
  explicit Planner(const PlanRequest& request) : request_(request) { choice_.uses.resize(request.constraints.size()); }

  PlanChoice Run() {
    TakeComparisons();
    ConsumeOrder();
    Estimate();
    return std::move(choice_);
  }

 private:
  bool HasSingleEquality() const {
    return std::any_of(request_.constraints.begin(), request_.constraints.end(),
                       [](const Constraint& c) { return IsComparison(c) && c.op == Operator::kEqual && !c.is_list; });
  }

  void TakeComparisons() {
    bool prefer_single = HasSingleEquality();  // then a list would only be a filter, and SQLite can do that
    for (size_t i = 0; i < request_.constraints.size(); ++i) {
      const Constraint& c = request_.constraints[i];
      if (!IsComparison(c) || choice_.plan.terms.size() == kTermsMax) continue;
      if (c.is_list && (prefer_single || taken_.list)) continue;
      Take(c, &choice_.uses[i]);
    }
  }

  void Take(const Constraint& c, TermUse* use) {
    bool exact = c.is_list || !c.value_class.has_value()
                     ? request_.key_type == ColumnType::kBlob && c.op != Operator::kGlob
                     : IsExact(c.op, request_.key_type, *c.value_class);
    choice_.plan.terms.push_back({c.is_list ? TermKind::kList : TermKind::kCompare, c.op});
    *use = {static_cast<int>(choice_.plan.terms.size()), exact, c.is_list};
    bool equal = c.op == Operator::kEqual;
    taken_.list |= c.is_list;
    taken_.point |= equal && !c.is_list;
    taken_.exact_point |= equal && !c.is_list && exact;
    taken_.lower |= c.op == Operator::kGreater || c.op == Operator::kGreaterEqual || c.op == Operator::kGlob;
    taken_.upper |= c.op == Operator::kLess || c.op == Operator::kLessEqual || c.op == Operator::kGlob;
  }

  void ConsumeOrder() {
    choice_.unique = taken_.exact_point;
    if (request_.order.empty()) return;
    const OrderTerm& first = request_.order.front();
    bool sorted = first.column == kKeyColumn;
    bool adjacent = request_.order_use == OrderUse::kGroup || request_.order_use == OrderUse::kDistinct;
    bool anywhere = std::any_of(request_.order.begin(), request_.order.end(),
                                [](const OrderTerm& term) { return term.column == kKeyColumn; });
    choice_.plan.descending = sorted && first.descending;
    choice_.order_consumed = sorted || taken_.exact_point || (adjacent && anywhere);
  }

  void Estimate() {
    double table = std::max(1.0, request_.table_rows);
    double seek = 1 + std::log2(table + 1);
    if (taken_.point) {
      choice_.rows = 1;
      choice_.cost = seek;
    } else if (taken_.list) {
      choice_.rows = std::min(table, kListRows);
      choice_.cost = kListRows * seek;
    } else {
      double share = taken_.lower && taken_.upper ? kTwoBoundsShare : taken_.lower || taken_.upper ? kOneBoundShare : 1;
      choice_.rows = std::max(1.0, std::min(table, request_.range_rows.value_or(table * share)));
      choice_.cost = seek + choice_.rows;
    }
  }

  const PlanRequest& request_;
  PlanChoice choice_;
  Taken taken_;
};

bool Has(const Plan& plan, TermKind kind) {
  return std::any_of(plan.terms.begin(), plan.terms.end(), [kind](const PlanTerm& term) { return term.kind == kind; });
}

}  // namespace

PlanChoice MakePlan(const PlanRequest& request) {
  return Planner(request).Run();
}

int Plan::EncodeBits() const {
  return (descending ? kDescendingBit : 0) | (Has(*this, TermKind::kList) ? kListBit : 0) |
         static_cast<int>(terms.size()) << kCountShift;
}

std::string Plan::EncodeText() const {
  std::string text;
  auto add = [&text](std::string_view word) {
    if (!text.empty()) text += kSeparator;
    text += word;
  };
  for (const PlanTerm& term : terms) {
    for (const TermText& candidate : kTermTexts) {
      if (candidate.term == term) add(candidate.text);
    }
  }
  if (descending) add(kDescendingText);
  return text;
}

std::optional<Plan> Plan::Decode(int bits, std::string_view text) {
  Plan plan;
  while (!text.empty()) {
    size_t end = std::min(text.find(kSeparator), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + kSeparator.size()));
    if (word == kDescendingText && text.empty()) {
      plan.descending = true;
      break;
    }
    auto found = std::find_if(kTermTexts.begin(), kTermTexts.end(),
                              [word](const TermText& candidate) { return candidate.text == word; });
    if (found == kTermTexts.end()) return std::nullopt;
    plan.terms.push_back(found->term);
  }
  if (plan.EncodeBits() != bits) return std::nullopt;
  return plan;
}

}  // namespace varve::sqlite_vtab
