// tests/linearizability/engine_client.h - one client of the engine, which writes down what it asks and is told.
//
// What sees the state of one moment (a snapshot, an iterator, a MultiGet) is written down as reads of that moment,
// however late it was looked at.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "lsm/transaction.h"
#include "tests/linearizability/engine_state.h"

namespace varve::linearizability {

class EngineClient {
 public:
  // `number` is unique in a history: ids and values are made of it.
  EngineClient(int number, lsm::Db* db, HistoryClock* clock, uint64_t seed);
  // One operation, or a few that belong together.
  void Step();
  // What every key holds in the end.
  void ReadEverything();
  History TakeHistory();

 private:
  // A state of the database, and when it was taken.
  struct Moment {
    std::unique_ptr<lsm::Snapshot> snapshot;
    uint64_t invoked = 0, returned = 0;
  };

  Operation Begin(Action action, Value argument = {});
  void End(Operation operation);
  void Refused(const lsm::Status& status) const;
  std::string NewValue();
  Value Get(const lsm::ReadOptions& options, const std::string& key) const;
  Value GetForUpdate(lsm::Transaction* transaction, const std::string& key, const Moment& moment);

  void Read();
  void ReadLater();
  void Change();
  void ChangeUnwaited();
  void MultiGet();
  void Iterate();
  void KeepSnapshot();
  void LookAtSnapshot();
  void WriteIfUnchanged();
  void Transact();
  void AppendToLists();
  void TransactLists();
  void Maintain();

  const int number_;
  lsm::Db* const db_;
  HistoryClock* const clock_;
  const bool durable_;  // what is acknowledged survives a power loss, too
  lsm::Dice dice_;
  uint64_t made_ = 0;  // ids and values
  std::deque<Moment> moments_;
  History history_;
};

}  // namespace varve::linearizability
