// cli/json_row.h - one row of an export: {"key":"a","value":"b"}, keys and values escaped (lsm/dump.h) inside the JSON;
// of a value that expires with a third member, "expire_at_ms":1700000000000.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::cli {

struct Row {
  std::string key, value;
  uint64_t expire_at_ms = 0;  // Unix time; 0: it stays
};

std::string JsonRow(std::string_view key, std::string_view value, uint64_t expire_at_ms = 0);
// One JSON object with the members "key" and "value", both strings, and at most "expire_at_ms", a number above 0; blanks
// are allowed where JSON allows them.
// kInvalidArgument says at which character what was expected.
lsm::Result<Row> ParseJsonRow(std::string_view line);

}  // namespace varve::cli
