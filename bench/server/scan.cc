#include "bench/server/scan.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "bench/harness.h"
#include "bench/server/connection.h"
#include "bench/server/data.h"

namespace varve::bench {

namespace {

constexpr std::string_view kElementHead = "$16\r\nkey:";
constexpr size_t kElementSize = std::string_view("$16\r\n").size() + kServerKeySize + std::string_view("\r\n").size();

// Takes "<prefix><number>\r\n" off the front of `text`; nothing when it is not all there.
std::optional<uint64_t> TakeLine(std::string_view prefix, std::string_view* text) {
  const size_t end = text->find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text->substr(0, end);
  uint64_t number = 0;
  const char* const from = line.data() + prefix.size();
  const char* const to = line.data() + line.size();
  if (line.size() <= prefix.size() || line.substr(0, prefix.size()) != prefix ||
      std::from_chars(from, to, number).ptr != to) {
    Fatal("server client: SCAN replied '" + std::string(line.substr(0, 200)) + "', want " + std::string(prefix) +
          "number");
  }
  text->remove_prefix(end + 2);
  return number;
}

struct Reply {
  uint64_t cursor = 0;
  uint64_t keys = 0;
};

// Nothing when it is not all there yet.
std::optional<Reply> Parse(std::string_view text) {
  if (!TakeLine("*", &text) || !TakeLine("$", &text)) return std::nullopt;
  const std::optional<uint64_t> cursor = TakeLine("", &text);
  if (!cursor) return std::nullopt;
  const std::optional<uint64_t> keys = TakeLine("*", &text);
  if (!keys) return std::nullopt;
  const size_t arrived = text.size() / kElementSize;
  bool all_known = arrived < *keys || text.size() == *keys * kElementSize;
  for (size_t i = 0; i < arrived && all_known; ++i) {
    all_known = text.substr(i * kElementSize, kElementHead.size()) == kElementHead;
  }
  if (!all_known) Fatal("server client: SCAN returned other keys than the benchmark's");
  if (arrived < *keys) return std::nullopt;
  return Reply{*cursor, *keys};
}

Reply ReceiveReply(Connection* connection, std::string* buffer) {
  for (size_t size = 0;;) {
    if (size == buffer->size()) buffer->resize(2 * size);
    size += connection->Receive(buffer->data() + size, buffer->size() - size);
    if (const std::optional<Reply> reply = Parse({buffer->data(), size})) return *reply;
  }
}

}  // namespace

ScanResult Scan(uint16_t port, uint64_t count) {
  Connection connection(port);
  ScanResult result;
  std::string buffer(size_t{1} << 20, '\0');
  const std::string tail = [&] {
    std::string bulks;
    AppendBulk("COUNT", &bulks);
    AppendBulk(std::to_string(count), &bulks);
    return bulks;
  }();
  const double cpu_s = ReadUsage().cpu_s;
  const uint64_t start = NowNanos();
  uint64_t cursor = 0;
  do {
    std::string request = "*4\r\n$4\r\nSCAN\r\n";
    AppendBulk(std::to_string(cursor), &request);
    connection.Send(request + tail);
    const Reply reply = ReceiveReply(&connection, &buffer);
    cursor = reply.cursor;
    result.keys += reply.keys;
    ++result.calls;
  } while (cursor != 0);
  result.seconds = static_cast<double>(NowNanos() - start) / 1e9;
  result.client_cpu_s = ReadUsage().cpu_s - cpu_s;
  return result;
}

}  // namespace varve::bench
