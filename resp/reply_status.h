// resp/reply_status.h - an engine Status as the error reply a Redis client understands.
#pragma once

#include <string>

#include "lsm/status.h"
#include "resp/reply.h"

namespace varve::resp {

// With its code in front: "MISCONF ...". `status` is not OK.
std::string ErrorText(const lsm::Status& status);
inline void ReplyStatus(Reply& reply, const lsm::Status& status) {
  reply.Error(ErrorText(status));
}

}  // namespace varve::resp
