#include "cli/progress.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

namespace varve::cli {

namespace {

constexpr auto kPeriod = std::chrono::milliseconds(100);
constexpr size_t kBarWidth = 24;

}  // namespace

std::ostream* TerminalOrNull() {
  return isatty(STDERR_FILENO) == 1 ? &std::cerr : nullptr;
}

std::string HumanBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

void Progress::Update(uint64_t done, uint64_t total) {
  if (terminal_ == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kPeriod) return;
  last_ = now;
  std::string line = label_ + "  ";
  if (total != 0) {
    const double share = static_cast<double>(done < total ? done : total) / static_cast<double>(total);
    const auto filled = static_cast<size_t>(share * kBarWidth);
    line += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, ' ') + "]  ";
    line += std::to_string(static_cast<int>(share * 100)) + " %  " + HumanBytes(done) + " of " + HumanBytes(total);
  } else {
    line += HumanBytes(done);
  }
  const size_t shown = line.size();
  if (shown < width_) line.append(width_ - shown, ' ');
  width_ = shown;
  *terminal_ << '\r' << line << std::flush;
}

void Progress::Clear() {
  if (terminal_ == nullptr || width_ == 0) return;
  *terminal_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

Watch::Watch(Progress* progress, std::function<void(Progress*)> poll) {
  if (!progress->shown()) return;
  thread_ = std::thread([this, progress, poll = std::move(poll)] {
    std::unique_lock lock(mu_);
    while (!wake_.wait_for(lock, kPeriod, [this] { return done_; })) poll(progress);
  });
}

Watch::~Watch() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mu_);
    done_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

}  // namespace varve::cli
