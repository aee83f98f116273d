#include "tests/linearizability/engine_client.h"

#include <future>
#include <utility>
#include <vector>

namespace varve::linearizability {
namespace {

using lsm::Iterator;
using lsm::PinnedValue;
using lsm::ReadOptions;
using lsm::Result;
using lsm::Status;
using lsm::StatusCode;
using lsm::Transaction;
using lsm::WriteBatch;

constexpr uint64_t kIdsMax = 1'000'000;  // of one client
constexpr size_t kMomentsMax = 4;

}  // namespace

EngineClient::EngineClient(int number, lsm::Db* db, HistoryClock* clock, uint64_t seed)
    : number_(number),
      db_(db),
      clock_(clock),
      durable_(db->GetOptions().wal_sync == lsm::WalSync::kAlways),
      dice_(seed) {}

void EngineClient::Step() {
  switch (dice_.Below(24)) {
    case 0:
    case 1:
    case 2: return Read();
    case 3: return ReadLater();
    case 4:
    case 5:
    case 6:
    case 7: return Change();
    case 8:
    case 9: return ChangeUnwaited();
    case 10: return MultiGet();
    case 11: return Iterate();
    case 12: return KeepSnapshot();
    case 13:
    case 14: return LookAtSnapshot();
    case 15:
    case 16: return WriteIfUnchanged();
    case 17:
    case 18: return Transact();
    case 19:
    case 20: return AppendToLists();
    case 21:
    case 22: return TransactLists();
    default: return Maintain();
  }
}

History EngineClient::TakeHistory() {
  moments_.clear();
  return std::move(history_);
}

// ---- writing down ---------------------------------------------------------------------------------------------------

Operation EngineClient::Begin(Action action, Value argument) {
  Operation operation{
      .client = number_, .action = action, .key = RandomRegister(&dice_), .argument = std::move(argument)};
  operation.invoked = clock_->Tick();
  return operation;
}

void EngineClient::End(Operation operation) {
  operation.returned = clock_->Tick();
  history_.operations.push_back(std::move(operation));
}

// An error that no operation of ours should meet.
void EngineClient::Refused(const Status& status) const {
  ADD_FAILURE() << "client " << number_ << ": " << status.ToString();
}

// Of varying length: some go to the value log, and memtables are soon full.
std::string EngineClient::NewValue() {
  return std::to_string(number_) + "." + std::to_string(++made_) + "." + std::string(dice_.Below(500), 'v');
}

Value EngineClient::Get(const ReadOptions& options, const std::string& key) const {
  PinnedValue value;
  const Result<bool> found = db_->Get(options, key, &value);
  if (!found.ok()) Refused(found.status());
  return found.ok() && *found ? Value(value.ToString()) : std::nullopt;
}

// ---- registers ------------------------------------------------------------------------------------------------------

void EngineClient::Read() {
  Operation read = Begin(Action::kRead);
  PinnedValue value;
  const Result<bool> found = dice_.OneIn(3) ? db_->TryGet({}, read.key, &value) : db_->Get({}, read.key, &value);
  if (!found.ok() && found.status().Is(StatusCode::kWouldBlock)) return;
  if (!found.ok()) return Refused(found.status());
  read.answer = *found ? Value(value.ToString()) : std::nullopt;
  End(std::move(read));
}

void EngineClient::ReadLater() {
  Operation read = Begin(Action::kRead);
  std::promise<Value> answer;
  const Status asked = db_->GetAsync({}, read.key, [&](Result<bool> found, PinnedValue value) {
    if (!found.ok()) Refused(found.status());
    answer.set_value(found.ok() && *found ? Value(value.ToString()) : std::nullopt);
  });
  if (!asked.ok()) return Refused(asked);
  read.answer = answer.get_future().get();
  End(std::move(read));
}

void EngineClient::Change() {
  const uint64_t kind = dice_.Below(10);
  if (kind < 6) {
    Operation write = Begin(Action::kWrite, NewValue());
    if (Status s = db_->Put({.sync = dice_.OneIn(10)}, write.key, *write.argument); !s.ok()) return Refused(s);
    End(std::move(write));
  } else if (kind < 8) {
    Operation append = Begin(Action::kAppend, "+" + std::to_string(number_) + "." + std::to_string(++made_));
    if (Status s = db_->Merge({}, append.key, *append.argument); !s.ok()) return Refused(s);
    End(std::move(append));
  } else {
    Operation removal = Begin(Action::kDelete);
    const Status s = kind == 8 ? db_->Delete({}, removal.key) : db_->DeleteRange({}, removal.key, removal.key + '\0');
    if (!s.ok()) return Refused(s);
    End(std::move(removal));
  }
}

void EngineClient::ChangeUnwaited() {
  Operation write = Begin(Action::kWrite, NewValue());
  WriteBatch batch;
  batch.Put(write.key, *write.argument);
  std::promise<Status> durable;
  lsm::DurableCallback on_durable;
  if (durable_) on_durable = [&](const Status& s) { durable.set_value(s); };
  const auto written = db_->WriteAsync(batch, std::move(on_durable));
  if (!written.ok() && written.status().Is(StatusCode::kBusy)) return;
  if (!written.ok()) return Refused(written.status());
  if (durable_) {
    if (Status s = durable.get_future().get(); !s.ok()) return Refused(s);
  }
  End(std::move(write));
}

// ---- states of one moment -------------------------------------------------------------------------------------------

void EngineClient::MultiGet() {
  State state = NothingAnywhere();
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : state) keys.push_back(key);
  std::vector<PinnedValue> values(keys.size());
  const uint64_t invoked = clock_->Tick();
  const auto found = db_->MultiGet({}, keys, values);
  const uint64_t returned = clock_->Tick();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!found[i].ok()) return Refused(found[i].status());
    if (*found[i]) state.at(std::string(keys[i])) = values[i].ToString();
  }
  RecordReads(number_, state, invoked, returned, &history_);
}

