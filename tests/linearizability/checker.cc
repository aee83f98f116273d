// One key at a time: the search for an order, and what is left of a history that has none.
#include "tests/linearizability/checker.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <unordered_set>
#include <utility>

namespace varve::linearizability {
namespace {

using Operations = std::vector<Operation>;

constexpr size_t kMemoMax = 4'000'000;  // pairs; a history that needs more is not judged
constexpr size_t kShownBytes = 24;      // of a value

std::string Show(const Value& value) {
  if (!value.has_value()) return "nothing";
  if (value->size() <= kShownBytes) return "'" + *value + "'";
  return "'" + value->substr(0, kShownBytes) + "...'(" + std::to_string(value->size()) + ")";
}

std::string Show(const Operation& operation) {
  static constexpr const char* kNames[] = {"read", "write", "delete", "add", "append", "exchange for", "write"};
  std::string text = operation.returned == kNever
                         ? "[" + std::to_string(operation.invoked) + ", never]"
                         : "[" + std::to_string(operation.invoked) + ", " + std::to_string(operation.returned) + "]";
  text += " client " + std::to_string(operation.client) + ": " + kNames[static_cast<size_t>(operation.action)];
  if (operation.action != Action::kRead && operation.action != Action::kDelete) text += " " + Show(operation.argument);
  if (operation.action == Action::kWriteIf) text += " if there is " + Show(operation.expected);
  if (operation.answer.has_value()) text += " -> " + Show(*operation.answer);
  if (!operation.certain) text += " -> unknown";
  return text;
}

// Looks for an order of the operations of one key. The invocations and returns not yet ordered are a doubly linked list
// by time; ordering an operation takes its two out, going back puts them in again.
class Search {
 public:
  enum class Result { kFound, kNone, kTooLarge };

  explicit Search(const Operations& operations) : operations_(operations), ordered_((operations.size() + 7) / 8, '\0') {
    std::vector<std::pair<uint64_t, size_t>> times;  // 2 i: operation i is invoked; 2 i + 1: it returns
    for (size_t i = 0; i < operations.size(); ++i) {
      times.emplace_back(operations[i].invoked, 2 * i);
      if (operations[i].returned == kNever) continue;
      times.emplace_back(operations[i].returned, 2 * i + 1);
      ++open_;
    }
    std::sort(times.begin(), times.end());
    next_.assign(2 * operations.size() + 1, End());
    previous_.assign(2 * operations.size() + 1, End());
    for (const auto& [time, event] : times) PutIn(event, previous_[End()], End());
  }

  Result Run() {
    size_t event = next_[End()];
    while (open_ > 0) {
      if (memo_.size() > kMemoMax) return Result::kTooLarge;
      const size_t index = event / 2;
      if (event % 2 == 0) {
        event = Take(index, /*effective=*/true) ? next_[End()] : next_[event];
      } else if (!operations_[index].certain && Take(index, /*effective=*/false)) {
        event = next_[End()];
      } else {  // nothing that was invoked before this return may come next
        Remember(index);
        while (!steps_.empty() && !steps_.back().effective) GoBack();
        if (steps_.empty()) return Result::kNone;
        event = next_[GoBack()];
      }
    }
    return Result::kFound;
  }

  // Of the longest order that was found.
  const Value& state() const { return best_state_; }
  size_t blocked() const { return best_blocked_; }  // the operation that should have come next at the latest
  size_t ordered() const { return best_steps_; }

 private:
  struct Step {
    size_t operation;
    bool effective;  // else it was left out
    Value before;
  };

  size_t End() const { return 2 * operations_.size(); }
  void TakeOut(size_t event) {
    next_[previous_[event]] = next_[event];
    previous_[next_[event]] = previous_[event];
  }
  void PutIn(size_t event, size_t after, size_t before) {
    next_[event] = before, previous_[event] = after;
    next_[after] = event, previous_[before] = event;
  }
  void Flip(size_t operation) {
    ordered_[operation / 8] = static_cast<char>(ordered_[operation / 8] ^ (1 << operation % 8));
  }

  // Puts it next in the order, or leaves it out. False when its answer is wrong here, or this has been tried.
  bool Take(size_t index, bool effective) {
    const Operation& operation = operations_[index];
    Value state = state_;
    if (effective) {
      const Value answer = Apply(operation, &state);
      if (operation.answer.has_value() && *operation.answer != answer) return false;
    }
    Flip(index);
    if (!memo_.insert(ordered_ + (state.has_value() ? "=" + *state : "")).second) {
      Flip(index);
      return false;
    }
    steps_.push_back({index, effective, std::exchange(state_, std::move(state))});
    TakeOut(2 * index);
    if (operation.returned == kNever) return true;  // it has no place in the list
    TakeOut(2 * index + 1);
    --open_;
    return true;
  }
  // Undoes the last step; its invocation.
  size_t GoBack() {
    Step step = std::move(steps_.back());
    steps_.pop_back();
    const size_t call = 2 * step.operation;
    if (operations_[step.operation].returned != kNever) {
      PutIn(call + 1, previous_[call + 1], next_[call + 1]);
      ++open_;
    }
    PutIn(call, previous_[call], next_[call]);
    Flip(step.operation);
    state_ = std::move(step.before);
    return call;
  }
  void Remember(size_t blocked) {
    if (steps_.size() < best_steps_) return;
    best_steps_ = steps_.size();
    best_state_ = state_;
    best_blocked_ = blocked;
  }

