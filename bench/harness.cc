#include "bench/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "lsm/format/crc32c.h"

namespace varve::bench {

void Fatal(const std::string& message) {
  std::fprintf(stderr, "bench: %s\n", message.c_str());
  std::exit(1);
}

// ---- data
// ------------------------------------------------------------------------------------------------------------

Permutation::Permutation(uint64_t count, uint64_t seed) : count_(count) {
  half_bits_ = 1;
  while ((uint64_t{1} << (2 * half_bits_)) < count) ++half_bits_;
  Random random(seed);
  for (uint64_t& key : keys_) key = random.Next();
}

uint64_t Permutation::operator()(uint64_t index) const {
  // A Feistel network over the next even power of two, walked until it lands inside; less than four steps on average.
  uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = index >> half_bits_, right = index & mask;
    for (uint64_t key : keys_) {
      uint64_t mixed = (right ^ key) * 0x9e3779b97f4a7c15;
      left = std::exchange(right, left ^ ((mixed >> 32) & mask));
    }
    index = left << half_bits_ | right;
  } while (index >= count_);
  return index;
}

Values::Values(size_t size, size_t copies) : size_(size) {
  constexpr size_t kPoolSize = size_t{1} << 20;  // beyond the 32 KiB to 1 MiB that a block compressor looks back
  Random random(301);
  while (bytes_.size() < kPoolSize) {
    std::string part((size + copies - 1) / copies, '\0');
    for (char& byte : part) byte = static_cast<char>(random.Next());
    std::string value;
    for (size_t i = 0; i < copies; ++i) value += part;
    bytes_ += value.substr(0, size);
  }
}

// ---- meters
// ----------------------------------------------------------------------------------------------------------

namespace {

// The number behind `name` in a file of /proc; 0 when there is none.
uint64_t ProcField(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, name.size(), name) == 0) return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return 0;
}

}  // namespace

Usage ReadUsage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  Usage result;
  result.wall_s = static_cast<double>(NowNanos()) / 1e9;
  result.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  result.written_bytes = ProcField("/proc/self/io", "write_bytes: ");
  result.device_read_bytes = ProcField("/proc/self/io", "read_bytes: ");
  return result;
}

Usage operator-(const Usage& after, const Usage& before) {
  return {after.wall_s - before.wall_s, after.cpu_s - before.cpu_s, after.written_bytes - before.written_bytes,
          after.device_read_bytes - before.device_read_bytes};
}

uint64_t PeakResidentBytes() {
  return ProcField("/proc/self/status", "VmHWM:") * 1024;
}

uint64_t DirectoryBytes(const std::string& dir) {
  uint64_t total = 0;
  DIR* handle = opendir(dir.c_str());
  if (handle == nullptr) return 0;
  while (dirent* entry = readdir(handle)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (lstat((dir + "/" + name).c_str(), &info) != 0) continue;  // deleted meanwhile
    total += S_ISDIR(info.st_mode) ? DirectoryBytes(dir + "/" + name) : static_cast<uint64_t>(info.st_blocks) * 512;
  }
  closedir(handle);
  return total;
}

uint64_t WaitUntilQuiet(uint64_t window_ms, int windows, const std::function<bool()>& busy) {
  uint64_t settled = NowNanos();
  for (int quiet = 0; quiet < windows;) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(window_ms));  // the window that is watched; nothing to wait on
    quiet = busy() ? 0 : quiet + 1;
    if (quiet == 0) settled = NowNanos();
  }
  return settled;
}

uint64_t RestingDirectoryBytes(const std::string& dir) {
  uint64_t bytes = DirectoryBytes(dir);
  WaitUntilQuiet(200, 1, [&] {
    const uint64_t before = std::exchange(bytes, DirectoryBytes(dir));
    return bytes != before;
  });
  return bytes;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::UpperBound(size_t index) {
  if (index < (1u << kSubBits)) return index;
  size_t shift = (index >> kSubBits) - 1;
  return (((index & ((1u << kSubBits) - 1)) + (1u << kSubBits) + 1) << shift) - 1;
}

double Histogram::PercentileMicros(double percent) const {
  auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBucketCount; ++i) {
    seen += buckets_[i];
    if (seen >= wanted && seen > 0) return static_cast<double>(std::min(UpperBound(i), max_)) / 1000;
  }
  return MaxMicros();
}

