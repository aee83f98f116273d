// sqlite_vtab/arguments.h - what stands between the parentheses of CREATE VIRTUAL TABLE ... USING varve(...).
//
//   'data/db' [, key=TEXT|BLOB] [, value=TEXT|BLOB] [, mode=auto|rw|ro|follow] [, sync=everysec|always] [, memory='64mb']
//   redis_strings also takes db=0..15
//
// Names and words are case-insensitive; the path comes first, quoted as SQL does or bare. Anything else is an error
// that says what would have been right. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::sqlite_vtab {

enum class ColumnType : uint8_t { kText, kBlob };

enum class AccessMode : uint8_t {
  kAuto,    // own the directory; when somebody else does, read beside him
  kWrite,   // own it or fail
  kRead,    // a fixed view of it
  kFollow,  // read beside the owner
};

enum class ModuleKind : uint8_t { kRaw, kStrings };

struct Arguments {
  std::string path;
  ColumnType key_type = ColumnType::kText;
  ColumnType value_type = ColumnType::kText;
  AccessMode mode = AccessMode::kAuto;
  bool sync_always = false;
  size_t memory_bytes = 0;  // 0: the engine's default
  int db = 0;
};

lsm::Result<Arguments> ParseArguments(ModuleKind kind, std::span<const std::string_view> arguments);

}  // namespace varve::sqlite_vtab
