#include "cli/commands.h"

#include <filesystem>
#include <memory>

#include "cli/json_row.h"
#include "cli/progress.h"
#include "lsm/db.h"
#include "lsm/dump.h"
#include "lsm/option_names.h"
#include "lsm/stats_text.h"

namespace varve::cli {
namespace {

constexpr size_t kImportBatchBytes = size_t{1} << 20;

// For what `check` finds, or what keeps a database from being opened.
constexpr std::string_view kAfterDamage =
    "`varve restore BACKUPS TARGET` makes a database of a backup; without one, copy DIR, and `varve repair DIR` saves "
    "what it can";

// What to do about it. No default: a new code does not build until there is advice.
std::string_view Advice(lsm::StatusCode code) {
  switch (code) {
    case lsm::StatusCode::kOk: return "";
    case lsm::StatusCode::kInvalidArgument: return "";
    case lsm::StatusCode::kNotFound: return "a server keeps its database in DIR/db, where DIR is its --dir";
    case lsm::StatusCode::kCorruption: return "`varve check DIR` lists what is damaged, and says what to do then";
    case lsm::StatusCode::kUnsupported: return "a newer Varve wrote this: use that one";
    case lsm::StatusCode::kIoError:
      return "see that the files can be read and written by this user, and the system's log";
    case lsm::StatusCode::kNoSpace: return "make room on the disk and try again; nothing that was there is lost";
    case lsm::StatusCode::kBusy: return "another process owns it: stop the server first, or ask it with redis-cli";
    case lsm::StatusCode::kWouldBlock: return "";
    case lsm::StatusCode::kFenced: return "a sync failed: look at the disk before you trust it with more";
    case lsm::StatusCode::kReadOnly: return "";
    case lsm::StatusCode::kClosed: return "";
    case lsm::StatusCode::kConflict: return "try again";
    case lsm::StatusCode::kOutOfRange: return "";
    case lsm::StatusCode::kOutOfMemory: return "this needs more memory than the system gives";
  }
  return "";
}

lsm::Result<std::unique_ptr<lsm::Db>> Open(const std::string& dir, lsm::OpenMode mode, const Settings& settings) {
  auto options = MakeOptions(mode, settings);
  if (!options.ok()) return options.status();
  return lsm::Db::Open(dir, *options);
}

// Bounds as bytes.
struct Bounds {
  std::string from, to;
};
lsm::Result<Bounds> ParseBounds(const DumpRange& range) {
  auto from = lsm::UnescapeBytes(range.from);
  if (!from.ok()) return from.status();
  auto to = lsm::UnescapeBytes(range.to);
  if (!to.ok()) return to.status();
  return Bounds{std::move(from).value(), std::move(to).value()};
}

lsm::Status TooLarge(std::string_view what, size_t size, size_t most) {
  return lsm::Status::InvalidArgument("the " + std::string(what) + " has " + std::to_string(size) +
                                      " bytes, want at most " + std::to_string(most));
}

int Close(lsm::Db* db, Streams streams) {
  lsm::Status status = db->Close();
  return status.ok() ? kExitOk : Fail(status, streams);
}

int DumpRows(const std::string& dir, const DumpRange& range, const Bounds& bounds, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kReadOnly, {});
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  lsm::ReadOptions options;
  options.lower_bound = bounds.from;
  options.upper_bound = bounds.to;
  options.fill_cache = false;
  lsm::Iterator it = (*db)->NewIterator(options);
  uint64_t rows = 0;
  for (it.SeekToFirst(); it.Valid() && (range.limit == 0 || rows < range.limit) && streams.out; it.Next(), ++rows) {
    const std::string_view value = it.value();  // a large one is read now: if it cannot be, it looks empty
    if (!it.status().ok()) break;
    if (range.json) {
      streams.out << JsonRow(it.key(), value, it.expire_at_ms()) << '\n';
      continue;
    }
    streams.out << lsm::EscapeBytes(it.key()) << '\t' << lsm::EscapeBytes(value);
    if (it.expire_at_ms() != 0) streams.out << "\texpire_at_ms " << it.expire_at_ms();
    streams.out << '\n';
  }
  if (!it.status().ok()) return Fail(it.status(), streams);
  return kExitOk;
}

}  // namespace

