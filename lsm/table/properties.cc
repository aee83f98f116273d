#include "lsm/table/properties.h"

#include <limits>

#include "lsm/format/coding.h"

namespace varve::lsm {
namespace {

// One row for each property, so that writer and reader cannot disagree.
struct NumberField {
  std::string_view name;
  uint64_t TableProperties::*member;
  bool required;
};
constexpr NumberField kNumbers[] = {
    {"table_id", &TableProperties::table_id, true},
    {"entries", &TableProperties::entries, true},
    {"deletes", &TableProperties::deletes, true},
    {"range_deletes", &TableProperties::range_deletes, true},
    {"data_blocks", &TableProperties::data_blocks, true},
    {"smallest_seq", &TableProperties::smallest_seq, true},
    {"largest_seq", &TableProperties::largest_seq, true},
    {"raw_key_bytes", &TableProperties::raw_key_bytes, false},
    {"raw_value_bytes", &TableProperties::raw_value_bytes, false},
};

struct BytesField {
  std::string_view name;
  std::string TableProperties::*member;
  bool required;
};
constexpr BytesField kBytes[] = {
    {"smallest", &TableProperties::smallest, true},
    {"largest", &TableProperties::largest, true},
    {"compression", &TableProperties::compression, false},
    {"filter", &TableProperties::filter, false},
};

// Absent: false.
struct FlagField {
  std::string_view name;
  bool TableProperties::*member;
};
constexpr FlagField kFlags[] = {
    {"largest_exclusive", &TableProperties::largest_exclusive},
    {"external", &TableProperties::external},
};

// Size 0: absent.
struct HandleField {
  std::string_view name;
  BlockHandle TableProperties::*member;
};
constexpr HandleField kHandles[] = {
    {"range_tombstones", &TableProperties::range_tombstones},
    {"dictionary", &TableProperties::dictionary},
};

constexpr std::string_view kValueLogs = "value_logs";
constexpr std::string_view kExpires = "expires_ms";
constexpr std::string_view kMergeOperator = "merge_operator";

std::string Varints(std::initializer_list<uint64_t> numbers) {
  std::string out;
  for (uint64_t number : numbers) PutVarint64(&out, number);
  return out;
}

bool ParseVarint(std::string_view value, uint64_t* number) {
  return GetVarint64(&value, number) && value.empty();
}

bool ParseHandle(std::string_view value, BlockHandle* handle) {
  uint64_t size = 0;
  if (!GetVarint64(&value, &handle->offset) || !GetVarint64(&value, &size) || !value.empty()) return false;
  if (size > std::numeric_limits<uint32_t>::max()) return false;
  handle->size = static_cast<uint32_t>(size);
  return true;
}

// False: the value is not of the property's type. Marks what was seen, one bit for each row of kNumbers, then kBytes.
bool SetProperty(std::string_view name, std::string_view value, TableProperties* out, uint32_t* seen) {
  uint32_t bit = 1;
  for (const NumberField& field : kNumbers) {
    if (name == field.name) {
      *seen |= bit;
      return ParseVarint(value, &(out->*field.member));
    }
    bit <<= 1;
  }
  for (const BytesField& field : kBytes) {
    if (name == field.name) {
      *seen |= bit;
      out->*field.member = value;
      return true;
    }
    bit <<= 1;
  }
  for (const FlagField& field : kFlags) {
    uint64_t number = 0;
    if (name != field.name) continue;
    if (!ParseVarint(value, &number)) return false;
    out->*field.member = number != 0;
    return true;
  }
  for (const HandleField& field : kHandles) {
    if (name == field.name) return ParseHandle(value, &(out->*field.member));
  }
  if (name == kValueLogs) return DecodeReferences(value, &out->value_logs);
  if (name == kExpires) return ParseVarint(value, &out->expires_ms);
  if (name == kMergeOperator) return out->merge_operator = value, true;
  return true;  // from a later writer
}

Status Missing(std::string_view name) {
  return Status::Corruption("property " + std::string(name) + " is missing");
}

}  // namespace

std::string TableProperties::Encode() const {
  std::string out;
  const auto put = [&](std::string_view name, std::string_view value) {
    PutLengthPrefixed(&out, name);
    PutLengthPrefixed(&out, value);
  };
  for (const NumberField& field : kNumbers) put(field.name, Varints({this->*field.member}));
  for (const BytesField& field : kBytes) put(field.name, this->*field.member);
  for (const FlagField& field : kFlags) {
    if (this->*field.member) put(field.name, Varints({1}));
  }
  for (const HandleField& field : kHandles) {
    const BlockHandle& handle = this->*field.member;
    if (handle.size != 0) put(field.name, Varints({handle.offset, handle.size}));
  }
  if (!value_logs.empty()) put(kValueLogs, EncodeReferences(value_logs));
  if (expires_ms != 0) put(kExpires, Varints({expires_ms}));
  if (!merge_operator.empty()) put(kMergeOperator, merge_operator);
  return out;
}

Result<TableProperties> TableProperties::Decode(std::string_view bytes) {
  TableProperties out;
  uint32_t seen = 0;
  std::string_view name, value;
  while (!bytes.empty()) {
    if (!GetLengthPrefixed(&bytes, &name) || !GetLengthPrefixed(&bytes, &value)) {
      return Status::Corruption("properties end inside a pair");
    }
    if (!SetProperty(name, value, &out, &seen)) {
      return Status::Corruption("property " + std::string(name) + " is not what its name says");
    }
  }
  uint32_t bit = 1;
  for (const NumberField& field : kNumbers) {
    if (field.required && (seen & bit) == 0) return Missing(field.name);
    bit <<= 1;
  }
  for (const BytesField& field : kBytes) {
    if (field.required && (seen & bit) == 0) return Missing(field.name);
    bit <<= 1;
  }
  return out;
}

}  // namespace varve::lsm
