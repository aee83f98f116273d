// What a commit is worth: with sync=always the log is synced before it returns, whatever else is in the transaction.
#include <gtest/gtest.h>

#include "sqlite_vtab/registry.h"
#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

class Durability : public ::testing::Test {
 protected:
  Durability() {
    sql_.Must(CreateTable("always", "varve", dir_.path("db"), ",memory='8mb',sync=always"));
    sql_.Must(CreateTable("everysec", "varve", dir_.path("db")));
    auto database = OpenDatabase({.path = dir_.path("db"), .mode = AccessMode::kWrite});
    EXPECT_TRUE(database.ok()) << database.status().ToString();
    database_ = std::move(database).value();
  }
  // How often the log was synced while `statement` ran, several times over, with new keys.
  void ExpectASyncEach(const std::string& statement) {
    for (int i = 0; i < 5; ++i) {
      const uint64_t before = database_->db().Stats().wal_syncs;
      sql_.Rows(statement, {std::to_string(i)});
      EXPECT_GT(database_->db().Stats().wal_syncs, before) << statement;
    }
  }

  TempDir dir_;
  Connection sql_;
  std::shared_ptr<Database> database_;
};

TEST_F(Durability, SyncAlwaysIsSyncedByItsCommit) {
  ExpectASyncEach("replace into always values('key' || ?1, 'value')");
  ExpectASyncEach("delete from always where key = 'key' || ?1");
}

// Both write through the connection's one session, and the first that is asked to sync hands over all of it.
TEST_F(Durability, ATableThatAsksForLessTakesNothingAway) {
  ExpectASyncEach(
      "begin; replace into everysec values('a' || ?1, 'value'); replace into always values('b' || ?1, 'value'); "
      "commit");
  ExpectASyncEach(
      "begin; replace into always values('c' || ?1, 'value'); replace into everysec values('d' || ?1, 'value'); "
      "commit");
  EXPECT_EQ(sql_.Rows("select count(*) from always"), std::vector<std::string>({"integer:20"}));
}

}  // namespace
}  // namespace varve::sqlite_vtab
