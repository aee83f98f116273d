// sqlite_vtab/status_map.h - the engine's Status as SQLite's result code.
//
// Pure. The message travels beside the code, in zErrMsg; it is the Status' own, which names the path.
#pragma once

#include "lsm/status.h"

namespace varve::sqlite_vtab {

int SqliteCode(lsm::StatusCode code);
inline int SqliteCode(const lsm::Status& status) {
  return SqliteCode(status.code());
}

}  // namespace varve::sqlite_vtab