void Complain(const lsm::Status& status, std::string_view advice, Streams streams) {
  streams.err << "varve: " << status.ToString() << '\n';
  if (!advice.empty()) streams.err << "varve: " << advice << '\n';
}

int Fail(const lsm::Status& status, Streams streams) {
  Complain(status, Advice(status.code()), streams);
  if (status.Is(lsm::StatusCode::kInvalidArgument)) return kExitUsage;
  return status.Is(lsm::StatusCode::kCorruption) ? kExitProblem : kExitFailed;
}

int FailToOpen(const lsm::Status& status, const std::string& dir, Streams streams) {
  // Whoever cannot open it cannot check it either.
  const bool damaged = status.Is(lsm::StatusCode::kCorruption);
  Complain(status, damaged ? kAfterDamage : Advice(status.code()), streams);
  if (status.Is(lsm::StatusCode::kInvalidArgument)) return kExitUsage;
  std::error_code ignored;
  if (std::filesystem::exists(dir + "/db/CURRENT", ignored)) {
    streams.err << "varve: there is a database in " << dir << "/db: did you mean that?\n";
  }
  return damaged ? kExitProblem : kExitCannotOpen;
}

lsm::Result<lsm::Options> MakeOptions(lsm::OpenMode mode, const Settings& settings) {
  lsm::Options options;
  options.mode = mode;
  options.create_if_missing = false;
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      return lsm::Status::InvalidArgument("'" + setting + "': want NAME=VALUE, such as memory_budget=64MiB");
    }
    VARVE_TRY(lsm::SetOption(setting.substr(0, equals), setting.substr(equals + 1), &options));
  }
  return options;
}

int Check(const std::string& dir, bool json, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kReadOnly, {});
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  Progress progress(streams.terminal, "checking " + dir);
  auto report = (*db)->Verify([&](uint64_t done, uint64_t total) { progress.Update(done, total); });
  progress.Clear();
  if (!report.ok()) return Fail(report.status(), streams);
  if (json) {
    streams.out << lsm::VerifyJson(*report) << '\n';
  } else {
    for (const std::string& problem : report->problems) streams.err << problem << '\n';
    streams.out << dir << ": " << report->tables << " tables, " << report->blocks << " blocks, " << report->entries
                << " entries, " << report->values << " large values, " << report->problems.size() << " problems\n";
  }
  if (report->problems.empty()) return kExitOk;
  if (!json) streams.err << "varve: " << kAfterDamage << '\n';
  return kExitProblem;
}

int Stats(const std::string& dir, bool json, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kReadOnly, {});
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  const lsm::DbStats stats = (*db)->Stats();
  streams.out << (json ? lsm::StatsJson(stats) + "\n" : lsm::StatsText(stats));
  if (!stats.background_error.empty()) {
    streams.err << "varve: " << stats.background_error << '\n';
    return kExitProblem;
  }
  return kExitOk;
}

