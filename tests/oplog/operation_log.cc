#include "tests/oplog/operation_log.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <sstream>

#include "tests/lsm/db_test_util.h"

namespace varve::lsm {

namespace {

struct Field {
  const char* name;
  Member member;
};
constexpr Field kKey{"key", &Operation::key}, kEnd{"end", &Operation::end}, kSize{"size", &Operation::size},
    kSeed{"seed", &Operation::seed}, kCount{"count", &Operation::count}, kSlot{"slot", &Operation::slot},
    kAt{"at", &Operation::at}, kMs{"ms", &Operation::ms}, kWork{"work", &Operation::work};

struct Row {
  Kind kind;
  const char* name;
  uint32_t weight;             // in a log; the sum is near 100,000
  uint32_t weight_in_a_batch;  // likewise; 0: never
  std::vector<Field> fields;
  uint32_t changes_max = 0;
};

// Those that take milliseconds come once in thousands.
const std::vector<Row>& Table() {
  static const std::vector<Row> rows = {
      {Kind::kGet, "get", 22'000, 0, {kKey, kAt}},
      {Kind::kMultiGet, "multiget", 3'000, 0, {kKey, kSeed, kCount, kAt}},
      {Kind::kScan, "scan", 3'500, 0, {kKey, kCount, kAt}},
      {Kind::kScanBack, "scanback", 2'500, 0, {kKey, kCount, kAt}},
      {Kind::kPut, "put", 22'000, 50, {kKey, kSize, kSeed}},
      {Kind::kPutAsync, "putasync", 3'000, 0, {kKey, kSize, kSeed}},
      {Kind::kPutWithExpiry, "putwithexpiry", 5'000, 10, {kKey, kSize, kSeed, kMs}},
      {Kind::kDelete, "delete", 7'000, 20, {kKey}},
      {Kind::kDeleteRange, "deleterange", 800, 5, {kKey, kEnd}},
      {Kind::kMerge, "merge", 8'000, 15, {kKey, kSize, kSeed}},
      {Kind::kBatch, "batch", 3'000, 0, {}, 12},
      {Kind::kOverlay, "overlay", 800, 0, {kKey, kCount}, 6},
      {Kind::kAbandon, "abandon", 500, 0, {kKey, kCount}, 6},
      {Kind::kTransaction, "transaction", 900, 0, {kKey, kEnd, kSize, kSeed, kCount}, 4},
      {Kind::kSnapshot, "snapshot", 600, 0, {kSlot}},
      {Kind::kRelease, "release", 400, 0, {kSlot}},
      {Kind::kOpen, "open", 900, 0, {kSlot, kAt, kKey, kEnd}},
      {Kind::kSeek, "seek", 1'800, 0, {kSlot, kKey}},
      {Kind::kSeekForPrev, "seekforprev", 1'400, 0, {kSlot, kKey}},
      {Kind::kSeekToFirst, "seektofirst", 200, 0, {kSlot}},
      {Kind::kSeekToLast, "seektolast", 200, 0, {kSlot}},
      {Kind::kNext, "next", 5'500, 0, {kSlot, kCount}},
      {Kind::kPrev, "prev", 4'500, 0, {kSlot, kCount}},
      {Kind::kClose, "close", 300, 0, {kSlot}},
      {Kind::kAdvance, "advance", 1'000, 0, {kMs}},
      {Kind::kSync, "sync", 200, 0, {}},
      {Kind::kFlush, "flush", 100, 0, {}},
      {Kind::kCompact, "compact", 30, 0, {kKey, kEnd}},
      {Kind::kReclaim, "reclaim", 20, 0, {kKey, kEnd}},
      {Kind::kSetOptions, "setoptions", 10, 0, {kSeed}},
      {Kind::kIngest, "ingest", 60, 0, {kSeed}, 30},
      {Kind::kCheckpoint, "checkpoint", 15, 0, {}},
      {Kind::kBackup, "backup", 10, 0, {kSeed}},
      {Kind::kRestart, "restart", 20, 0, {}},
      {Kind::kKill, "kill", 15, 0, {}},
      {Kind::kCrash, "crash", 20, 0, {}},
      {Kind::kCompare, "compare", 15, 0, {kAt}},
      {Kind::kVerify, "verify", 10, 0, {}},
  };
  return rows;
}

const Row& RowOf(Kind kind) {
  return Table()[static_cast<size_t>(kind)];
}

// Short, long, with equal first eight bytes, with zeros, empty.
std::string MakeKey(uint32_t n) {
  switch (n % 16) {
    case 0: return "common-prefix-of-many-keys/" + std::to_string(n);
    case 1: return std::string("z\0", 2) + std::to_string(n / 16);
    case 2: return std::string(n / 16, '\0');
    case 3: return "long" + std::string(2 * (n / 16), 'k');
    case 4: return std::string(1, static_cast<char>(n / 16)) + "\xff\xff";
    case 5:
    case 6: return "n" + std::to_string(n);
    default: return "k" + std::to_string(10'000 + n);
  }
}

std::vector<std::string> MakeKeys() {
  std::vector<std::string> keys;
  for (uint32_t n = 0; n < kKeyCount; ++n) keys.push_back(MakeKey(n));
  keys.emplace_back("\xff\xff\xff\xff");
  std::sort(keys.begin(), keys.end());
  return keys;
}

class Mixed final : public MergeOperator {
 public:
  std::string_view name() const override { return "test.mixed"; }
  bool Merge(std::string_view key, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    return For(key)->Merge(key, base, operands, result);
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    return For(key)->Combine(key, operands, result);
  }

 private:
  static const MergeOperator* For(std::string_view key) {
    return IsNumber(key) ? CounterAddOperator() : AppendOperator();
  }
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : dice_(seed) {
    for (const Row& row : Table()) {
      in_a_log_.push_back(row.weight);
      in_a_batch_.push_back(row.weight_in_a_batch);
    }
    for (auto* weights : {&in_a_log_, &in_a_batch_})
      std::partial_sum(weights->begin(), weights->end(), weights->begin());
  }

  Operation Draw() {
    Operation operation = Draw(in_a_log_);
    if (dice_.OneIn(4)) operation.work = 1 + Below(2);
    return operation;
  }

 private:
  uint32_t Below(uint64_t limit) { return static_cast<uint32_t>(dice_.Below(limit)); }

  Operation Draw(const std::vector<uint32_t>& sums) {
    const auto drawn = std::upper_bound(sums.begin(), sums.end(), Below(sums.back()));
    const Row& row = Table()[static_cast<size_t>(drawn - sums.begin())];
    Operation operation;
    operation.kind = row.kind;
    if (row.changes_max > 0) {
      for (uint32_t left = 1 + Below(row.changes_max); left > 0; --left) operation.changes.push_back(Draw(in_a_batch_));
    }
    for (const Field& field : row.fields) operation.*field.member = DrawNumber(field.member, operation);
    return operation;
  }

  uint32_t DrawNumber(Member member, const Operation& of) {
    if (member == &Operation::key) return Below(kKeyCount);
    if (member == &Operation::end) return DrawEnd(of);
    if (member == &Operation::size) return DrawSize(of.kind);
    if (member == &Operation::seed) return Below(1000);
    if (member == &Operation::count) return DrawCount(of);
    if (member == &Operation::slot) return 1 + Below(kSlotCount);
    if (member == &Operation::at) return dice_.OneIn(3) ? 1 + Below(kSlotCount) : 0;
    return DrawTime(of.kind);
  }
  // Of a range that is mostly short; now and then of any two keys, in the wrong order too.
  uint32_t DrawEnd(const Operation& of) {
    if (of.kind == Kind::kTransaction) {  // meets what the transaction wrote or read, or hardly ever
      if (dice_.OneIn(6)) return of.key;
      return dice_.OneIn(4) ? of.changes[Below(of.changes.size())].key : Below(kKeyCount);
    }
    if (of.kind == Kind::kOpen && dice_.OneIn(2)) return 0;
    if (dice_.OneIn(40)) return Below(kKeyCount + 1);
    const uint32_t longest = of.kind == Kind::kDeleteRange && !dice_.OneIn(20) ? 8 : 400;
    return std::min(of.key + 1 + Below(longest), kKeyCount);
  }
  uint32_t DrawSize(Kind kind) {
    if (kind == Kind::kMerge) return Below(12);
    if (dice_.OneIn(3000)) return 4000 + Below(3000);
    if (dice_.OneIn(60)) return Below(1200);
    return dice_.OneIn(3) ? Below(10) : Below(60);
  }
  uint32_t DrawCount(const Operation& of) {
    switch (of.kind) {
      case Kind::kMultiGet: return Below(10);
      case Kind::kTransaction: return dice_.OneIn(3) ? Below(4) : 4;
      case Kind::kNext:
      case Kind::kPrev: return 1 + Below(5);
      default: return Below(12);
    }
  }
  uint32_t DrawTime(Kind kind) {
    if (kind == Kind::kAdvance) return dice_.OneIn(50) ? Below(100'000) : Below(3000);
    if (dice_.OneIn(4)) return 0;
    return dice_.OneIn(2) ? Below(6000) : 1'000'000'000;
  }

  Dice dice_;
  std::vector<uint32_t> in_a_log_, in_a_batch_;  // sums of the weights
};

// Reads the words of one line.
class LineParser {
 public:
  explicit LineParser(const std::string& line) : words_(line) {}

  Result<Operation> ParseLine() {
    auto operation = ParseOperation();
    if (operation.ok() && !word_.empty()) return Status::InvalidArgument("'" + word_ + "' is one word too many");
    return operation;
  }

 private:
  void Advance() {
    if (!(words_ >> word_)) word_.clear();
  }

  // word_ is the one behind it on return.
  Result<Operation> ParseOperation() {
    Advance();
    const auto row = std::find_if(Table().begin(), Table().end(), [&](const Row& r) { return word_ == r.name; });
    if (row == Table().end()) return Status::InvalidArgument("'" + word_ + "' is no operation");
    Operation operation;
    operation.kind = row->kind;
    for (Advance(); word_.find('=') != std::string::npos; Advance()) VARVE_TRY(ParseNumber(*row, &operation));
    if (word_ == "{" && row->changes_max > 0) VARVE_TRY(ParseChanges(&operation.changes));
    return operation;
  }
  Status ParseNumber(const Row& row, Operation* operation) {
    const size_t name_size = word_.find('=');
    std::vector<Field> fields = row.fields;
    fields.push_back(kWork);
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& f) { return word_.substr(0, name_size) == f.name; });
    if (field == fields.end()) return Status::InvalidArgument("'" + word_ + "' is not for " + row.name);
    uint32_t* number = &(operation->*field->member);
    const char* end = word_.data() + word_.size();
    const auto parsed = std::from_chars(word_.data() + name_size + 1, end, *number);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return Status::InvalidArgument("'" + word_ + "' has no number");
    const bool is_slot = field->member == &Operation::slot || field->member == &Operation::at;
    if (is_slot && *number > kSlotCount) return Status::InvalidArgument("'" + word_ + "': there is no such slot");
    return Status::Ok();
  }
  Status ParseChanges(std::vector<Operation>* changes) {
    do {
      auto change = ParseOperation();
      if (!change.ok()) return change.status();
      if (!IsChange(change->kind)) return Status::InvalidArgument("what is in { } must be a write");
      changes->push_back(std::move(change).value());
    } while (word_ == ";");
    if (word_ != "}") return Status::InvalidArgument("'" + word_ + "' where ';' or '}' is due");
    Advance();
    return Status::Ok();
  }

  std::istringstream words_;
  std::string word_;
};

}  // namespace

bool IsNumber(std::string_view key) {
  return key.starts_with('n');
}

const std::string& KeyOf(uint32_t number) {
  static const std::vector<std::string> keys = MakeKeys();
  return keys[number % keys.size()];
}

std::string ValueOf(const Operation& change) {
  if (IsNumber(KeyOf(change.key))) return EncodeCounter(change.seed);
  std::string value(change.size, static_cast<char>('a' + change.seed % 26));
  // Every other value does not compress.
  uint64_t noise = change.seed;
  for (size_t i = 0; change.seed % 2 == 1 && i < value.size(); ++i) {
    noise = noise * 6364136223846793005u + 1442695040888963407u;
    value[i] = static_cast<char>(noise >> 56);
  }
  return value;
}

const MergeOperator* MixedOperator() {
  static const Mixed instance;
  return &instance;
}

std::vector<Operation> InFileOrder(const std::vector<Operation>& changes) {
  std::vector<Operation> ordered;
  std::map<std::string_view, const Operation*> points;
  for (const Operation& change : changes) {
    if (change.kind != Kind::kDeleteRange) {
      points[KeyOf(change.key)] = &change;
    } else if (KeyOf(change.key) < KeyOf(change.end)) {
      ordered.push_back(change);
    }
  }
  for (const auto& [key, change] : points) ordered.push_back(*change);
  return ordered;
}

Log Generate(uint64_t seed, uint64_t count) {
  Generator generator(seed);
  Log log;
  log.reserve(count);
  while (log.size() < count) log.push_back(generator.Draw());
  return log;
}

std::string Text(const Operation& operation) {
  const Row& row = RowOf(operation.kind);
  std::string text = row.name;
  const auto add = [&](const Field& field) {
    if (const uint32_t number = operation.*field.member; number != 0) {
      text += std::string(" ") + field.name + "=" + std::to_string(number);
    }
  };
  for (const Field& field : row.fields) add(field);
  add(kWork);
  if (operation.changes.empty()) return text;
  const char* between = " { ";
  for (const Operation& change : operation.changes) text += std::exchange(between, " ; ") + Text(change);
  return text + " }";
}

std::string Text(const Log& log) {
  std::string text;
  for (const Operation& operation : log) text += Text(operation) + "\n";
  return text;
}

Result<Log> Parse(std::string_view text) {
  Log log;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    auto operation = LineParser(line).ParseLine();
    if (!operation.ok()) {
      return Status::InvalidArgument("line " + std::to_string(number) + ": " + operation.status().ToString());
    }
    log.push_back(std::move(operation).value());
  }
  return log;
}

std::vector<Member> MembersOf(Kind kind) {
  std::vector<Member> members = {&Operation::work};
  for (const Field& field : RowOf(kind).fields) members.push_back(field.member);
  return members;
}

uint32_t ChangesMax(Kind kind) {
  return RowOf(kind).changes_max;
}

bool IsChange(Kind kind) {
  return RowOf(kind).weight_in_a_batch != 0;
}

}  // namespace varve::lsm
