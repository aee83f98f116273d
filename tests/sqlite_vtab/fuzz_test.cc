// tests/sqlite_vtab/fuzz_test.cc - the same random SQL against a varve table and against a native STRICT table.
//
// Rows with their types, result codes, messages, changes() and the state of the transaction must be equal. CI always runs
// the same seed; VARVE_SEED takes another, VARVE_FUZZ_STEPS makes a run longer. Queries are built from terms, values and shapes
// at the borders of SQLite's comparison rules. Left out, because SQLite 3.40.1 itself answers wrongly for any virtual
// table: LIKE, <>, IS NOT and NOT NULL inside a LEFT JOIN's ON. Also left out: UPDATE OR REPLACE that moves several
// keys onto one another, where the answer depends on the order in which a two-pass update rereads rows.
// Other seeds may meet one more: max(key) of rows whose TEXT key equals a number by value, where the native table takes
// the first of several ('-0.0', '0.0') for the largest.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

struct Shape {
  const char* module;
  const char* key;
  const char* value;
};

class Fuzzer {
 public:
  Fuzzer(uint64_t seed, Shape shape) : random_(seed), native_(":memory:"), varve_(":memory:"), shape_(shape) {
    native_.Must(std::string("create table t(key ") + shape.key + " not null primary key, value " + shape.value +
                 " not null" + (Redis() ? ", ttl_ms integer check(ttl_ms > 0)" : "") + ") strict, without rowid");
    varve_.Must(CreateTable("t", shape.module, dir_.path("db"),
                            std::string(", key=") + shape.key + ", value=" + shape.value + ", memory='8mb'"));
    for (const char* sql : {"create table j(x)", "create table ji(x integer)", "create table jt(x text)",
                            "create table jb(x blob primary key) without rowid"}) {
      native_.Must(sql);
      varve_.Must(sql);
    }
    for (int i = 0; i < 12; ++i) {
      for (const char* table : {"j", "ji", "jt", "jb"}) {
        std::string sql = std::string("insert or ignore into ") + table + " values(" + Value() + ")";
        native_.Run(sql);
        varve_.Run(sql);
      }
    }
    // The one known difference (docs/sql.md, "Limits"): text in a numeric column that sorts among the numerals.
    for (Connection* connection : {&native_, &varve_})
      connection->Must("delete from ji where typeof(x)='text' and x<':'");
    for (int i = 0; i < 40; ++i) Both("insert or replace into t(key,value) values(" + Key() + "," + Val() + ")", true);
  }

  void Step() {
    uint64_t choice = Pick(10);
    if (choice > 3) {
      Query();
      return;
    }
    Both(choice == 3 ? TransactionControl() : Dml(), true);
    Both("select key, typeof(key), value, typeof(value) from t order by key", true);
  }

  const std::string& failure() const { return failure_; }

 private:
  uint64_t Pick(uint64_t n) { return random_() % n; }
  template <size_t n>
  const char* OneOf(const char* const (&items)[n]) {
    return items[Pick(n)];
  }

  std::string TextLiteral() {
    return OneOf({"''",
                  "'a'",
                  "'A'",
                  "'b'",
                  "'ab'",
                  "'abc'",
                  "'abd'",
                  "'B'",
                  "'zz'",
                  "'7'",
                  "'7.0'",
                  "' 7'",
                  "'07'",
                  "'1.5'",
                  "'-0.0'",
                  "'0'",
                  "'0.0'",
                  "'Inf'",
                  "'9223372036854775807'",
                  "'9007199254740993'",
                  "'\xc3\xa9'",
                  "'\xc3\xa9x'",
                  "cast(x'610062' as text)",
                  "cast(x'00' as text)",
                  "cast(x'6100' as text)",
                  "cast(x'ff' as text)",
                  "'a*'",
                  "'user:1'",
                  "'user:2'",
                  "'user;'"});
  }
  std::string BlobLiteral() {
    return OneOf({"x''", "x'00'", "x'61'", "x'6100'", "x'610062'", "x'62'", "x'ff'", "x'ffff'", "x'37'", "x'61ff'"});
  }
  std::string NumberLiteral() {
    return OneOf({"0", "1", "7", "-1", "7.0", "1.5", "-0.0", "9e999", "-9e999", "9223372036854775807",
                  "-9223372036854775808", "9007199254740993", "9007199254740992.0", "1e15", "1e300"});
  }
  std::string Value() {
    switch (Pick(8)) {
      case 0: return "null";
      case 1:
      case 2: return NumberLiteral();
      case 3:
      case 4: return BlobLiteral();
      default: return TextLiteral();
    }
  }
  bool Redis() const { return std::string_view(shape_.module) == "redis_strings"; }
  bool TextKeys() const { return std::string_view(shape_.key) == "TEXT"; }
  // Mostly of the class the column holds.
  std::string Key() { return Pick(4) == 0 ? Value() : TextKeys() ? TextLiteral() : BlobLiteral(); }
  std::string Val() {
    return Pick(8) == 0 ? Value() : std::string_view(shape_.value) == "TEXT" ? TextLiteral() : BlobLiteral();
  }

