// sqlite_vtab/keyspace_format.h - what a directory says of the Redis databases in it (keyspace/record.h).
//
// Threads: any.
#pragma once

#include <string>

#include "keyspace/record.h"
#include "lsm/db.h"

namespace varve::sqlite_vtab {

// Of the record that names the format, and what it is while no databases are swapped.
std::string FormatKey();
std::string PlainFormat();

// False when there is no keyspace yet, and what lies there may be anybody's; kUnsupported when it is of a newer format.
lsm::Result<bool> HasKeyspace(lsm::Db& db);
// Where the databases lie, in a snapshot or by the newest state (null). kCorruption when they are swapped and nobody
// knows how.
lsm::Result<keyspace::DatabaseOrder> ReadOrder(lsm::Db& db, const lsm::Snapshot* snapshot);

}  // namespace varve::sqlite_vtab
