// tests/linearizability/engine_state.h - the keys of an engine's histories, and what they held at one moment.
//
// Registers and lists are few, so that clients meet on every key.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/linearizability/history.h"
#include "tests/lsm/db_test_util.h"

namespace varve::linearizability {

inline constexpr uint64_t kRegisters = 5, kLists = 3;

using State = std::map<std::string, Value>;

inline std::string RandomRegister(lsm::Dice* dice) {
  return "register" + std::to_string(dice->Below(kRegisters));
}
inline std::string RandomList(lsm::Dice* dice) {
  return "list" + std::to_string(dice->Below(kLists));
}
inline State NothingAnywhere() {
  State state;
  for (uint64_t n = 0; n < kLists; ++n) state["list" + std::to_string(n)];
  for (uint64_t n = 0; n < kRegisters; ++n) state["register" + std::to_string(n)];
  return state;
}

inline std::vector<uint64_t> Ids(const Value& list) {
  const auto ids = ParseList(list.value_or(""));
  EXPECT_TRUE(ids.has_value()) << *list;
  return ids.value_or(std::vector<uint64_t>());
}

// As reads of the registers, and one transaction that reads the lists.
inline void RecordReads(int client, const State& state, uint64_t invoked, uint64_t returned, History* history) {
  ListTransaction lists{.client = client, .invoked = invoked, .returned = returned, .outcome = Outcome::kCommitted};
  for (const auto& [key, value] : state) {
    if (key.starts_with("list")) {
      lists.accesses.push_back({.key = key, .list = Ids(value)});
    } else {
      history->operations.push_back(
          {.client = client, .key = key, .invoked = invoked, .returned = returned, .answer = value});
    }
  }
  if (!lists.accesses.empty()) history->transactions.push_back(std::move(lists));
}

// What was read is not yet durable for that: a power loss may take it from under the reader.
inline void ForgetReads(History* history) {
  std::erase_if(history->operations, [](const Operation& one) { return one.action == Action::kRead; });
  std::erase_if(history->transactions, [](const ListTransaction& one) {
    return std::all_of(one.accesses.begin(), one.accesses.end(), [](const Access& access) { return access.id == 0; });
  });
}

}  // namespace varve::linearizability
