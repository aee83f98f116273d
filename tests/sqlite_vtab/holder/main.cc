// tests/sqlite_vtab/holder/main.cc - a process that owns a data directory, as varve-server does.
//
//   sqlite_vtab_holder <dir>
//
// Prints "ready" once it holds the directory. Then one command a line on stdin, answered by "ok" or the error:
//   set <name> <value>      a Redis string in database 0
//   put <key> <value>       a raw record
//   swap <a> <b>            SWAPDB
// The end of stdin ends it.
#include <iostream>
#include <sstream>
#include <string>

#include "keyspace/keyspace.h"
#include "lsm/db.h"

namespace {

varve::lsm::Status Run(varve::keyspace::Keyspace& keys, const std::string& line) {
  std::istringstream words(line);
  std::string verb, name, value;
  words >> verb >> name >> value;
  if (verb == "put") return keys.db()->Put({}, name, value);
  keys.BeginCommand();
  if (verb == "swap") {
    VARVE_TRY(keys.SwapDatabases(std::stoi(name), std::stoi(value)));
  } else {
    VARVE_TRY(keys.Set(0, name, value));
  }
  auto committed = keys.Commit(nullptr);
  return committed.ok() ? varve::lsm::Status() : committed.status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto db = varve::lsm::Db::Open(argv[1], {});
  if (!db.ok()) {
    std::cout << db.status().ToString() << std::endl;
    return 1;
  }
  auto keys = varve::keyspace::Keyspace::Open(db->get(), {});
  if (!keys.ok()) {
    std::cout << keys.status().ToString() << std::endl;
    return 1;
  }
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    varve::lsm::Status status = Run(**keys, line);
    std::cout << (status.ok() ? "ok" : status.ToString()) << std::endl;
  }
  return 0;
}