// ---- results
// ---------------------------------------------------------------------------------------------------------

void Sink::AddLatencies(const std::string& workload, const Histogram& latencies) {
  Add(workload, "p50 us", Better::kLower, latencies.PercentileMicros(50));
  Add(workload, "p99 us", Better::kLower, latencies.PercentileMicros(99));
  Add(workload, "p99.9 us", Better::kLower, latencies.PercentileMicros(99.9));
  Add(workload, "max us", Better::kLower, latencies.MaxMicros());
}

namespace {

// One line a measurement: workload, metric, direction and value, with tabs between.
std::string Encode(const std::vector<Measurement>& measurements) {
  std::string text;
  for (const Measurement& m : measurements) {
    char value[64];
    std::snprintf(value, sizeof value, "%.17g", m.value);
    text += m.workload + '\t' + m.metric + '\t' + (m.better == Better::kHigher ? 'h' : 'l') + '\t' + value + '\n';
  }
  return text;
}

std::vector<Measurement> Decode(const std::string& text) {
  std::vector<Measurement> measurements;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    Measurement m;
    std::string better, value;
    std::getline(fields, m.workload, '\t');
    std::getline(fields, m.metric, '\t');
    std::getline(fields, better, '\t');
    std::getline(fields, value, '\t');
    m.better = better == "h" ? Better::kHigher : Better::kLower;
    m.value = std::strtod(value.c_str(), nullptr);
    measurements.push_back(std::move(m));
  }
  return measurements;
}

volatile std::sig_atomic_t interrupted = 0;

// Removes the directory when the process that made it ends; not when a child of it does.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent) : path_(parent + "/varve_bench_XXXXXX"), owner_(getpid()) {
    if (mkdtemp(path_.data()) == nullptr) Fatal("cannot create " + path_);
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const pid_t owner_;
};

