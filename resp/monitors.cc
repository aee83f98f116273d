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

// How many arguments from `first` on are secret.
size_t SecretArguments(Args args, size_t* first) {
  if (EqualsIgnoreCase(args[0], "auth")) {
    *first = 1;
    return args.size() - 1;
  }
  if (!EqualsIgnoreCase(args[0], "hello")) return 0;
  for (size_t i = 2; i + 2 < args.size(); i++) {
    if (!EqualsIgnoreCase(args[i], "auth")) continue;
    *first = i + 1;
    return 2;
  }
  return 0;
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
  size_t first_secret = 0;
  const size_t secrets = SecretArguments(args, &first_secret);
  for (size_t i = 0; i < args.size(); i++) {
    text_.push_back(' ');
    if (i >= first_secret && i - first_secret < secrets) {
      text_.append(kRedacted);
    } else {
      AppendQuoted(args[i], &text_);
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
