#include "sqlite_vtab/status_map.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace varve::sqlite_vtab {
namespace {

TEST(StatusMap, EveryCodeHasItsOwnMeaning) {
  using lsm::StatusCode;
  EXPECT_EQ(SqliteCode(StatusCode::kOk), SQLITE_OK);
  EXPECT_EQ(SqliteCode(StatusCode::kInvalidArgument), SQLITE_ERROR);
  EXPECT_EQ(SqliteCode(StatusCode::kNotFound), SQLITE_CANTOPEN);
  EXPECT_EQ(SqliteCode(StatusCode::kCorruption) & 0xff, SQLITE_CORRUPT);
  EXPECT_EQ(SqliteCode(StatusCode::kUnsupported), SQLITE_NOTADB);
  EXPECT_EQ(SqliteCode(StatusCode::kIoError), SQLITE_IOERR);
  EXPECT_EQ(SqliteCode(StatusCode::kNoSpace), SQLITE_FULL);
  EXPECT_EQ(SqliteCode(StatusCode::kBusy), SQLITE_BUSY);
  EXPECT_EQ(SqliteCode(StatusCode::kFenced) & 0xff, SQLITE_IOERR);
  EXPECT_EQ(SqliteCode(StatusCode::kReadOnly), SQLITE_READONLY);
  EXPECT_EQ(SqliteCode(StatusCode::kClosed), SQLITE_MISUSE);
  EXPECT_EQ(SqliteCode(StatusCode::kConflict) & 0xff, SQLITE_BUSY);
  EXPECT_EQ(SqliteCode(StatusCode::kOutOfRange), SQLITE_RANGE);
  EXPECT_EQ(SqliteCode(StatusCode::kOutOfMemory), SQLITE_NOMEM);
}

}  // namespace
}  // namespace varve::sqlite_vtab