int Get(const std::string& dir, const std::string& escaped_key, Streams streams) {
  auto key = lsm::UnescapeBytes(escaped_key);
  if (!key.ok()) return Fail(key.status(), streams);
  auto db = Open(dir, lsm::OpenMode::kReadOnly, {});
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
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

int Dump(const std::string& path, const DumpRange& range, Streams streams) {
  auto bounds = ParseBounds(range);
  if (!bounds.ok()) return Fail(bounds.status(), streams);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return DumpRows(path, range, *bounds, streams);
  lsm::DumpOptions options;
  options.json = range.json;
  options.from = bounds->from;
  options.to = bounds->to;
  options.limit = range.limit;
  const lsm::Status status = lsm::DumpFile(path, options, [&](std::string_view line) {
    streams.out << line << '\n';
    return static_cast<bool>(streams.out);
  });
  return status.ok() ? kExitOk : Fail(status, streams);
}

int Import(const std::string& dir, std::istream& rows, const Settings& settings, Streams streams) {
  Settings all = {"create_if_missing=true"};
  all.insert(all.end(), settings.begin(), settings.end());
  auto db = Open(dir, lsm::OpenMode::kOwner, all);
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  Progress progress(streams.terminal, "importing");
  lsm::WriteBatch batch;
  lsm::Status status;
  std::string line;
  uint64_t number = 0, bytes = 0, written = 0;
  const auto write = [&] {
    lsm::Status s = (*db)->Write({}, batch);
    if (s.ok()) written += batch.count();
    batch.Clear();
    return s;
  };
  while (status.ok() && std::getline(rows, line)) {
    ++number;
    bytes += line.size() + 1;
    auto row = ParseJsonRow(line);
    if (row.ok() && row->key.size() > lsm::kKeySizeMax) row = TooLarge("key", row->key.size(), lsm::kKeySizeMax);
    if (row.ok() && row->value.size() > lsm::kValueSizeMax)
      row = TooLarge("value", row->value.size(), lsm::kValueSizeMax);
    if (!row.ok()) {
      status =
          lsm::Status::InvalidArgument("line " + std::to_string(number) + ": " + std::string(row.status().message()));
      break;
    }
    if (row->expire_at_ms != 0) {
      batch.PutWithExpiry(row->key, row->value, row->expire_at_ms);
    } else {
      batch.Put(row->key, row->value);
    }
    if (batch.size_bytes() >= kImportBatchBytes) status = write();
    progress.Update(bytes, 0);
  }
  if (status.ok() && rows.bad())
    status = lsm::Status(lsm::StatusCode::kIoError, "the rows cannot be read to their end");
  if (status.ok()) status = write();
  progress.Clear();
  if (status.ok()) status = (*db)->Close();
  streams.out << dir << ": " << written << " rows imported\n";
  return status.ok() ? kExitOk : Fail(status, streams);
}

int Compact(const std::string& dir, const DumpRange& range, const Settings& settings, Streams streams) {
  auto bounds = ParseBounds(range);
  if (!bounds.ok()) return Fail(bounds.status(), streams);
  auto db = Open(dir, lsm::OpenMode::kOwner, settings);
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  const auto table_bytes = [&] {
    uint64_t bytes = 0;
    for (const auto& level : (*db)->Stats().levels) bytes += level.bytes;
    return bytes;
  };
  lsm::Status status = (*db)->Flush();
  const uint64_t before = table_bytes();
  {
    Progress progress(streams.terminal, "compacting " + dir);
    Watch watch(&progress, [&](Progress* shown) {
      uint64_t done = (*db)->Stats().compaction_read_bytes;
      for (const lsm::RunningJob& job : (*db)->Stats().jobs) done += job.bytes_done;
      shown->Update(done, before);
    });
    if (status.ok()) status = (*db)->CompactRange(bounds->from, bounds->to);
    if (status.ok()) status = (*db)->WaitForBackgroundWork();
  }
  if (!status.ok()) return Fail(status, streams);
  streams.out << dir << ": " << before << " bytes of tables before, " << table_bytes() << " after\n";
  return Close(db->get(), streams);
}

int Checkpoint(const std::string& dir, const std::string& target, Streams streams) {
  auto db = Open(dir, lsm::OpenMode::kOwner, {});
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  if (lsm::Status status = (*db)->Checkpoint(target); !status.ok()) return Fail(status, streams);
  streams.out << target << ": checkpoint at sequence " << (*db)->Stats().last_sequence << '\n';
  return Close(db->get(), streams);
}

}  // namespace varve::cli
