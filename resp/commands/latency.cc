// resp/commands/latency.cc - LATENCY: when something took longer than latency-monitor-threshold, and how long each
// command takes.
#include <algorithm>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

constexpr size_t kGraphColumns = 80;
constexpr size_t kGraphRows = 4;

void ReplyHistogram(const LatencyHistogram& histogram, Reply& reply) {
  reply.Map(2);
  reply.Bulk("calls");
  reply.Integer(static_cast<int64_t>(histogram.total()));
  reply.Bulk("histogram_usec");
  const size_t mark = reply.out().size();
  size_t bounds = 0;
  histogram.ForEachBound([&](uint64_t micros, uint64_t calls) {
    reply.Integer(static_cast<int64_t>(micros));
    reply.Integer(static_cast<int64_t>(calls));
    bounds++;
  });
  reply.MapAt(mark, bounds);
}

// The histograms of a command and of its subcommands that were called; returns how many.
size_t ReplyHistograms(const Command& command, CommandContext& c) {
  size_t count = 0;
  const LatencyHistogram& histogram = c.dispatcher.stats_of(command).latency;
  if (histogram.total() > 0) {
    c.reply.Bulk(command.full_name);
    ReplyHistogram(histogram, c.reply);
    count++;
  }
  for (const Command& child : command.subcommands) count += ReplyHistograms(child, c);
  return count;
}

// "42s", "3m", "5h", "2d".
std::string Ago(int64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

// The last samples as columns, higher for longer; below each, downwards, how long ago it was.
std::string Graph(std::string_view event, const LatencyMonitor::Series& series, int64_t now_seconds) {
  std::vector<LatencyMonitor::Sample> samples = series.InOrder();
  if (samples.size() > kGraphColumns) samples.erase(samples.begin(), samples.end() - kGraphColumns);
  const auto [low, high] = std::minmax_element(
      samples.begin(), samples.end(), [](const auto& a, const auto& b) { return a.latency_ms < b.latency_ms; });
  const uint64_t low_ms = low->latency_ms;
  const uint64_t high_ms = high->latency_ms;
  std::string text(event);
  text += " - high " + std::to_string(high_ms) + " ms, low " + std::to_string(low_ms) + " ms (all time high " +
          std::to_string(series.highest_ms) + " ms)\n" + std::string(kGraphColumns, '-') + "\n";
  for (size_t row = kGraphRows; row > 0; row--) {
    for (const auto& sample : samples) {
      const uint64_t range = std::max<uint64_t>(high_ms - low_ms, 1);
      const size_t height = 1 + static_cast<size_t>((sample.latency_ms - low_ms) * (kGraphRows - 1) / range);
      text += height > row ? '|' : height == row ? '#' : ' ';
    }
    text += '\n';
  }
  std::vector<std::string> labels;
  size_t longest = 0;
  for (const auto& sample : samples) {
    labels.push_back(Ago(std::max<int64_t>(now_seconds - sample.unix_seconds, 0)));
    longest = std::max(longest, labels.back().size());
  }
  text += '\n';
  for (size_t row = 0; row < longest; row++) {
    for (const std::string& label : labels) text += row < label.size() ? label[row] : ' ';
    text += '\n';
  }
  return text;
}

struct Figures {
  uint64_t average_ms = 0;
  uint64_t deviation_ms = 0;  // mean, absolute
  int64_t period_seconds = 1;
};

Figures Analyse(const std::vector<LatencyMonitor::Sample>& samples, int64_t now_seconds) {
  Figures figures;
  for (const auto& sample : samples) figures.average_ms += sample.latency_ms;
  figures.average_ms /= samples.size();
  for (const auto& sample : samples) {
    figures.deviation_ms +=
        std::max(sample.latency_ms, figures.average_ms) - std::min(sample.latency_ms, figures.average_ms);
  }
  figures.deviation_ms /= samples.size();
  figures.period_seconds = std::max<int64_t>(now_seconds - samples.front().unix_seconds, 1);
  return figures;
}

std::string_view AdviceFor(std::string_view event) {
  if (event == "command")
    return "Some command is slow: SLOWLOG GET names it, if slowlog-log-slower-than is low enough.";
  if (event == "fast-command") {
    return "Commands that should be quick were not: the machine is busy, or a value had to come from a slow disk.";
  }
  if (event == "expire-cycle") return "Many keys expire in the same second: spread their times, if you can.";
  return "The log is written slowly: look at the disk, and at what else writes to it.";
}

std::string Report(CommandContext& c) {
  const auto& all = c.dispatcher.latency().series();
  if (all.empty()) {
    if (c.config.latency_monitor_threshold_ms == 0) {
      return "Latency is not watched. CONFIG SET latency-monitor-threshold <milliseconds> switches that on.\n";
    }
    return "Nothing took longer than latency-monitor-threshold so far.\n";
  }
  const int64_t now = c.keys.NowMs() / 1000;
  std::string text = "Events slower than latency-monitor-threshold:\n\n";
  for (const auto& [event, series] : all) {
    const auto samples = series.InOrder();
    const Figures figures = Analyse(samples, now);
    text += event + ": " + std::to_string(samples.size()) + " in " + Ago(figures.period_seconds) + ", " +
            std::to_string(figures.average_ms) + " ms on average (mean deviation " +
            std::to_string(figures.deviation_ms) + " ms), the worst ever " + std::to_string(series.highest_ms) +
            " ms. ";
    text.append(AdviceFor(event)).append("\n");
  }
  return text;
}

}  // namespace

