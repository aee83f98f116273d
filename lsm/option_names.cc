#include "lsm/option_names.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>

#include "lsm/merge_operator.h"

namespace varve::lsm {

namespace {

struct Unit {
  std::string_view name;
  int shift;
};
constexpr std::array<Unit, 4> kUnits{{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}};

constexpr std::array<std::string_view, 3> kModes{"owner", "read-only", "follow"};
constexpr std::array<std::string_view, 3> kWalSyncs{"never", "every-second", "always"};
constexpr std::array<std::string_view, 2> kCompressions{"none", "zstd"};
constexpr std::array<std::string_view, 3> kStyles{"leveled", "size-tiered", "fifo"};
constexpr std::array<std::string_view, 2> kFlags{"false", "true"};
constexpr std::string_view kNone = "none";  // no merge operator

// How one type of field is read and written. Parse gives false when the text does not fit.
bool Parse(std::string_view text, size_t* field) {
  auto bytes = ParseBytes(text);
  if (bytes.ok()) *field = *bytes;
  return bytes.ok();
}
template <typename Number>
bool ParseNumber(std::string_view text, Number* field) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  *field = value;
  return true;
}
bool Parse(std::string_view text, int* field) {
  return ParseNumber(text, field);
}
template <typename Choice>
bool ParseChoice(std::string_view text, std::span<const std::string_view> names, Choice* field) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (text == names[i]) return *field = static_cast<Choice>(i), true;
  }
  return false;
}
bool Parse(std::string_view text, bool* field) {
  return ParseChoice(text, kFlags, field);
}
bool Parse(std::string_view text, OpenMode* field) {
  return ParseChoice(text, kModes, field);
}
bool Parse(std::string_view text, WalSync* field) {
  return ParseChoice(text, kWalSyncs, field);
}
bool Parse(std::string_view text, Compression* field) {
  return ParseChoice(text, kCompressions, field);
}

bool Parse(std::string_view text, CompactionStyle* field) {
  return ParseChoice(text, kStyles, field);
}
bool Parse(std::string_view text, const MergeOperator** field) {
  const MergeOperator* found = FindMergeOperator(text);
  if (found != nullptr || text == kNone) *field = found;
  return found != nullptr || text == kNone;
}

std::string Print(size_t value) {
  return BytesText(value);
}
std::string Print(int value) {
  return std::to_string(value);
}
std::string Print(bool value) {
  return std::string(kFlags[value ? 1 : 0]);
}
std::string Print(OpenMode value) {
  return std::string(kModes[static_cast<size_t>(value)]);
}
std::string Print(WalSync value) {
  return std::string(kWalSyncs[static_cast<size_t>(value)]);
}
std::string Print(Compression value) {
  return std::string(kCompressions[static_cast<size_t>(value)]);
}

std::string Print(CompactionStyle value) {
  return std::string(kStyles[static_cast<size_t>(value)]);
}
std::string Print(const MergeOperator* value) {
  return std::string(value != nullptr ? value->name() : kNone);
}

struct Row {
  std::string_view name;
  std::string_view want;
  bool (*parse)(std::string_view text, Options* options);
  std::string (*print)(const Options& options);
  void (*change)(const Options& from, OptionChanges* changes) = nullptr;  // null: it does not change while running
};

template <auto field>
constexpr Row MakeRow(std::string_view name, std::string_view want) {
  return {name, want, [](std::string_view text, Options* options) { return Parse(text, &(options->*field)); },
          [](const Options& options) { return Print(options.*field); }};
}
template <auto field, auto change>
constexpr Row MakeRow(std::string_view name, std::string_view want) {
  Row row = MakeRow<field>(name, want);
  row.change = [](const Options& from, OptionChanges* changes) { changes->*change = from.*field; };
  return row;
}

constexpr std::string_view kFlag = "true or false";
constexpr std::string_view kCount = "a whole number";
constexpr std::string_view kSize = "a size such as 8192, 64KiB, 256MiB or 4GiB";

