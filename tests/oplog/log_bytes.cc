#include "tests/oplog/log_bytes.h"

#include <algorithm>
#include <vector>

namespace varve::lsm {

namespace {

constexpr uint32_t kKinds = 64, kWorks = 4;  // that the first byte tells apart
constexpr uint32_t kOneByteLimit = 192, kNumberLimit = (256 - kOneByteLimit) * 256;
constexpr uint32_t kKeyStep = 17, kKeyStepInverse = 353;
static_assert(kKeyStep * kKeyStepInverse % kKeyCount == 1 && kKindCount <= kKinds);
constexpr uint32_t kHardlyEver = kNumberLimit - 1, kHardlyEverMs = 1'000'000'000;

const std::vector<Kind>& KindsOfChanges() {
  static const std::vector<Kind> kinds = [] {
    std::vector<Kind> some;
    for (size_t i = 0; i < kKindCount; ++i) {
      if (IsChange(static_cast<Kind>(i))) some.push_back(static_cast<Kind>(i));
    }
    return some;
  }();
  return kinds;
}

// All but the one behind all others; as the end of a range it may be that one, unless it is written.
uint32_t KeyLimit(Member member, Kind kind) {
  return member == &Operation::end && kind != Kind::kTransaction ? kKeyCount + 1 : kKeyCount;
}

// Of the other numbers.
uint32_t LimitOf(Member member, Kind kind) {
  if (member == &Operation::size) return kind == Kind::kMerge ? 12 : 7000;
  if (member == &Operation::seed) return 1000;
  if (member == &Operation::count) return 12;
  if (member == &Operation::slot) return kSlotCount;
  if (member == &Operation::at) return kSlotCount + 1;
  return kNumberLimit;  // ms
}

uint32_t DecodeNumber(fuzz::FuzzInput* input) {
  const auto first = static_cast<uint32_t>(input->Number(1));
  if (first < kOneByteLimit) return first;
  return (first - kOneByteLimit) * 256 + static_cast<uint32_t>(input->Number(1));
}

void EncodeNumber(uint32_t number, std::string* bytes) {
  if (number >= kOneByteLimit) bytes->push_back(static_cast<char>(kOneByteLimit + number / 256));
  bytes->push_back(static_cast<char>(number % 256));
}

uint32_t ToNumber(const Operation& operation, Member member) {
  const uint32_t number = operation.*member;
  const uint32_t limit = KeyLimit(member, operation.kind);
  if (member == &Operation::key) return number * kKeyStepInverse % limit;
  if (member == &Operation::end) return (number + limit - operation.key) % limit;
  if (member == &Operation::slot) return number - 1;
  if (member == &Operation::ms && number == kHardlyEverMs) return kHardlyEver;
  return number;
}

uint32_t FromNumber(uint32_t number, const Operation& operation, Member member) {
  const uint32_t limit = KeyLimit(member, operation.kind);
  if (member == &Operation::key) return number * kKeyStep % limit;
  if (member == &Operation::end) return (operation.key + number) % limit;
  const uint32_t rest = number % LimitOf(member, operation.kind);
  if (member == &Operation::slot) return rest + 1;
  if (member == &Operation::ms && rest == kHardlyEver && operation.kind == Kind::kPutWithExpiry) return kHardlyEverMs;
  return rest;
}

// But for work.
std::vector<Member> NumbersOf(Kind kind) {
  std::vector<Member> members = MembersOf(kind);
  std::erase(members, &Operation::work);
  return members;
}

void DecodeNumbers(fuzz::FuzzInput* input, Operation* operation) {
  for (const Member member : NumbersOf(operation->kind)) {
    operation->*member = FromNumber(DecodeNumber(input), *operation, member);
  }
}

void EncodeNumbers(const Operation& operation, std::string* bytes) {
  for (const Member member : NumbersOf(operation.kind)) EncodeNumber(ToNumber(operation, member), bytes);
}

void EncodeChanges(const std::vector<Operation>& changes, std::string* bytes) {
  const std::vector<Kind>& kinds = KindsOfChanges();
  bytes->push_back(static_cast<char>(changes.size()));
  for (const Operation& change : changes) {
    bytes->push_back(static_cast<char>(std::find(kinds.begin(), kinds.end(), change.kind) - kinds.begin()));
    EncodeNumbers(change, bytes);
  }
}

}  // namespace

Operation DecodeOperation(fuzz::FuzzInput* input) {
  const auto first = static_cast<uint32_t>(input->Number(1));
  Operation operation;
  operation.kind = static_cast<Kind>(first % kKinds % kKindCount);
  operation.work = first / kKinds;
  DecodeNumbers(input, &operation);
  const uint32_t changes_max = ChangesMax(operation.kind);
  if (changes_max == 0) return operation;
  for (uint64_t left = input->Below(changes_max + 1); left > 0; --left) {
    Operation change;
    change.kind = KindsOfChanges()[input->Below(KindsOfChanges().size())];
    DecodeNumbers(input, &change);
    operation.changes.push_back(change);
  }
  return operation;
}

std::string Encode(const Log& log) {
  std::string bytes;
  for (const Operation& operation : log) {
    bytes.push_back(static_cast<char>(operation.work % kWorks * kKinds + static_cast<uint32_t>(operation.kind)));
    EncodeNumbers(operation, &bytes);
    if (ChangesMax(operation.kind) > 0) EncodeChanges(operation.changes, &bytes);
  }
  return bytes;
}

}  // namespace varve::lsm
