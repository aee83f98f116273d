// tests/linearizability/history.h - what clients asked a store, what it answered, and when.
//
//   |---- invoked ............ returned ----|     one operation; it takes effect at one moment in between
//
// Times are ticks of one HistoryClock, so that "returned before it was invoked" is said of two clients without doubt.
// An operation that never returned has an unknown outcome: it took effect at any later moment, or never. When its
// server died, the moment was not after that.
// Threads: a History is a value. Each client fills its own; Append joins them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve::linearizability {

inline constexpr uint64_t kNever = UINT64_MAX;

class HistoryClock {
 public:
  uint64_t Tick() { return now_.fetch_add(1, kOrder) + 1; }

 private:
  // To the thread sanitizer a stronger order would be a lock around every operation, behind which no race is seen.
#ifdef __SANITIZE_THREAD__
  static constexpr std::memory_order kOrder = std::memory_order_relaxed;
#else
  static constexpr std::memory_order kOrder = std::memory_order_seq_cst;
#endif
  std::atomic<uint64_t> now_{0};
};

// What a key holds; nothing: there is no such key.
using Value = std::optional<std::string>;

enum class Action : uint8_t {
  kRead,      // answers what the key holds
  kWrite,     // `argument`; answers nothing
  kDelete,    // answers "1" or "0": whether there was something
  kAdd,       // `argument` to the number there is (none: 0); answers the sum
  kAppend,    // `argument`; answers the length then
  kExchange,  // for `argument`; answers what was there
  kWriteIf,   // `argument`, if the key holds `expected`; answers "1" or "0"
};

// Of one key.
struct Operation {
  int client = 0;
  Action action = Action::kRead;
  std::string key;
  Value argument = {};
  Value expected = {};
  uint64_t invoked = 0;
  uint64_t returned = kNever;
  bool certain = true;               // else it took effect before `returned` (kNever: at any time), or not at all
  std::optional<Value> answer = {};  // none: the store does not say more than "done", or said nothing
};

enum class Outcome : uint8_t { kCommitted, kAborted, kUnknown };

// Of several keys, each of which holds a list: an id, unique in the history, is appended, or the list is read.
struct Access {
  std::string key;
  uint64_t id = 0;                                 // of an append; 0: a read
  std::optional<std::vector<uint64_t>> list = {};  // of a read, when it was answered
};
struct ListTransaction {
  int client = 0;
  std::vector<Access> accesses = {};
  uint64_t invoked = 0;
  uint64_t returned = kNever;
  Outcome outcome = Outcome::kUnknown;  // kUnknown: it took effect before `returned`, or not at all
};

struct History {
  std::vector<Operation> operations = {};
  std::vector<ListTransaction> transactions = {};

  size_t size() const { return operations.size() + transactions.size(); }
  void Append(History other) {
    for (Operation& operation : other.operations) operations.push_back(std::move(operation));
    for (ListTransaction& transaction : other.transactions) transactions.push_back(std::move(transaction));
  }
};

// What is known of an operation when nobody was told its end, and it had none after `last`.
inline void Forget(Operation* operation, uint64_t last) {
  operation->certain = false;
  operation->returned = last;
  operation->answer.reset();
}
inline void Forget(ListTransaction* transaction, uint64_t last) {
  transaction->outcome = Outcome::kUnknown;
  transaction->returned = last;
  for (Access& access : transaction->accesses) access.list.reset();
}

// What a store that died at some moment between `from` and `until` must still know: what returned before counts, what
// was under way may have taken effect, the rest never was.
inline History UntilDeath(History history, uint64_t from, uint64_t until) {
  const auto cut = [&](auto* all) {
    std::erase_if(*all, [&](const auto& one) { return one.invoked > until; });
    for (auto& one : *all) {
      if (one.returned > from) Forget(&one, until);
    }
  };
  cut(&history.operations);
  cut(&history.transactions);
  return history;
}

// How many operations were under way while one of another client was: where there are none, nothing is shown.
inline size_t CountOverlapping(const History& history) {
  const auto count = [](const auto& all) {
    return std::count_if(all.begin(), all.end(), [&](const auto& one) {
      return std::any_of(all.begin(), all.end(), [&](const auto& other) {
        return one.client != other.client && one.invoked < other.returned && other.invoked < one.returned;
      });
    });
  };
  return static_cast<size_t>(count(history.operations) + count(history.transactions));
}

// Lists as stores hold them: "3,17,4,". None when it is not one.
inline std::string ListItem(uint64_t id) {
  return std::to_string(id) + ",";
}
inline std::optional<std::vector<uint64_t>> ParseList(std::string_view text) {
  std::vector<uint64_t> ids;
  uint64_t id = 0;
  bool digits = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      id = id * 10 + static_cast<uint64_t>(c - '0');
      digits = true;
    } else if (c == ',' && digits) {
      ids.push_back(std::exchange(id, 0));
      digits = false;
    } else {
      return std::nullopt;
    }
  }
  if (digits) return std::nullopt;
  return ids;
}

}  // namespace varve::linearizability
