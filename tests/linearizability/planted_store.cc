#include "tests/linearizability/planted_store.h"

#include <algorithm>

#include "tests/linearizability/checker.h"

namespace varve::linearizability {
namespace {

const std::vector<std::string> kRegisters = {"a", "b", "c"};
const std::vector<std::string> kLists = {"x", "y", "z"};

bool IsUpdate(const Operation& operation) {
  return operation.action == Action::kAdd || operation.action == Action::kExchange ||
         operation.action == Action::kWriteIf;
}

}  // namespace

std::string_view BugName(Bug bug) {
  static constexpr std::string_view kNames[] = {"no bug",
                                                "stale read",
                                                "reads that go back",
                                                "read of a write to come",
                                                "read of what nobody wrote",
                                                "keys swapped",
                                                "write lost",
                                                "acknowledged too early",
                                                "write done twice",
                                                "delete undone",
                                                "lost update",
                                                "counted twice",
                                                "not counted",
                                                "condition ignored",
                                                "writes lost after a restart",
                                                "dirty read",
                                                "aborted transaction visible",
                                                "transaction torn",
                                                "transaction seen in halves",
                                                "reads of two snapshots",
                                                "write skew"};
  static_assert(std::size(kNames) == kBugCount + 1);
  return kNames[static_cast<size_t>(bug)];
}

PlantedStore::PlantedStore(Bug bug, uint64_t seed) : bug_(bug), dice_(seed) {}

History PlantedStore::Run(int operations) {
  left_ = operations;
  for (int client = 0; client < kClients; ++client) Start(client);
  for (int i = 0; i < 2; ++i) At(1 + dice_.Below(static_cast<uint64_t>(operations) * 2), [this] { Restart(); });
  while (!events_.empty()) {
    auto event = events_.extract(events_.begin());
    now_ = event.key();
    if (dice_.OneIn(20)) replica_ = versions_;
    event.mapped()();
  }
  ReadEverything();
  return std::move(history_);
}

void PlantedStore::At(uint64_t delay, std::function<void()> event) {
  events_.emplace(now_ + delay, std::move(event));
}

void PlantedStore::Start(int client) {
  if (left_ == 0) return;
  --left_;
  auto flight = std::make_shared<Flight>();
  Flight* const raw = flight.get();  // the functions below live in it
  if (dice_.OneIn(3)) {
    auto transaction = std::make_shared<ListTransaction>(RandomTransaction(client));
    flight->effect = [this, transaction, raw] { Execute(transaction.get(), raw); };
    flight->end = [this, transaction](bool answered) {
      transaction->returned = clock_.Tick();
      if (!answered) Forget(transaction.get(), transaction->returned);
      history_.transactions.push_back(*transaction);
    };
  } else {
    auto operation = std::make_shared<Operation>(RandomOperation(client));
    flight->effect = [this, operation, raw] { Execute(operation.get(), raw); };
    flight->end = [this, operation](bool answered) {
      operation->returned = clock_.Tick();
      if (!answered) Forget(operation.get(), operation->returned);
      history_.operations.push_back(*operation);
    };
  }
  Take(client, std::move(flight));
}

void PlantedStore::Take(int client, std::shared_ptr<Flight> flight) {
  flights_[static_cast<size_t>(client)] = flight;
  uint64_t effect = 1 + dice_.Below(10), second = effect + dice_.Below(10), end = second + 1 + dice_.Below(10);
  if (Strikes(Bug::kAcknowledgedTooEarly)) effect += 30;
  At(effect, [flight] {
    if (!std::exchange(flight->effective, true)) flight->effect();
  });
  At(second, [flight] {
    if (flight->effective && !flight->over && flight->second) flight->second();
  });
  At(end, [this, client, flight] {
    if (std::exchange(flight->over, true)) return;
    flight->end(true);
    Start(client);
  });
}

void PlantedStore::Restart() {
  if (bug_ == Bug::kLostAfterRestart) {
    for (auto& [key, versions] : versions_) {
      if (!versions.empty()) versions.pop_back();
    }
  }
  for (int client = 0; client < kClients; ++client) {
    Flight* const flight = flights_[static_cast<size_t>(client)].get();
    if (flight == nullptr || std::exchange(flight->over, true)) continue;
    if (!std::exchange(flight->effective, true) && dice_.OneIn(2)) flight->effect();
    flight->end(false);
    Start(client);
  }
}

const Value& PlantedStore::Current(const std::string& key) {
  static const Value kNothing;
  const auto& versions = versions_[key];
  return versions.empty() ? kNothing : versions.back();
}

// ---- operations of one key ------------------------------------------------------------------------------------------

Operation PlantedStore::RandomOperation(int client) {
  Operation operation{.client = client, .key = kRegisters[dice_.Below(kRegisters.size())]};
  switch (dice_.Below(8)) {
    case 0:
    case 1:
    case 2: break;
    case 3:
      operation.action = Action::kWrite;
      operation.argument = PlannedWrite(operation.key);
      planned_.erase(operation.key);
      break;
    case 4: operation.action = Action::kDelete; break;
    case 5:
      operation.action = Action::kExchange;
      operation.argument = "v" + std::to_string(next_id_++);
      break;
    case 6:
      operation.action = Action::kWriteIf;
      operation.expected = Current(operation.key);
      operation.argument = "v" + std::to_string(next_id_++);
      break;
    case 7:
      operation.action = Action::kAdd;
      operation.key = "counter";
      operation.argument = "1";
      break;
  }
  operation.invoked = clock_.Tick();
  return operation;
}

Value PlantedStore::PlannedWrite(const std::string& key) {
  Value& planned = planned_[key];
  if (!planned.has_value()) planned = "v" + std::to_string(next_id_++);
  return planned;
}

void PlantedStore::Execute(Operation* operation, Flight* flight) {
  if (operation->action == Action::kRead) {
    operation->answer = ReadBadly(*operation);
  } else if (IsUpdate(*operation)) {
    UpdateBadly(operation, flight);
  } else {
    Value state = Current(operation->key);
    operation->answer = linearizability::Apply(*operation, &state);
    WriteBadly(*operation, std::move(state));
  }
}

Value PlantedStore::ReadBadly(const Operation& operation) {
  const auto& versions = versions_[operation.key];
  if (Strikes(Bug::kStaleRead) && versions.size() > 1) return versions[versions.size() - 2];
  if (bug_ == Bug::kNonMonotonicRead && operation.client == 1) {
    const auto& behind = replica_[operation.key];
    return behind.empty() ? Value() : behind.back();
  }
  if (Strikes(Bug::kReadOfTheFuture)) return PlannedWrite(operation.key);
  if (Strikes(Bug::kReadOfNothingWritten)) return "garbage";
  if (Strikes(Bug::kSwappedKeys)) return Current(operation.key == "a" ? "b" : "a");
  return Current(operation.key);
}

void PlantedStore::WriteBadly(const Operation& operation, Value state) {
  if (Strikes(Bug::kLostWrite)) return;
  if (Strikes(Bug::kDuplicateWrite) && operation.action == Action::kWrite) {
    At(30, [this, key = operation.key, state] { Store(key, state); });
  }
  if (operation.action == Action::kDelete && bug_ == Bug::kDeleteResurrected && dice_.OneIn(4)) {
    At(30, [this, key = operation.key, back = Current(operation.key)] { Store(key, back); });
  }
  Store(operation.key, std::move(state));
}

void PlantedStore::UpdateBadly(Operation* operation, Flight* flight) {
  Value state = Current(operation->key);
  const Value before = state;
  Operation done = *operation;
  if (Strikes(Bug::kIgnoredCondition)) done.expected = state;
  operation->answer = linearizability::Apply(done, &state);
  if (Strikes(Bug::kAddLost) && operation->action == Action::kAdd) state = before;
  if (Strikes(Bug::kAddTwice) && operation->action == Action::kAdd) linearizability::Apply(*operation, &state);
  if (bug_ == Bug::kLostUpdate && dice_.OneIn(3)) {
    flight->second = [this, key = operation->key, state] { Store(key, state); };
  } else if (state != before) {
    Store(operation->key, std::move(state));
  }
}

// ---- transactions ---------------------------------------------------------------------------------------------------

ListTransaction PlantedStore::RandomTransaction(int client) {
  ListTransaction transaction{.client = client};
  for (uint64_t accesses = 2 + dice_.Below(3); accesses > 0; --accesses) {
    transaction.accesses.push_back({.key = kLists[dice_.Below(kLists.size())], .id = dice_.OneIn(2) ? next_id_++ : 0});
  }
  transaction.outcome = dice_.OneIn(8) ? Outcome::kAborted : Outcome::kCommitted;
  transaction.invoked = clock_.Tick();
  return transaction;
}

void PlantedStore::Execute(ListTransaction* transaction, Flight* flight) {
  const size_t all = transaction->accesses.size(), half = all / 2;
  if (transaction->outcome == Outcome::kAborted) {
    ExecuteAborted(*transaction);
  } else if (bug_ == Bug::kWriteSkew) {
    ExecuteSkewed(transaction, flight);
  } else if (Strikes(Bug::kTornTransaction)) {
    Execute(transaction, 0, half);
  } else if (Strikes(Bug::kTransactionInHalves) || Strikes(Bug::kTwoSnapshots)) {
    const auto& accesses = transaction->accesses;
    const bool reads =
        std::all_of(accesses.begin(), accesses.end(), [](const Access& access) { return access.id == 0; });
    const bool splits = reads == (bug_ == Bug::kTwoSnapshots);
    Execute(transaction, 0, splits ? half : all);
    if (splits) flight->second = [this, transaction, half, all] { Execute(transaction, half, all); };
  } else {
    Execute(transaction, 0, all);
  }
}

void PlantedStore::Execute(ListTransaction* transaction, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    Access& access = transaction->accesses[i];
    const std::string list = Current(access.key).value_or("");
    if (access.id != 0) {
      Store(access.key, list + ListItem(access.id));
    } else {
      access.list = ParseList(list);
    }
  }
}