void EngineClient::Iterate() {
  const uint64_t invoked = clock_->Tick();
  Iterator it = db_->NewIterator({});
  const uint64_t returned = clock_->Tick();
  State state = NothingAnywhere();
  const bool forward = dice_.OneIn(2);
  for (forward ? it.SeekToFirst() : it.SeekToLast(); it.Valid(); forward ? it.Next() : it.Prev()) {
    state.at(std::string(it.key())) = std::string(it.value());
  }
  if (!it.status().ok()) return Refused(it.status());
  RecordReads(number_, state, invoked, returned, &history_);
}

void EngineClient::KeepSnapshot() {
  Moment moment;
  moment.invoked = clock_->Tick();
  moment.snapshot = db_->GetSnapshot();
  moment.returned = clock_->Tick();
  moments_.push_back(std::move(moment));
  if (moments_.size() > kMomentsMax) moments_.pop_front();
}

void EngineClient::LookAtSnapshot() {
  if (moments_.empty()) KeepSnapshot();
  const Moment& moment = moments_[dice_.Below(moments_.size())];
  ReadOptions options;
  options.snapshot = moment.snapshot.get();
  State state;
  for (const std::string& key : {RandomRegister(&dice_), RandomList(&dice_), RandomList(&dice_)})
    state[key] = Get(options, key);
  RecordReads(number_, state, moment.invoked, moment.returned, &history_);
}

void EngineClient::ReadEverything() {
  moments_.clear();
  MultiGet();
  Iterate();
}

// ---- conditions and transactions ------------------------------------------------------------------------------------