  const Operations& operations_;
  std::vector<size_t> next_, previous_;  // by event
  size_t open_ = 0;                      // returns in the list
  std::string ordered_;                  // a bit for each operation
  Value state_;
  std::vector<Step> steps_;
  std::unordered_set<std::string> memo_;  // `ordered_` and the state it left
  size_t best_steps_ = 0, best_blocked_ = 0;
  Value best_state_;
};

bool Violates(const Operations& operations) {
  return Search(operations).Run() == Search::Result::kNone;
}

// The history as it was known at that time.
Operations Until(const Operations& operations, uint64_t time) {
  Operations known;
  for (const Operation& operation : operations) {
    if (operation.invoked > time) continue;
    known.push_back(operation);
    if (operation.returned <= time) continue;
    Forget(&known.back(), kNever);
  }
  return known;
}

// The part up to the first return that cannot be explained: what is wrong stays wrong, whatever comes later.
Operations UntilItWentWrong(const Operations& operations) {
  std::vector<uint64_t> returns;
  for (const Operation& operation : operations) {
    if (operation.returned != kNever) returns.push_back(operation.returned);
  }
  std::sort(returns.begin(), returns.end());
  const auto first = std::partition_point(returns.begin(), returns.end(),
                                          [&](uint64_t time) { return !Violates(Until(operations, time)); });
  return first == returns.end() ? operations : Until(operations, *first);
}

// Whether the verdict does not hang on it: a read, or a write whose value nobody saw among reads and writes.
bool MayGo(const Operations& operations, const Operation& operation) {
  if (operation.action == Action::kRead) return true;
  return operation.action == Action::kWrite &&
         std::all_of(operations.begin(), operations.end(), [&](const Operation& other) {
           return other.action == Action::kWrite ||
                  (other.action == Action::kRead && other.answer != operation.argument);
         });
}

// Leaves out what may go, as long as the rest is still wrong.
Operations Smallest(Operations operations) {
  for (size_t i = operations.size(); i-- > 0;) {
    if (!MayGo(operations, operations[i])) continue;
    Operations without = operations;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    if (Violates(without)) operations = std::move(without);
  }
  return operations;
}

std::string Explain(const std::string& key, const Operations& operations) {
  Operations smallest = Smallest(UntilItWentWrong(operations));
  std::sort(smallest.begin(), smallest.end(), [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
  Search search(smallest);
  search.Run();
  std::string text = "not linearizable: key '" + key + "', " + std::to_string(smallest.size()) + " of its " +
                     std::to_string(operations.size()) + " operations:\n";
  for (const Operation& operation : smallest) text += "  " + Show(operation) + "\n";
  return text + "the longest order has " + std::to_string(search.ordered()) + " of them and leaves " +
         Show(search.state()) + "; nothing that may come next leads to\n  " + Show(smallest[search.blocked()]) + "\n";
}

}  // namespace

Value Apply(const Operation& operation, Value* state) {
  switch (operation.action) {
    case Action::kRead: return *state;
    case Action::kWrite: *state = operation.argument; return std::nullopt;
    case Action::kDelete: return std::exchange(*state, std::nullopt).has_value() ? "1" : "0";
    case Action::kAdd:
      *state = std::to_string(std::atoll(state->value_or("0").c_str()) + std::atoll(operation.argument->c_str()));
      return *state;
    case Action::kAppend: *state = state->value_or("") + *operation.argument; return std::to_string((*state)->size());
    case Action::kExchange: return std::exchange(*state, operation.argument);
    case Action::kWriteIf:
      if (*state != operation.expected) return "0";
      *state = operation.argument;
      return "1";
  }
  return std::nullopt;
}

std::string CheckOperations(const std::vector<Operation>& operations) {
  std::map<std::string, Operations> by_key;
  for (const Operation& operation : operations) {
    if (operation.action == Action::kRead && !operation.certain) continue;  // it changed nothing
    by_key[operation.key].push_back(operation);
  }
  for (const auto& [key, of_key] : by_key) {
    switch (Search(of_key).Run()) {
      case Search::Result::kFound: break;
      case Search::Result::kNone: return Explain(key, of_key);
      case Search::Result::kTooLarge: return "key '" + key + "': too many orders to judge its operations\n";
    }
  }
  return {};
}

std::string Check(const History& history) {
  return CheckOperations(history.operations) + CheckTransactions(history.transactions);
}

}  // namespace varve::linearizability
