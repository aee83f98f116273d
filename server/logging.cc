#include "server/logging.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace varve::server {
namespace {

std::string_view LevelWord(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "debug";
    case spdlog::level::debug: return "verbose";
    case spdlog::level::info: return "notice";
    default: return "warning";
  }
}

void Append(spdlog::memory_buf_t& buffer, std::string_view text) {
  buffer.append(text.data(), text.data() + text.size());
}

// %* : the level in Redis' words.
class LevelFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& buffer) override {
    Append(buffer, LevelWord(message.level));
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelFlag>(); }
};

// %J : the message as the inside of a JSON string.
class JsonFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& buffer) override {
    Append(buffer, JsonEscape({message.payload.data(), message.payload.size()}));
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonFlag>(); }
};

}  // namespace

std::string JsonEscape(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if (byte < 0x20 || byte >= 0x7f) {  // what is no ASCII came from a client and may be no UTF-8
      char hex[8];
      snprintf(hex, sizeof(hex), "\\u%04x", static_cast<unsigned>(byte));
      escaped += hex;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

lsm::Status StartLogging(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // Looked at first, for spdlog would throw.
    std::FILE* probe = std::fopen(options.file.c_str(), "ae");
    if (probe == nullptr) return lsm::Status::IoError("logfile " + options.file + ": " + std::strerror(errno));
    std::fclose(probe);
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelFlag>('*').add_flag<JsonFlag>('J');
  formatter->set_pattern(options.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%*","pid":%P,"message":"%J"})"
                                      : "%Y-%m-%dT%H:%M:%S.%eZ %* %P %v");
  auto logger = std::make_shared<spdlog::logger>("varve", std::move(sink));
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  SetLogLevel(options.level);
  return lsm::Status::Ok();
}

void SetLogLevel(std::string_view level) {
  spdlog::set_level(level == "debug"     ? spdlog::level::trace
                    : level == "verbose" ? spdlog::level::debug
                    : level == "notice"  ? spdlog::level::info
                                         : spdlog::level::warn);
}

}  // namespace varve::server
