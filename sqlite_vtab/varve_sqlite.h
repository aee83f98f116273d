// sqlite_vtab/varve_sqlite.h - the one function of the SQLite module.
//
//   sqlite> .load build/release/bin/varve.so
//   sqlite> CREATE VIRTUAL TABLE temp.raw USING varve('data/db');
//   sqlite> CREATE VIRTUAL TABLE temp.str USING redis_strings('data/db');
//
// A program that links SQLite and varve_sqlite_core calls it for each connection, with a null last argument, or hands
// it to sqlite3_auto_extension. What the tables do: docs/sql.md.
#pragma once

#include <sqlite3.h>

struct sqlite3_api_routines;

extern "C" __attribute__((visibility("default"))) int sqlite3_varve_init(sqlite3* db, char** error,
                                                                         const sqlite3_api_routines* api);