constexpr std::array kRows{
    MakeRow<&Options::mode>("mode", "owner, read-only or follow"),
    MakeRow<&Options::create_if_missing>("create_if_missing", kFlag),
    MakeRow<&Options::error_if_exists>("error_if_exists", kFlag),
    MakeRow<&Options::memory_budget, &OptionChanges::memory_budget>("memory_budget", kSize),
    MakeRow<&Options::background_threads, &OptionChanges::background_threads>("background_threads", kCount),
    MakeRow<&Options::wal_sync, &OptionChanges::wal_sync>("wal_sync", "never, every-second or always"),
    MakeRow<&Options::compression, &OptionChanges::compression>("compression", "none or zstd"),
    MakeRow<&Options::filter_bits_per_key, &OptionChanges::filter_bits_per_key>("filter_bits_per_key", kCount),
    MakeRow<&Options::block_size, &OptionChanges::block_size>("block_size", kSize),
    MakeRow<&Options::table_size, &OptionChanges::table_size>("table_size", kSize),
    MakeRow<&Options::value_log_threshold, &OptionChanges::value_log_threshold>("value_log_threshold", kSize),
    MakeRow<&Options::memtable_size, &OptionChanges::memtable_size>("memtable_size", kSize),
    MakeRow<&Options::compaction_bytes_per_second, &OptionChanges::compaction_bytes_per_second>(
        "compaction_bytes_per_second", kSize),
    MakeRow<&Options::max_disk_bytes, &OptionChanges::max_disk_bytes>("max_disk_bytes", kSize),
    MakeRow<&Options::compaction>("compaction", "leveled, size-tiered or fifo"),
    MakeRow<&Options::fifo_bytes_max, &OptionChanges::fifo_bytes_max>("fifo_bytes_max", kSize),
    Row{"fifo_age_max_s", kCount, [](std::string_view t, Options* o) { return ParseNumber(t, &o->fifo_age_max_s); },
        [](const Options& o) { return std::to_string(o.fifo_age_max_s); },
        [](const Options& o, OptionChanges* changes) { changes->fifo_age_max_s = o.fifo_age_max_s; }},
    MakeRow<&Options::merge_operator>("merge_operator", "none, varve.counter or varve.append"),
};

const Row* FindRow(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

Status Unknown(std::string_view name) {
  std::string message = "there is no option '" + std::string(name) + "'; there are";
  for (const Row& row : kRows) message.append(" ").append(row.name);
  return Status::InvalidArgument(std::move(message));
}

}  // namespace

Status SetOption(std::string_view name, std::string_view value, Options* options) {
  const Row* row = FindRow(name);
  if (row == nullptr) return Unknown(name);
  if (row->parse(value, options)) return Status::Ok();
  return Status::InvalidArgument("option " + std::string(name) + " is '" + std::string(value) + "', want " +
                                 std::string(row->want));
}

Status SetOptionChange(std::string_view name, std::string_view value, OptionChanges* changes) {
  Options parsed;
  VARVE_TRY(SetOption(name, value, &parsed));
  const Row* row = FindRow(name);
  if (row->change == nullptr) {
    return Status::InvalidArgument("option " + std::string(name) +
                                   " does not change while the database runs: give it to the next open");
  }
  row->change(parsed, changes);
  return Status::Ok();
}

Result<std::string> GetOption(std::string_view name, const Options& options) {
  const Row* row = FindRow(name);
  if (row == nullptr) return Unknown(name);
  return row->print(options);
}

std::vector<std::string_view> OptionNames() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

Result<uint64_t> ParseBytes(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  int shift = suffix.empty() ? 0 : -1;
  for (const Unit& unit : kUnits) {
    if (suffix == unit.name) shift = unit.shift;
  }
  if (error != std::errc() || shift < 0 || value > std::numeric_limits<uint64_t>::max() >> shift) {
    return Status::InvalidArgument("'" + std::string(text) + "' is not " + std::string(kSize));
  }
  return value << shift;
}

std::string BytesText(uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes != 0 && bytes % (uint64_t{1} << unit.shift) == 0) {
      return std::to_string(bytes >> unit.shift) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

}  // namespace varve::lsm