  // A right-hand side whose value the planner may or may not know.
  std::string Rhs() {
    switch (Pick(9)) {
      case 0: return "(select x from jt order by rowid limit 1)";
      case 1: return "(select max(x) from ji)";
      case 2: return "+" + Key();
      case 3: return "cast(" + Value() + " as integer)";
      case 4: return "?" + std::to_string(1 + Pick(kParameters));
      default: return Key();
    }
  }

  std::string Term(const std::string& alias, bool in_on = false) {
    std::string key = alias + "key", value = alias + "value";
    switch (Pick(in_on ? 8 : 19)) {
      case 0:
      case 1:
      case 2: return key + OneOf({"=", "<", "<=", ">", ">="}) + Rhs();
      case 3: return Rhs() + OneOf({"=", "<", "<=", ">", ">="}) + key;
      case 4: return key + " between " + Rhs() + " and " + Rhs();
      case 5: return key + " in (" + Key() + "," + Rhs() + "," + Key() + "," + Key() + ")";
      case 6: return key + " in (select x from " + OneOf({"j", "ji", "jt", "jb"}) + ")";
      case 7: return value + OneOf({"=", "<", ">"}) + Val();
      case 8: return key + OneOf({" is ", " is not ", "<>"}) + Rhs();
      case 9: return key + OneOf({" is null", " is not null", " not null"});
      case 10: return key + " glob " + Pattern();
      case 11: return key + " like " + OneOf({"'a%'", "'A%'", "'user:%'", "'%7'", "''", "'7%'", "x'6125'", "'_'", "7"});
      case 12: return key + OneOf({"=", "<", ">="}) + Key() + " collate nocase";
      case 13: return "cast(" + key + " as integer)=" + NumberLiteral();
      case 14: return key + " not in (" + Key() + "," + Key() + ")";
      case 15: return "(" + key + "," + value + ")" + OneOf({">", ">=", "<", "<="}) + "(" + Rhs() + "," + Val() + ")";
      case 16: return "exists (select 1 from j where x" + std::string(OneOf({"=", "<", ">"})) + key + ")";
      case 17: return "glob(" + Pattern() + "," + key + ")";
      default: return "(" + key + "=" + Rhs() + " or " + key + "=" + Rhs() + ")";
    }
  }
  std::string Pattern() {
    return OneOf({"'a*'", "'*'", "'user:*'", "''", "'[ab]*'", "'a?'", "'\xc3\xa9*'", "7", "'7*'", "null", "x'612a'",
                  "cast(x'612a0062' as text)", "cast(x'ff2a' as text)", "'abc'"});
  }
  std::string Where(const std::string& alias) {
    std::string out;
    for (uint64_t n = Pick(4); n > 0; --n) {
      out += out.empty() ? " where " : OneOf({" and ", " and ", " or "});
      if (Pick(10) == 0) out += "not ";
      out += Term(alias);
    }
    return out;
  }
  std::string Limit() {
    if (Pick(2) == 0) return "";
    std::string out = std::string(" limit ") + OneOf({"0", "1", "2", "5", "100", "-1", "?9"});
    if (Pick(3) == 0) out += std::string(" offset ") + OneOf({"0", "1", "3", "-1", "100"});
    return out;
  }
  std::string OrderByKey(const std::string& alias) {
    return " order by " + alias + "key" +
           OneOf({"", " desc", " asc", " desc, value", ", value desc", " nulls last", "||''"});
  }

