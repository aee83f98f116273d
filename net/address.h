// net/address.h - where the server listens and who is calling.
//
// One entry of `bind`: an address of IPv4 or IPv6 in digits, or * (every IPv4 address), or ::* (every IPv6 address). A
// leading '-' says that an address which is not there is no error, as in the default "127.0.0.1 -::1".
// Names are not resolved: where a server listens must not depend on a name service.
// Threads: values.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"

namespace varve::net {

struct BindAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool optional = false;
};

// `list` is separated by blanks; empty means every address, as in Redis.
lsm::Result<std::vector<BindAddress>> ParseBindList(std::string_view list, int port);

// 127.0.0.0/8, ::1, IPv4 loopback mapped into IPv6, and Unix sockets.
bool IsLoopback(const sockaddr_storage& address);
// "127.0.0.1:6379", "[::1]:6379".
std::string ToString(const sockaddr_storage& address);

}  // namespace varve::net
