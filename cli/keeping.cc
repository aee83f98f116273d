#include "cli/keeping.h"

#include <array>
#include <ctime>

#include "cli/progress.h"
#include "lsm/backup.h"
#include "lsm/db.h"
#include "lsm/dump.h"
#include "lsm/repair.h"
#include "lsm/stats_text.h"

namespace varve::cli {
namespace {

constexpr std::string_view kSeeList = "`varve backups BACKUPS` lists what is there";
constexpr std::string_view kSeeDamage = "`varve backups BACKUPS --check` tells which backups are sound";
constexpr std::string_view kInUse = "somebody is at work in that directory: try again when they have finished";

// "2026-11-21 08:00:00 UTC"
std::string TimeText(int64_t wall_ms) {
  const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

lsm::BackupOptions Reporting(Progress* progress) {
  lsm::BackupOptions options;
  options.on_progress = [progress](const lsm::BackupProgress& now) { progress->Update(now.bytes, now.bytes_total); };
  return options;
}

// Of a call that works on a directory of backups.
int FailWithBackups(const lsm::Status& status, Streams streams) {
  switch (status.code()) {
    case lsm::StatusCode::kNotFound: Complain(status, kSeeList, streams); return kExitCannotOpen;
    case lsm::StatusCode::kBusy: Complain(status, kInUse, streams); return kExitCannotOpen;
    case lsm::StatusCode::kCorruption: Complain(status, kSeeDamage, streams); return kExitProblem;
    default: return Fail(status, streams);
  }
}

// The newest backup whose record can be read.
lsm::Result<uint64_t> Newest(const std::string& backups) {
  auto list = lsm::Backup::List(backups);
  if (!list.ok()) return list.status();
  for (auto info = list->rbegin(); info != list->rend(); ++info) {
    if (info->problem.empty()) return info->id;
  }
  return lsm::Status::NotFound(backups + ": no backup there that can be read");
}

void PrintText(const lsm::BackupInfo& info, const std::vector<std::string>& problems, std::ostream& out) {
  out << "backup " << info.id << "  ";
  if (info.problem.empty()) {
    out << TimeText(info.wall_ms) << "  sequence " << info.sequence << "  " << info.files << " files  "
        << HumanBytes(info.bytes) << ", " << HumanBytes(info.new_bytes) << " new";
    if (!problems.empty()) out << "  damaged";
  } else {
    out << "damaged";
  }
  out << '\n';
}

void PrintLoss(const lsm::RepairLoss& loss, std::ostream& err) {
  err << "lost: " << loss.file << ": " << loss.problem;
  if (loss.size != 0) err << ", " << loss.size << " bytes at " << loss.offset;
  if (!loss.smallest.empty() || !loss.largest.empty()) {
    err << ", keys " << lsm::EscapeBytes(loss.smallest) << " to " << lsm::EscapeBytes(loss.largest);
  }
  if (loss.last_seq != 0) err << ", sequences " << loss.first_seq << " to " << loss.last_seq;
  err << '\n';
}

}  // namespace

int MakeBackup(const std::string& dir, const std::string& backups, Streams streams) {
  auto options = MakeOptions(lsm::OpenMode::kOwner, {});
  if (!options.ok()) return Fail(options.status(), streams);
  auto db = lsm::Db::Open(dir, *options);
  if (!db.ok()) return FailToOpen(db.status(), dir, streams);
  Progress progress(streams.terminal, "backing up " + dir);
  auto id = lsm::Backup::Create(db->get(), backups, Reporting(&progress));
  progress.Clear();
  if (id.status().Is(lsm::StatusCode::kNotFound) || id.status().Is(lsm::StatusCode::kBusy))
    return FailWithBackups(id.status(), streams);
  if (!id.ok()) return Fail(id.status(), streams);
  if (lsm::Status status = (*db)->Close(); !status.ok()) return Fail(status, streams);
  streams.out << backups << ": backup " << *id << " of " << dir << '\n';
  return kExitOk;
}

int ListBackups(const std::string& backups, bool check, bool json, Streams streams) {
  auto list = lsm::Backup::List(backups);
  if (!list.ok()) return FailToOpen(list.status(), backups, streams);
  bool sound = true;
  for (const lsm::BackupInfo& info : *list) {
    std::vector<std::string> problems;
    if (!info.problem.empty()) {
      problems.push_back(info.problem);
    } else if (check) {
      Progress progress(streams.terminal, "checking backup " + std::to_string(info.id));
      auto report = lsm::Backup::Verify(backups, info.id, Reporting(&progress));
      progress.Clear();
      if (!report.ok()) return FailWithBackups(report.status(), streams);
      problems = report->problems;
    }
    sound = sound && problems.empty();
    if (json) {
      streams.out << lsm::BackupJson(info, problems) << '\n';
    } else {
      PrintText(info, problems, streams.out);
    }
    for (const std::string& problem : problems) streams.err << "varve: " << problem << '\n';
  }
  if (!sound) streams.err << "varve: the next `varve backup` stores again what the database still has\n";
  return sound ? kExitOk : kExitProblem;
}

int RestoreBackup(const std::string& backups, uint64_t id, const std::string& target, Streams streams) {
  auto chosen = id != 0 ? lsm::Result<uint64_t>(id) : Newest(backups);
  if (!chosen.ok()) return FailWithBackups(chosen.status(), streams);
  Progress progress(streams.terminal, "restoring " + target);
  const lsm::Status status = lsm::Backup::Restore(backups, *chosen, target, Reporting(&progress));
  progress.Clear();
  if (!status.ok()) return FailWithBackups(status, streams);
  streams.out << target << ": restored from backup " << *chosen << '\n';
  return kExitOk;
}

int RepairDatabase(const std::string& dir, Streams streams) {
  Progress progress(streams.terminal, "repairing " + dir);
  auto report = lsm::Repair(dir, {}, [&](uint64_t done, uint64_t total) { progress.Update(done, total); });
  progress.Clear();
  if (!report.ok()) return FailToOpen(report.status(), dir, streams);
  for (const lsm::RepairLoss& loss : report->losses) PrintLoss(loss, streams.err);
  for (const std::string& name : report->moved) streams.out << "set aside: " << dir << "/lost/" << name << '\n';
  if (!report->manifest_used) {
    streams.out << "there was no sound manifest: keys deleted long ago may be back\n";
  }
  streams.out << dir << ": " << report->tables_kept << " tables kept, " << report->tables_rewritten << " rewritten, "
              << report->entries << " entries, " << report->log_records << " log records, last sequence "
              << report->last_sequence << ", " << report->losses.size() << " losses\n";
  return report->losses.empty() ? kExitOk : kExitProblem;
}

}  // namespace varve::cli