  void Query() {
    switch (Pick(13)) {
      case 0: Both("select key, typeof(key), value, typeof(value) from t" + Where(""), false); break;
      case 1:
      case 2:
      case 3: Both("select key, value from t" + Where("") + OrderByKey("") + Limit(), true); break;
      case 4: Both("select count(*), min(key), max(key) from t" + Where(""), true); break;
      case 5:
        Both(std::string("select ") + OneOf({"min(key)", "max(key)", "count(key)", "sum(length(value))"}) + " from t" +
                 Where(""),
             true);
        break;
      case 6:
        Both(
            "select key, count(*), min(value) from t" + Where("") + " group by key order by key" + OneOf({"", " desc"}),
            true);
        break;
      case 7: Both("select value, count(*), max(key) from t" + Where("") + " group by value", false); break;
      case 8:
        Both(std::string("select distinct ") + OneOf({"key", "value", "key, value"}) + " from t" + Where(""), false);
        break;
      case 9: {
        std::string from = std::string("select t.key, t.value, u.x from ") + OneOf({"j", "ji", "jt", "jb"}) + " u " +
                           OneOf({"join", "left join"}) + " t on t.key" + OneOf({"=", "<", ">="}) + "u.x";
        if (Pick(3) == 0) from += " and " + Term("t.", true);
        Both(from, false);
        break;
      }
      case 10:
        Both("select a.key, b.key from t a join t b on b.key" + std::string(OneOf({"=", "<", ">"})) +
                 OneOf({"a.key", "a.value"}) + Where("a."),
             false);
        break;
      case 11:
        Both("select x, (select value from t where key=x) from " + std::string(OneOf({"j", "jt", "ji"})), false);
        break;
      default:
        Both("select key from t where key<" + Key() + " union all select key from t" + Where("") + " order by 1" +
                 Limit(),
             true);
        // Which rows a bare LIMIT keeps is open; how many is not.
        Both("select count(*) from (select key from t where key<" + Key() + " union all select key from t limit " +
                 OneOf({"2", "5", "20"}) + " offset " + OneOf({"0", "1", "3", "9"}) + ")",
             true);
        break;
    }
  }

  std::string Conflict() {
    return OneOf({"", "", "or abort ", "or fail ", "or ignore ", "or replace ", "or rollback "});
  }
  // A row without a wrong type. A native STRICT table breaks off a multi-row INSERT with an OR clause at a wrong type and
  // leaves the rows before it behind, since it opens no statement savepoint for it; ours never leaves half a statement.
  std::string TypedRow() {
    std::string key = TextKeys() ? OneOf({"null", "7", "1.5", "'a'", "'b'", "'abc'", "''"})
                                 : OneOf({"null", "x''", "x'61'", "x'ff'"});
    std::string value = std::string_view(shape_.value) == "TEXT" ? TextLiteral() : BlobLiteral();
    return "(" + (Pick(3) == 0 ? key : TextKeys() ? TextLiteral() : BlobLiteral()) + "," + value + ")";
  }
  std::string AnyRow() { return "(" + Key() + "," + Val() + ")"; }
  std::string Dml() {
    std::string clause = Conflict();
    switch (Pick(8)) {
      case 0:
      case 1: return "insert " + clause + "into t(key,value) values" + AnyRow();
      case 2: return "insert " + clause + "into t(key,value) values" + TypedRow() + "," + TypedRow() + "," + TypedRow();
      case 3: return "insert into t(key,value) values" + AnyRow() + "," + AnyRow() + "," + AnyRow();
      case 4: {
        std::string value = std::string_view(shape_.value) == "TEXT" ? "'v'" : "x'76'";
        if (TextKeys())
          return "insert " + clause + "into t(key,value) select x, " + value +
                 " from jt where typeof(x)<>'blob' order by x";
        return "insert " + clause + "into t(key,value) select x, " + value +
               " from jb where typeof(x) in ('null','blob') order by x";
      }
      case 5:
        if (Pick(2) == 0) return "update t set value=" + Val() + Where("");
        return "update " + clause +
               "t set value=" + (std::string_view(shape_.value) == "TEXT" ? TextLiteral() : BlobLiteral()) + Where("");
      case 6:
        return "update " + clause + "t set key=" + Key() + (Pick(2) == 0 ? ", value=" + Val() : "") +
               " where key=" + Key();
      default: return "delete from t" + std::string(" where ") + Term("");
    }
  }
  std::string TransactionControl() {
    switch (Pick(8)) {
      case 0:
      case 1: return "begin";
      case 2: return "commit";
      case 3: return "rollback";
      case 4:
      case 5: return "savepoint s" + std::to_string(Pick(3));
      case 6: return "release s" + std::to_string(Pick(3));
      default: return "rollback to s" + std::to_string(Pick(3));
    }
  }