void InterruptWith(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;  // no SA_RESTART: read() in RunInChild must notice
  for (int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

// In the child: runs `work` and sends what it measured.
[[noreturn]] void RunAndSend(const std::function<void(Sink&)>& work, int fd) {
  constexpr unsigned kSecondsMax = 2 * 3600;
  InterruptWith(SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(kSecondsMax);
  Sink sink;
  work(sink);
  std::string text = Encode(sink.measurements());
  for (size_t at = 0; at < text.size();) {
    ssize_t n = write(fd, text.data() + at, text.size() - at);
    if (n <= 0) _exit(1);
    at += static_cast<size_t>(n);
  }
  std::fflush(nullptr);
  _exit(0);
}

}  // namespace

std::string MakeScratchDirectory(const std::string& parent) {
  static const ScratchDirectory scratch(parent);
  InterruptWith([](int) { interrupted = 1; });
  return scratch.path();
}

std::vector<Measurement> RunInChild(const std::function<void(Sink&)>& work) {
  int ends[2];
  if (pipe(ends) != 0) Fatal("pipe: " + std::string(std::strerror(errno)));
  std::fflush(nullptr);
  pid_t child = fork();
  if (child < 0) Fatal("fork: " + std::string(std::strerror(errno)));
  if (child == 0) {
    close(ends[0]);
    RunAndSend(work, ends[1]);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  if (interrupted != 0) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (interrupted != 0) Fatal("interrupted");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) Fatal("a child failed with status " + std::to_string(status));
  return Decode(text);
}

void Report::Add(const std::string& contender, const std::vector<Measurement>& measurements) {
  for (const Measurement& m : measurements) {
    auto row = std::find_if(rows_.begin(), rows_.end(),
                            [&](const Row& r) { return r.workload == m.workload && r.metric == m.metric; });
    if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{m.workload, m.metric, m.better, {}});
    row->values[contender].push_back(m.value);
  }
}

namespace {

double MedianOf(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// "1.234 M ±3 %": the median and half the way from the least to the greatest.
std::string WithSpread(const std::vector<double>& values) {
  if (values.empty()) return "-";
  double median = MedianOf(values);
  std::string text = Short(median);
  if (values.size() > 1 && median != 0) {
    auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    text += " ±" + std::to_string(std::lround((*greatest - *least) / 2 / median * 100)) + " %";
  }
  return text;
}

std::string JsonString(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string JsonNumber(double value) {
  if (!std::isfinite(value)) return "null";
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

double Report::Median(const std::string& contender, const std::string& workload, const std::string& metric) const {
  for (const Row& row : rows_) {
    if (row.workload != workload || row.metric != metric) continue;
    auto values = row.values.find(contender);
    if (values != row.values.end()) return MedianOf(values->second);
  }
  return std::nan("");
}

double Report::PeerRatio(const std::string& peer, const std::string& workload, const std::string& metric) const {
  for (const Row& row : rows_) {
    if (row.workload != workload || row.metric != metric) continue;
    return Ratio(row.better, Median(contenders_[0], workload, metric), Median(peer, workload, metric));
  }
  return std::nan("");
}

std::vector<std::string> Report::Workloads(const std::string& metric) const {
  std::vector<std::string> names;
  for (const Row& row : rows_) {
    if (!metric.empty() && row.metric != metric) continue;
    if (std::find(names.begin(), names.end(), row.workload) == names.end()) names.push_back(row.workload);
  }
  return names;
}

void Report::PrintMarkdown(FILE* out) const {
  std::fprintf(out, "| workload | metric | %s |", contenders_[0].c_str());
  for (size_t i = 1; i < contenders_.size(); ++i) std::fprintf(out, " %s | ratio |", contenders_[i].c_str());
  std::fprintf(out, "\n|---|---|--:|");
  for (size_t i = 1; i < contenders_.size(); ++i) std::fprintf(out, "--:|--:|");
  std::fprintf(out, "\n");
  for (const Row& row : rows_) {
    auto of = [&](const std::string& contender) {
      auto values = row.values.find(contender);
      return values == row.values.end() ? std::vector<double>() : values->second;
    };
    std::vector<double> ours = of(contenders_[0]);
    std::fprintf(out, "| %s | %s | %s |", row.workload.c_str(), row.metric.c_str(), WithSpread(ours).c_str());
    for (size_t i = 1; i < contenders_.size(); ++i) {
      std::vector<double> theirs = of(contenders_[i]);
      double ratio = Ratio(row.better, MedianOf(ours), MedianOf(theirs));
      std::fprintf(out, " %s | %s |", WithSpread(theirs).c_str(), std::isfinite(ratio) ? Short(ratio).c_str() : "-");
    }
    std::fprintf(out, "\n");
  }
}

void Report::WriteJson(const std::string& path) const {
  std::ofstream file(path);
  const char* separator = "[\n";
  for (const Row& row : rows_) {
    for (size_t i = 1; i < contenders_.size(); ++i) {
      double ours = Median(contenders_[0], row.workload, row.metric);
      double theirs = Median(contenders_[i], row.workload, row.metric);
      file << separator << "  {\"workload\": " << JsonString(row.workload)
           << ", \"peer\": " << JsonString(contenders_[i]) << ", \"metric\": " << JsonString(row.metric)
           << ", \"ours\": " << JsonNumber(ours) << ", \"theirs\": " << JsonNumber(theirs)
           << ", \"ratio\": " << JsonNumber(Ratio(row.better, ours, theirs)) << "}";
      separator = ",\n";
    }
  }
  file << (*separator == '[' ? "[]\n" : "\n]\n");
  if (!file.flush()) Fatal("cannot write " + path);
}

double Ratio(Better better, double ours, double theirs) {
  if (ours == 0 && theirs == 0) return 1;
  return better == Better::kHigher ? ours / theirs : theirs / ours;
}

std::string Short(double value) {
  const char* unit = "";
  if (std::fabs(value) >= 1e6) {
    value /= 1e6;
    unit = " M";
  } else if (std::fabs(value) >= 1e4) {
    value /= 1e3;
    unit = " k";
  }
  int decimals = std::fabs(value) >= 1000 ? 0 : std::fabs(value) >= 100 ? 1 : std::fabs(value) >= 10 ? 2 : 3;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s", decimals, value, unit);
  return text;
}

// ---- the hardware's floors
// -------------------------------------------------------------------------------------------

namespace {

constexpr size_t kPage = 4096;

double MemcpyGbPerSecond() {
  std::string from(size_t{64} << 20, 'a'), to(from.size(), 'b');
  uint64_t best = UINT64_MAX;
  for (int round = 0; round < 8; ++round) {
    from[static_cast<size_t>(round)] = 'c';
    uint64_t start = NowNanos();
    std::memcpy(to.data(), from.data(), from.size());
    best = std::min(best, NowNanos() - start);
    if (to[static_cast<size_t>(round)] != 'c') Fatal("memcpy");
  }
  return static_cast<double>(from.size()) / static_cast<double>(best);
}

// One word in each line of 256 MiB, linked in a cycle by a generator of full period, which no prefetcher follows.
double MemoryAccessNanos() {
  constexpr size_t kLines = size_t{1} << 22;
  constexpr size_t kLineWords = 8;
  constexpr size_t kSteps = 2'000'000;
  std::vector<uint64_t> words(kLines * kLineWords);
  for (uint64_t i = 0; i < kLines; ++i) words[i * kLineWords] = (i * 1664525 + 1013904223) % kLines * kLineWords;
  uint64_t at = 0;
  const uint64_t start = NowNanos();
  for (size_t i = 0; i < kSteps; ++i) at = words[at];
  const double nanos = static_cast<double>(NowNanos() - start) / kSteps;
  if (at % kLineWords != 0) Fatal("memory");
  return nanos;
}

double Crc32cGbPerSecond() {
  std::string block(8192, 'a');
  constexpr int kRepeats = 20000;
  uint32_t sum = 0;
  uint64_t start = NowNanos();
  for (int i = 0; i < kRepeats; ++i) {
    block[0] = static_cast<char>(sum);
    sum = lsm::Crc32c(sum, block);
  }
  return static_cast<double>(block.size()) * kRepeats / static_cast<double>(NowNanos() - start);
}

}  // namespace

Floors MeasureFloors(const std::string& dir) {
  Floors floors;
  floors.memcpy_gb_s = MemcpyGbPerSecond();
  floors.memory_access_ns = MemoryAccessNanos();
  floors.crc32c_gb_s = Crc32cGbPerSecond();

  constexpr size_t kFilePages = 4096;
  std::string path = dir + "/floor";
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) Fatal("cannot create " + path);
  std::string page(kPage, 'f');
  auto at = [](size_t number) { return static_cast<off_t>(number * kPage); };
  for (size_t i = 0; i < kFilePages; ++i) {
    if (pwrite(fd, page.data(), kPage, at(i)) != static_cast<ssize_t>(kPage)) Fatal("cannot write " + path);
  }
  if (fsync(fd) != 0) Fatal("cannot sync " + path);

  Histogram syncs;
  for (size_t i = 0; i < 200; ++i) {
    if (pwrite(fd, page.data(), kPage, at(i)) != static_cast<ssize_t>(kPage)) Fatal("cannot write " + path);
    uint64_t start = NowNanos();
    if (fdatasync(fd) != 0) Fatal("cannot sync " + path);
    syncs.Add(NowNanos() - start);
  }
  floors.fdatasync_us = syncs.PercentileMicros(50);

  constexpr size_t kReads = 100000;
  Random random(1);
  uint64_t start = NowNanos();
  for (size_t i = 0; i < kReads; ++i) {
    if (pread(fd, page.data(), kPage, at(random.Below(kFilePages))) != static_cast<ssize_t>(kPage)) Fatal("pread");
  }
  floors.cached_pread_us = static_cast<double>(NowNanos() - start) / 1000 / kReads;
  close(fd);
  unlink(path.c_str());
  return floors;
}

void PrintFloors(FILE* out, const Floors& floors) {
  std::fprintf(
      out,
      "Floors of this machine, same run: memcpy %.1f GB/s, a random access to memory %.0f ns, crc32c %.1f GB/s, "
      "fdatasync of 4 KiB %.0f us, 4 KiB pread from the page cache %.2f us.\n",
      floors.memcpy_gb_s, floors.memory_access_ns, floors.crc32c_gb_s, floors.fdatasync_us, floors.cached_pread_us);
}

}  // namespace varve::bench