void EngineClient::WriteIfUnchanged() {
  const std::string key = RandomRegister(&dice_);
  KeepSnapshot();
  const Moment& moment = moments_.back();
  ReadOptions options;
  options.snapshot = moment.snapshot.get();
  const Value before = Get(options, key);
  RecordReads(number_, {{key, before}}, moment.invoked, moment.returned, &history_);

  Operation write = Begin(Action::kWriteIf, dice_.OneIn(4) ? Value() : NewValue());
  write.key = key;
  write.expected = before;
  WriteBatch batch;
  if (write.argument.has_value()) {
    batch.Put(key, *write.argument);
  } else {
    batch.Delete(key);
  }
  const std::string_view watched[] = {key};
  const Status s = db_->WriteIfUnchanged({}, batch, watched, moment.snapshot->sequence());
  if (s.Is(StatusCode::kConflict)) return;  // nothing was written, and why is not said
  if (!s.ok()) return Refused(s);
  write.answer = "1";
  End(std::move(write));
}

// `moment`: when the transaction began.
Value EngineClient::GetForUpdate(Transaction* transaction, const std::string& key, const Moment& moment) {
  PinnedValue value;
  const Result<bool> found = transaction->GetForUpdate(key, &value);
  if (!found.ok()) Refused(found.status());
  const Value before = found.ok() && *found ? Value(value.ToString()) : std::nullopt;
  if (transaction->batch().empty()) RecordReads(number_, {{key, before}}, moment.invoked, moment.returned, &history_);
  return before;
}

void EngineClient::Transact() {
  Moment moment;
  moment.invoked = clock_->Tick();
  Transaction transaction(db_);
  moment.returned = clock_->Tick();
  const std::string key = RandomRegister(&dice_);
  const Value before = GetForUpdate(&transaction, key, moment);
  if (dice_.OneIn(4)) Step();  // another one meanwhile

  Operation write = Begin(Action::kWriteIf, NewValue());
  write.key = key;
  write.expected = before;
  transaction.Put(key, *write.argument);
  const Status s = transaction.Commit({.sync = dice_.OneIn(10)});
  if (s.Is(StatusCode::kConflict)) return;
  if (!s.ok()) return Refused(s);
  write.answer = "1";
  End(std::move(write));
}

void EngineClient::AppendToLists() {
  ListTransaction appends{.client = number_, .outcome = Outcome::kCommitted};
  WriteBatch batch;
  for (uint64_t n = 1 + dice_.Below(3); n > 0; --n) {
    Access append{.key = RandomList(&dice_), .id = static_cast<uint64_t>(number_) * kIdsMax + ++made_};
    batch.Merge(append.key, ListItem(append.id));
    appends.accesses.push_back(std::move(append));
  }
  appends.invoked = clock_->Tick();
  if (Status s = db_->Write({.sync = dice_.OneIn(10)}, batch); !s.ok()) return Refused(s);
  appends.returned = clock_->Tick();
  history_.transactions.push_back(std::move(appends));
}

// Appends and reads for update, in any order; a part gives up, or is refused, and must leave nothing.
void EngineClient::TransactLists() {
  ListTransaction done{.client = number_};
  Moment moment;
  done.invoked = moment.invoked = clock_->Tick();
  Transaction transaction(db_);
  moment.returned = clock_->Tick();
  for (uint64_t n = 2 + dice_.Below(3); n > 0; --n) {
    Access access{.key = RandomList(&dice_)};
    if (dice_.OneIn(2)) {
      access.id = static_cast<uint64_t>(number_) * kIdsMax + ++made_;
      transaction.Merge(access.key, ListItem(access.id));
    } else {
      access.list = Ids(GetForUpdate(&transaction, access.key, moment));
    }
    done.accesses.push_back(std::move(access));
  }
  bool committed = !dice_.OneIn(8);
  if (committed) {
    const Status s = transaction.Commit();
    committed = s.ok();
    if (!s.ok() && !s.Is(StatusCode::kConflict)) Refused(s);
  }
  done.returned = clock_->Tick();
  done.outcome = committed ? Outcome::kCommitted : Outcome::kAborted;
  if (!committed) {
    for (Access& access : done.accesses) access.list.reset();
  }
  history_.transactions.push_back(std::move(done));
}

void EngineClient::Maintain() {
  const Status s = dice_.OneIn(3) ? db_->CompactRange("", "") : db_->Flush();
  if (!s.ok()) Refused(s);
}

}  // namespace varve::linearizability
