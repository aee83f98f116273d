#include "cli/size.h"

#include <cstdio>
#include <string>

#include "cli/progress.h"

namespace varve::cli {
namespace {

std::string Decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

void PrintJson(const lsm::SizingPlan& plan, std::ostream& out) {
  out << "{\"row_bytes\":" << plan.row_bytes << ",\"stored_bytes\":" << plan.stored_bytes
      << ",\"overwritten_bytes\":" << plan.overwritten_bytes << ",\"files\":" << plan.files << ",\"levels\":[";
  const char* separator = "";
  for (const lsm::SizingPlan::Level& level : plan.levels) {
    out << separator << "{\"level\":" << level.level << ",\"bytes\":" << level.bytes << ",\"files\":" << level.files
        << "}";
    separator = ",";
  }
  out << "],\"wal_bytes\":" << plan.wal_bytes << ",\"debt_bytes\":" << plan.debt_bytes
      << ",\"disk_bytes\":" << plan.disk_bytes << ",\"write_amplification\":" << Decimal(plan.write_amplification, 2)
      << ",\"filter_bytes\":" << plan.filter_bytes << ",\"index_bytes\":" << plan.index_bytes
      << ",\"memtable_bytes\":" << plan.memtable_bytes << ",\"cache_bytes\":" << plan.cache_bytes
      << ",\"memory_budget\":" << plan.budget_bytes << ",\"cached_share\":" << Decimal(plan.cached_share, 4) << "}\n";
}

class Table {
 public:
  explicit Table(std::ostream& out) : out_(out) {}
  void Row(const std::string& name, const std::string& value, const std::string& note) {
    out_ << "  " << name << std::string(26 - name.size(), ' ');
    if (value.size() < 12) out_ << std::string(12 - value.size(), ' ');
    out_ << value << (note.empty() ? "" : "   ") << note << '\n';
  }

 private:
  std::ostream& out_;
};

void PrintText(const SizeQuestion& question, const lsm::SizingPlan& plan, std::ostream& out) {
  Table table(out);
  out << question.keys << " keys of " << question.key_bytes << " bytes with values of " << question.value_bytes
      << " bytes: " << HumanBytes(plan.row_bytes) << "\n\ndisk\n";
  table.Row("stored, every key once", HumanBytes(plan.stored_bytes),
            Decimal(static_cast<double>(plan.stored_bytes) / static_cast<double>(question.keys), 1) + " bytes a key");
  for (const lsm::SizingPlan::Level& level : plan.levels) {
    table.Row("  level " + std::to_string(level.level), HumanBytes(level.bytes),
              std::to_string(level.files) + " files");
  }
  table.Row("while overwritten evenly", HumanBytes(plan.overwritten_bytes), std::to_string(plan.files) + " files");
  table.Row("log, at most", HumanBytes(plan.wal_bytes), "");
  table.Row("compaction debt, at most", HumanBytes(plan.debt_bytes), "when writers have to wait");
  table.Row("have ready", HumanBytes(plan.disk_bytes), "the sum");
  table.Row("write amplification", Decimal(plan.write_amplification, 1), "log included; keys overwritten evenly");
  out << "\nmemory, of memory_budget " << HumanBytes(plan.budget_bytes) << '\n';
  table.Row("filters", HumanBytes(plan.filter_bytes), "");
  table.Row("indexes", HumanBytes(plan.index_bytes), "");
  table.Row("memtables, at most", HumanBytes(plan.memtable_bytes), "");
  table.Row("left for blocks", HumanBytes(plan.cache_bytes),
            Decimal(100 * plan.cached_share, 0) + " % of what is stored");
}

}  // namespace

int Size(const SizeQuestion& question, const Settings& settings, bool json, Streams streams) {
  auto options = MakeOptions(lsm::OpenMode::kOwner, settings);
  if (!options.ok()) return Fail(options.status(), streams);
  auto plan = lsm::PlanSize(question, *options);
  if (!plan.ok()) return Fail(plan.status(), streams);
  if (json) {
    PrintJson(*plan, streams.out);
  } else {
    PrintText(question, *plan, streams.out);
  }
  const uint64_t fixed = plan->filter_bytes + plan->index_bytes + plan->memtable_bytes;
  if (fixed > plan->budget_bytes) {
    streams.err << "varve: filters, indexes and memtables alone need " << HumanBytes(fixed)
                << ": every read would go to the disk; raise it with --set memory_budget=...\n";
  }
  return kExitOk;
}

}  // namespace varve::cli