  std::vector<Parameter> Parameters() {
    std::vector<Parameter> out;
    for (size_t i = 0; i < kParameters; ++i) {
      switch (Pick(6)) {
        case 0: out.emplace_back(nullptr); break;
        case 1: out.emplace_back(static_cast<sqlite3_int64>(Pick(9))); break;
        case 2: out.emplace_back(7.0); break;
        case 3: out.emplace_back(Blob{std::string("a\0b", Pick(4))}); break;
        default: out.emplace_back(std::string(OneOf({"", "a", "b", "7", "7.0", "user:1", "zz"}))); break;
      }
    }
    out.emplace_back(static_cast<sqlite3_int64>(Pick(4)));  // ?9
    return out;
  }

  void Both(const std::string& sql, bool ordered) {
    if (!failure_.empty()) return;
    // SQLite takes `key=<number>` for a promise that key is constant, and then ignores ORDER BY, although by NUMERIC
    // affinity several texts are equal to one number: its own table comes out unsorted, ours does not.
    if (ordered && sql.rfind("select key", 0) == 0 && HasNumericEquality(sql)) {
      if (sql.find(" limit ") != std::string::npos) return;
      ordered = false;
    }
    if (sql[0] != 's' || sql[1] == 'a') history_ += sql + ";\n";
    std::vector<Parameter> parameters = Parameters();
    Outcome native = native_.Run(sql, parameters);
    Outcome ours = varve_.Run(sql, parameters);
    if (!ordered) {
      std::sort(native.rows.begin(), native.rows.end());
      std::sort(ours.rows.begin(), ours.rows.end());
    }
    // A wrong type under OR IGNORE, FAIL or ROLLBACK: the same message and effect, another code (docs/sql.md).
    bool type_error = native.message.rfind("cannot store", 0) == 0;
    bool same = native.rows == ours.rows && native.message == ours.message &&
                (native.code == ours.code || type_error) &&
                sqlite3_changes(native_.get()) == sqlite3_changes(varve_.get()) &&
                sqlite3_get_autocommit(native_.get()) == sqlite3_get_autocommit(varve_.get());
    if (!same) failure_ = Describe(sql, native, ours);
  }

  static bool HasNumericEquality(const std::string& sql) {
    return sql.find("as integer)") != std::string::npos || sql.find("from ji") != std::string::npos;
  }

  std::string Describe(const std::string& sql, const Outcome& native, const Outcome& ours) {
    auto show = [](const Outcome& o, sqlite3* db) {
      std::string out = "code " + std::to_string(o.code) + " '" + o.message + "' changes " +
                        std::to_string(sqlite3_changes(db)) + " autocommit " +
                        std::to_string(sqlite3_get_autocommit(db));
      for (const std::string& row : o.rows) out += "\n    " + row;
      return out;
    };
    return history_ + sql + "\n  native: " + show(native, native_.get()) + "\n  varve:  " + show(ours, varve_.get()) +
           "\n  plan: " + (native.ok() && sql[0] == 's' ? varve_.Explain(sql) : "");
  }

  static constexpr size_t kParameters = 8;

  std::mt19937_64 random_;
  TempDir dir_;
  Connection native_;
  Connection varve_;
  const Shape shape_;
  std::string history_;  // the writes so far
  std::string failure_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

constexpr uint64_t kSeed = 1;

void Fuzz(Shape shape) {
  uint64_t seed = FromEnvironment("VARVE_SEED", kSeed);
  uint64_t steps = FromEnvironment("VARVE_FUZZ_STEPS", 3000);
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::printf("VARVE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  for (uint64_t done = 0, round = 0; done < steps; ++round) {
    Fuzzer fuzzer(seed + round, shape);
    for (int i = 0; i < 500 && done < steps; ++i, ++done) {
      fuzzer.Step();
      ASSERT_EQ(fuzzer.failure(), "") << "round " << round << ", step " << i;
    }
  }
}

TEST(SqlFuzz, TextKeysAgreeWithANativeTable) {
  Fuzz({"varve", "TEXT", "TEXT"});
}
TEST(SqlFuzz, BlobKeysAgreeWithANativeTable) {
  Fuzz({"varve", "BLOB", "BLOB"});
}
TEST(SqlFuzz, TextKeysWithBlobValuesAgreeWithANativeTable) {
  Fuzz({"varve", "TEXT", "BLOB"});
}

TEST(SqlFuzz, RedisStringsAgreeWithANativeTable) {
  Fuzz({"redis_strings", "TEXT", "TEXT"});
}
TEST(SqlFuzz, RedisStringsAsBlobsAgreeWithANativeTable) {
  Fuzz({"redis_strings", "BLOB", "BLOB"});
}

}  // namespace
}  // namespace varve::sqlite_vtab
