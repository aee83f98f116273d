#include "cli/commands.h"

#include <memory>

#include "lsm/db.h"

namespace varve::cli {
namespace {

int Fail(const lsm::Status& status, Streams streams) {
  streams.err << "varve: " << status.ToString() << '\n';
  return status.Is(lsm::StatusCode::kInvalidArgument) ? kExitUsage : kExitProblem;
}

int FailToOpen(const lsm::Status& status, Streams streams) {
  streams.err << "varve: " << status.ToString() << '\n';
  if (status.Is(lsm::StatusCode::kBusy)) {
    streams.err << "varve: stop the server first, or ask it with redis-cli\n";
  }
  return kExitProblem;
}

lsm::Result<std::unique_ptr<lsm::Db>> Open(const std::string& dir, lsm::OpenMode mode) {
  lsm::Options options;
  options.mode = mode;
  options.create_if_missing = false;
  return lsm::Db::Open(dir, options);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Escape(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size());
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

lsm::Result<std::string> Unescape(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes += '\\';
      i += 1;
    } else if (i + 3 < text.size() && text[i + 1] == 'x' && HexDigit(text[i + 2]) >= 0 && HexDigit(text[i + 3]) >= 0) {
      bytes += static_cast<char>(HexDigit(text[i + 2]) * 16 + HexDigit(text[i + 3]));
      i += 3;
    } else {
      return lsm::Status::InvalidArgument("'" + std::string(text) + "': a backslash at " + std::to_string(i) +
                                          " wants another one or xHH after it");
    }
  }
  return bytes;
}

int Check(const std::string& dir, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kReadOnly);
  if (!db.ok()) return FailToOpen(db.status(), streams);
  auto report = (*db)->Verify();
  if (!report.ok()) return Fail(report.status(), streams);
  for (const std::string& problem : report->problems) streams.err << problem << '\n';
  streams.out << dir << ": " << report->tables << " tables, " << report->blocks << " blocks, " << report->entries
              << " entries, " << report->problems.size() << " problems\n";
  return report->problems.empty() ? kExitOk : kExitProblem;
}

int Stats(const std::string& dir, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kReadOnly);
  if (!db.ok()) return FailToOpen(db.status(), streams);
  lsm::DbStats stats = (*db)->Stats();
  streams.out << "last_sequence " << stats.last_sequence << "\nmemtable_bytes " << stats.memtable_bytes
              << "\ntable_memory_bytes " << stats.table_memory_bytes << "\nwal_tail_cut_bytes "
              << stats.wal_tail_cut_bytes << '\n';
  for (size_t level = 0; level < stats.levels.size(); ++level) {
    if (stats.levels[level].files == 0) continue;
    streams.out << "level " << level << " files " << stats.levels[level].files << " bytes " << stats.levels[level].bytes
                << '\n';
  }
  if (!stats.background_error.empty()) {
    streams.err << "varve: " << stats.background_error << '\n';
    return kExitProblem;
  }
  return kExitOk;
}

int Get(const std::string& dir, const std::string& escaped_key, Streams streams) {
  auto key = Unescape(escaped_key);
  if (!key.ok()) return Fail(key.status(), streams);
  auto db = Open(dir, lsm::OpenMode::kReadOnly);
  if (!db.ok()) return FailToOpen(db.status(), streams);
  lsm::PinnedValue value;
  auto found = (*db)->Get({}, *key, &value);
  if (!found.ok()) return Fail(found.status(), streams);
  if (!*found) {
    streams.err << "varve: " << escaped_key << ": no such key\n";
    return kExitProblem;
  }
  streams.out << value.view() << '\n';
  return kExitOk;
}

int Scan(const std::string& dir, const ScanRange& range, Streams streams) {
  auto from = Unescape(range.from);
  if (!from.ok()) return Fail(from.status(), streams);
  auto to = Unescape(range.to);
  if (!to.ok()) return Fail(to.status(), streams);
  auto db = Open(dir, lsm::OpenMode::kReadOnly);
  if (!db.ok()) return FailToOpen(db.status(), streams);

  lsm::ReadOptions options;
  options.lower_bound = *from;
  options.upper_bound = *to;
  options.fill_cache = false;
  lsm::Iterator it = (*db)->NewIterator(options);
  uint64_t rows = 0;
  for (it.SeekToFirst(); it.Valid() && (range.limit == 0 || rows < range.limit) && streams.out; it.Next(), ++rows) {
    streams.out << Escape(it.key()) << '\t' << Escape(it.value()) << '\n';
  }
  if (!it.status().ok()) return Fail(it.status(), streams);
  return kExitOk;
}

int Checkpoint(const std::string& dir, const std::string& target, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kOwner);
  if (!db.ok()) return FailToOpen(db.status(), streams);
  if (lsm::Status status = (*db)->Checkpoint(target); !status.ok()) return Fail(status, streams);
  streams.out << target << ": checkpoint at sequence " << (*db)->Stats().last_sequence << '\n';
  if (lsm::Status status = (*db)->Close(); !status.ok()) return Fail(status, streams);
  return kExitOk;
}

}  // namespace varve::cli
