// tests/linearizability/planted_store.h - a store of a few lines with a switch for each way to be wrong.
//
// Six clients, in one thread: each operation has three moments, drawn by a seed. When it is invoked, when it takes
// effect, when it returns. Without a bug the middle one is all there is to it, so every history is linearizable. Twice
// per history the store dies and is there again: what was under way took effect or did not, and nobody is told.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/linearizability/history.h"
#include "tests/lsm/db_test_util.h"

namespace varve::linearizability {

enum class Bug : uint8_t {
  kNone,
  kStaleRead,
  kNonMonotonicRead,
  kReadOfTheFuture,
  kReadOfNothingWritten,
  kSwappedKeys,
  kLostWrite,
  kAcknowledgedTooEarly,
  kDuplicateWrite,
  kDeleteResurrected,
  kLostUpdate,
  kAddTwice,
  kAddLost,
  kIgnoredCondition,
  kLostAfterRestart,
  kDirtyRead,
  kAbortedVisible,
  kTornTransaction,
  kTransactionInHalves,
  kTwoSnapshots,
  kWriteSkew,
};
inline constexpr int kBugCount = 20;
std::string_view BugName(Bug bug);

class PlantedStore {
 public:
  PlantedStore(Bug bug, uint64_t seed);
  // The history of `operations` operations and transactions; once.
  History Run(int operations);

 private:
  static constexpr int kClients = 6;

  // An operation under way.
  struct Flight {
    std::function<void()> effect;
    std::function<void()> second;            // what a bug leaves for later
    std::function<void(bool answered)> end;  // told, or not
    bool effective = false, over = false;
  };

  void At(uint64_t delay, std::function<void()> event);
  void Start(int client);
  void Take(int client, std::shared_ptr<Flight> flight);
  void Restart();
  bool Strikes(Bug bug) { return bug_ == bug && dice_.OneIn(10); }

  const Value& Current(const std::string& key);
  void Store(const std::string& key, Value value) { versions_[key].push_back(std::move(value)); }
  Value PlannedWrite(const std::string& key);

  Operation RandomOperation(int client);
  void Execute(Operation* operation, Flight* flight);
  Value ReadBadly(const Operation& operation);
  void WriteBadly(const Operation& operation, Value state);
  void UpdateBadly(Operation* operation, Flight* flight);

  ListTransaction RandomTransaction(int client);
  void Execute(ListTransaction* transaction, Flight* flight);
  void Execute(ListTransaction* transaction, size_t from, size_t to);
  void ExecuteAborted(const ListTransaction& transaction);
  void ExecuteSkewed(ListTransaction* transaction, Flight* flight);
  void ReadEverything();

  const Bug bug_;
  lsm::Dice dice_;
  HistoryClock clock_;
  History history_;
  int left_ = 0;  // operations not yet invoked
  uint64_t now_ = 0, next_id_ = 1;
  std::multimap<uint64_t, std::function<void()>> events_;
  std::array<std::shared_ptr<Flight>, kClients> flights_;
  std::map<std::string, std::vector<Value>> versions_;  // what each key held, oldest first
  std::map<std::string, std::vector<Value>> replica_;   // of kNonMonotonicRead
  std::map<std::string, Value> planned_;                // what will be written next
};

}  // namespace varve::linearizability
