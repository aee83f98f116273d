#include "resp/monitors.h"

#include <algorithm>
#include <cstdio>

#include "resp/message_sink.h"
#include "resp/numbers.h"

namespace varve::resp {
namespace {

constexpr std::string_view kRedacted = "\"(redacted)\"";

// As Redis shows arguments: printable bytes as they are, the others escaped.
void AppendQuoted(std::string_view bytes, std::string* out) {
  out->push_back('"');
  for (char c : bytes) {
    switch (c) {
      case '\\': out->append("\\\\"); break;
      case '"': out->append("\\\""); break;
      case '\n': out->append("\\n"); break;
      case '\r': out->append("\\r"); break;
      case '\t': out->append("\\t"); break;
      case '\a': out->append("\\a"); break;
      case '\b': out->append("\\b"); break;
      default:
        if (c >= ' ' && c <= '~') {
          out->push_back(c);
        } else {
          char hex[8];
          snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
          out->append(hex);
        }
    }
  }
  out->push_back('"');
}

// Whether args[i] is a password, or the name it belongs to. `after_auth`: of HELLO, how many of those follow yet.
bool IsSecret(Args args, size_t i, size_t* after_auth) {
  if (i == 0) return false;
  if (EqualsIgnoreCase(args[0], "auth")) return true;
  if (i < 2 || !EqualsIgnoreCase(args[0], "hello")) return false;
  if (*after_auth > 0) {
    --*after_auth;
    return true;
  }
  if (EqualsIgnoreCase(args[i], "auth") && !EqualsIgnoreCase(args[i - 1], "setname")) *after_auth = 2;
  return false;
}

}  // namespace

void Monitors::Add(Session& session) {
  if (session.monitor) return;
  sessions_.push_back(&session);
  session.monitor = true;
}

void Monitors::Remove(Session& session) {
  if (!session.monitor) return;
  session.monitor = false;
  sessions_.erase(std::find(sessions_.begin(), sessions_.end(), &session));
}

void Monitors::Feed(Session& session, Args args, int64_t wall_ms) {
  char head[64];
  snprintf(head, sizeof(head), "+%lld.%06lld [%d ", static_cast<long long>(wall_ms / 1000),
           static_cast<long long>(wall_ms % 1000 * 1000), session.db);
  text_.append(head).append(session.address).append("]");
  size_t after_auth = 0;
  const size_t end = text_.size() + kLineMax;
  for (size_t i = 0; i < args.size(); i++) {
    text_.push_back(' ');
    if (IsSecret(args, i, &after_auth)) {
      text_.append(kRedacted);
    } else if (args[i].size() <= (end - std::min(end, text_.size())) / 4) {  // a byte is shown by four at the most
      AppendQuoted(args[i], &text_);
    } else {
      text_.append("\"(").append(std::to_string(args[i].size())).append(" bytes)\"");
    }
  }
  text_.append("\r\n");
  if (text_.size() <= kTextMax) return;
  if (session.monitor) session.close_after_reply = true;
  DeliverBut(&session);
}

void Monitors::Deliver() noexcept {
  if (!text_.empty()) DeliverBut(nullptr);
}

void Monitors::DeliverBut(Session* session) noexcept {
  const std::string_view piece = text_;
  for (Session* monitor : sessions_) {
    if (monitor != session) monitor->sink->Push({&piece, 1}, false);
  }
  Drop();
}

void Monitors::Drop() noexcept {
  text_.clear();
  if (text_.capacity() > kTextKept) std::string().swap(text_);
}

}  // namespace varve::resp
