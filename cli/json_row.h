// cli/json_row.h - one row of an export: {"key":"a","value":"b"}, keys and values escaped (lsm/dump.h) inside the JSON.
#pragma once

#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::cli {

struct Row {
  std::string key, value;
};

std::string JsonRow(std::string_view key, std::string_view value);
// One JSON object with exactly the members "key" and "value", both strings; blanks are allowed where JSON allows them.
// kInvalidArgument says at which character what was expected.
lsm::Result<Row> ParseJsonRow(std::string_view line);

}  // namespace varve::cli
