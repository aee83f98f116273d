// The change stream, and what holds it.
#include "lsm/c/border.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

varve_code varve_changes_create(varve_db* db, uint64_t sequence, varve_changes** changes, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Clear(changes, "changes"));
    auto stream = engine.ChangesSince(sequence);
    if (!stream.ok()) return stream.status();
    *changes = new varve_changes{db->db, std::move(stream).value()};
    return Status::Ok();
  });
}

void varve_changes_destroy(varve_changes* changes) {
  Destroy(changes);
}

int varve_changes_next(varve_changes* changes) {
  if (changes == nullptr) return 0;
  changes->has_batch = false;
  changes->failed =
      VARVE_OK != With(changes, nullptr, [&](ChangeIterator& stream) { changes->has_batch = stream.Next(); });
  return changes->has_batch ? 1 : 0;
}

varve_code varve_changes_status(const varve_changes* changes, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(changes, varve_changes::kName));
    return changes->failed ? Status::OutOfMemory() : changes->changes->status();
  });
}

uint64_t varve_changes_sequence(const varve_changes* changes) {
  return changes == nullptr ? 0 : changes->changes->sequence();
}

varve_code varve_changes_batch(const varve_changes* changes, varve_batch* batch, char** error) {
  return With(batch, error, [&](WriteBatch& operations) -> Status {
    VARVE_TRY(Require(changes, varve_changes::kName));
    if (!changes->has_batch) return Status::InvalidArgument("no batch: varve_changes_next has not found one");
    operations.Clear();
    WriteBatch::Reader reader = changes->changes->batch();
    WriteBatch::Operation operation;
    while (reader.Next(&operation)) operations.Add(operation);
    VARVE_TRY(reader.status());
    return operations.CheckLimits();
  });
}

varve_code varve_hold_create(varve_db* db, uint64_t sequence, uint64_t bytes_max, varve_hold** hold, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Clear(hold, "hold"));
    auto held = engine.HoldChanges(sequence, bytes_max);
    if (!held.ok()) return held.status();
    *hold = new varve_hold{db->db, std::move(held).value()};
    return Status::Ok();
  });
}

void varve_hold_destroy(varve_hold* hold) {
  Destroy(hold);
}

void varve_hold_advance(varve_hold* hold, uint64_t sequence) {
  (void)With(hold, nullptr, [&](ChangeHold& held) { held.Advance(sequence); });
}

uint64_t varve_hold_sequence(const varve_hold* hold) {
  return hold == nullptr ? 0 : hold->hold->sequence();
}

varve_code varve_hold_status(const varve_hold* hold, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(hold, varve_hold::kName));
    return hold->hold->status();
  });
}
