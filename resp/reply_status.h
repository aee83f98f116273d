// resp/reply_status.h - an engine Status as the error reply a Redis client understands.
#pragma once

#include <new>
#include <string>

#include "lsm/status.h"
#include "resp/reply.h"

namespace varve::resp {

// With its code in front: "MISCONF ...". `status` is not OK.
std::string ErrorText(const lsm::Status& status);
// kOutOfMemory is thrown on as std::bad_alloc: the whole request is undone, an EXEC's too, and answered once.
inline void ReplyStatus(Reply& reply, const lsm::Status& status) {
  if (status.Is(lsm::StatusCode::kOutOfMemory)) throw std::bad_alloc();
  reply.Error(ErrorText(status));
}

}  // namespace varve::resp
