#include "sqlite_vtab/status_map.h"

#include <sqlite3.h>

namespace varve::sqlite_vtab {

// No default: a new code of the engine does not build until this door knows it.
int SqliteCode(lsm::StatusCode code) {
  switch (code) {
    case lsm::StatusCode::kOk: return SQLITE_OK;
    case lsm::StatusCode::kInvalidArgument: return SQLITE_ERROR;
    case lsm::StatusCode::kNotFound: return SQLITE_CANTOPEN;
    case lsm::StatusCode::kCorruption: return SQLITE_CORRUPT_VTAB;
    case lsm::StatusCode::kUnsupported: return SQLITE_NOTADB;
    case lsm::StatusCode::kIoError: return SQLITE_IOERR;
    case lsm::StatusCode::kNoSpace: return SQLITE_FULL;
    case lsm::StatusCode::kBusy: return SQLITE_BUSY;
    case lsm::StatusCode::kWouldBlock: return SQLITE_BUSY;
    case lsm::StatusCode::kFenced: return SQLITE_IOERR_FSYNC;
    case lsm::StatusCode::kReadOnly: return SQLITE_READONLY;
    case lsm::StatusCode::kClosed: return SQLITE_MISUSE;
    case lsm::StatusCode::kConflict: return SQLITE_BUSY_SNAPSHOT;
    case lsm::StatusCode::kOutOfRange: return SQLITE_RANGE;
    case lsm::StatusCode::kOutOfMemory: return SQLITE_NOMEM;
  }
  return SQLITE_INTERNAL;
}

}  // namespace varve::sqlite_vtab