void PlantedStore::ExecuteAborted(const ListTransaction& transaction) {
  const bool dirty = bug_ == Bug::kDirtyRead;
  if (!dirty && !Strikes(Bug::kAbortedVisible)) return;
  for (const Access& access : transaction.accesses) {
    if (access.id == 0) continue;
    Store(access.key, Current(access.key).value_or("") + ListItem(access.id));
    if (!dirty) continue;
    At(5, [this, access] {
      std::string list = Current(access.key).value_or("");
      const size_t item = ("," + list).find("," + ListItem(access.id));
      if (item != std::string::npos) list.erase(item, ListItem(access.id).size());
      Store(access.key, std::move(list));
    });
  }
}

// Snapshot isolation: reads of one moment, appends of another; refused only when somebody appended to the same lists.
void PlantedStore::ExecuteSkewed(ListTransaction* transaction, Flight* flight) {
  std::map<std::string, Value> snapshot;
  for (const std::string& list : kLists) snapshot[list] = Current(list);
  flight->second = [this, transaction, snapshot = std::move(snapshot)]() mutable {
    for (const Access& access : transaction->accesses) {
      if (access.id != 0 && Current(access.key) != snapshot[access.key]) {
        transaction->outcome = Outcome::kAborted;
        for (Access& read : transaction->accesses) read.list.reset();
        return;
      }
    }
    std::map<std::string, Value> written;
    for (Access& access : transaction->accesses) {
      Value& list = snapshot[access.key];
      if (access.id != 0) {
        list = list.value_or("") + ListItem(access.id);
        written[access.key] = list;
      } else {
        access.list = ParseList(list.value_or(""));
      }
    }
    for (const auto& [key, list] : written) Store(key, list);
  };
}

void PlantedStore::ReadEverything() {
  for (const std::string& key : kRegisters) {
    Operation read{.key = key, .invoked = clock_.Tick()};
    read.answer = Current(key);
    read.returned = clock_.Tick();
    history_.operations.push_back(std::move(read));
  }
  ListTransaction reads{.invoked = clock_.Tick(), .outcome = Outcome::kCommitted};
  for (const std::string& key : kLists) reads.accesses.push_back({.key = key});
  Execute(&reads, 0, reads.accesses.size());
  reads.returned = clock_.Tick();
  history_.transactions.push_back(std::move(reads));
}

}  // namespace varve::linearizability
