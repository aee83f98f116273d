// sqlite_vtab/sqlite_api.h - SQLite's functions, however they reach us.
//
// In varve.so they come through the table that the loader passes to sqlite3_varve_init; in a program that links SQLite
// itself (SQLITE_CORE) they are called directly. Only files that are compiled both ways include this; module.cc defines
// the table.
#pragma once

#ifdef SQLITE_CORE
#include <sqlite3.h>
#else
#include <sqlite3ext.h>
extern const sqlite3_api_routines* sqlite3_api;
#endif
