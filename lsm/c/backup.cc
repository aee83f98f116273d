// Backups and repair.
#include "lsm/backup.h"

#include "lsm/c/border.h"
#include "lsm/repair.h"
#include "lsm/stats_text.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

BackupOptions Reporting(varve_progress_function progress, void* state) {
  BackupOptions options;
  if (progress == nullptr) return options;
  options.on_progress = [progress, state](const BackupProgress& now) { progress(state, now.bytes, now.bytes_total); };
  return options;
}

}  // namespace

varve_code varve_backup_create(varve_db* db, const char* dir, varve_progress_function progress, void* state,
                               uint64_t* id, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(dir, "dir"));
    const Result<uint64_t> made = Backup::Create(&engine, dir, Reporting(progress, state));
    if (!made.ok()) return made.status();
    SetIfWanted(id, *made);
    return Status::Ok();
  });
}

varve_code varve_backup_list(const char* dir, char** json, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Clear(json, "json"));
    VARVE_TRY(Require(dir, "dir"));
    const auto list = Backup::List(dir);
    if (!list.ok()) return list.status();
    Give(BackupsJson(*list), json);
    return Status::Ok();
  });
}

varve_code varve_backup_verify(const char* dir, uint64_t id, varve_progress_function progress, void* state,
                               char** report, char** error) {
  return Guarded(error, [&]() -> Status {
    SetIfWanted<char*>(report, nullptr);
    VARVE_TRY(Require(dir, "dir"));
    return GiveVerified(Backup::Verify(dir, id, Reporting(progress, state)), report);
  });
}

varve_code varve_backup_delete(const char* dir, uint64_t id, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(dir, "dir"));
    return Backup::Delete(dir, id);
  });
}

varve_code varve_backup_restore(const char* dir, uint64_t id, const char* target, varve_progress_function progress,
                                void* state, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(dir, "dir"));
    VARVE_TRY(Require(target, "target"));
    return Backup::Restore(dir, id, target, Reporting(progress, state));
  });
}

varve_code varve_repair(const char* dir, const varve_options* options, varve_progress_function progress, void* state,
                        char** report, char** error) {
  return Guarded(error, [&]() -> Status {
    SetIfWanted<char*>(report, nullptr);
    VARVE_TRY(Require(dir, "dir"));
    const auto repaired = Repair(dir, options == nullptr ? Options() : options->options, Progress(progress, state));
    if (!repaired.ok()) return repaired.status();
    GiveIfWanted(RepairJson(*repaired), report);
    return Status::Ok();
  });
}