void LatencyDoctor(Args /*args*/, CommandContext& c) {
  c.reply.Verbatim("txt", Report(c));
}

void LatencyGraph(Args args, CommandContext& c) {
  const LatencyMonitor::Series* series = c.dispatcher.latency().Find(args[2]);
  if (series == nullptr) {
    return c.reply.Error("ERR No samples available for event '" + std::string(args[2].substr(0, args[2].find('\0'))) +
                         "'");
  }
  c.reply.Verbatim("txt", Graph(args[2], *series, c.keys.NowMs() / 1000));
}

void LatencyHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c,
            {"DOCTOR", "    Return a human readable latency analysis report.", "GRAPH <event>",
             "    Return an ASCII latency graph for the <event> class.", "HISTORY <event>",
             "    Return time-latency samples for the <event> class.", "LATEST",
             "    Return the latest latency samples for all events.", "RESET [<event> ...]",
             "    Reset latency data of one or more <event> classes.",
             "    (default: reset all data for all event classes)", "HISTOGRAM [COMMAND ...]",
             "    Return a cumulative distribution of latencies in the format of a histogram for the specified command "
             "names.",
             "    If no commands are specified then all histograms are replied."});
}

void LatencyHistogramCommand(Args args, CommandContext& c) {
  const size_t mark = c.reply.out().size();
  size_t count = 0;
  if (args.size() == 2) {
    for (const Command& command : AllCommands()) count += ReplyHistograms(command, c);
  }
  for (std::string_view name : args.subspan(2)) {
    const Command* command = FindByFullName(name);
    if (command != nullptr) count += ReplyHistograms(*command, c);
  }
  c.reply.MapAt(mark, count);
}

void LatencyHistory(Args args, CommandContext& c) {
  const LatencyMonitor::Series* series = c.dispatcher.latency().Find(args[2]);
  if (series == nullptr) return c.reply.Array(0);
  const auto samples = series->InOrder();
  c.reply.Array(samples.size());
  for (const auto& sample : samples) {
    c.reply.Array(2);
    c.reply.Integer(sample.unix_seconds);
    c.reply.Integer(static_cast<int64_t>(sample.latency_ms));
  }
}

void LatencyLatest(Args /*args*/, CommandContext& c) {
  const auto& all = c.dispatcher.latency().series();
  c.reply.Array(all.size());
  for (const auto& [event, series] : all) {
    c.reply.Array(4);
    c.reply.Bulk(event);
    c.reply.Integer(series.latest().unix_seconds);
    c.reply.Integer(static_cast<int64_t>(series.latest().latency_ms));
    c.reply.Integer(static_cast<int64_t>(series.highest_ms));
  }
}

void LatencyReset(Args args, CommandContext& c) {
  size_t count = 0;
  if (args.size() == 2) count = c.dispatcher.latency().Reset({});
  for (std::string_view event : args.subspan(2)) {
    if (!event.empty()) count += c.dispatcher.latency().Reset(event);
  }
  c.reply.Integer(static_cast<int64_t>(count));
}

}  // namespace varve::resp
