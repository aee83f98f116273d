#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace varve::net {
namespace {

bool FillIpv4(const std::string& digits, int port, BindAddress* address) {
  auto* in = reinterpret_cast<sockaddr_in*>(&address->storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(static_cast<uint16_t>(port));
  address->size = sizeof(sockaddr_in);
  return inet_pton(AF_INET, digits.c_str(), &in->sin_addr) == 1;
}

bool FillIpv6(const std::string& digits, int port, BindAddress* address) {
  auto* in = reinterpret_cast<sockaddr_in6*>(&address->storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(static_cast<uint16_t>(port));
  address->size = sizeof(sockaddr_in6);
  return inet_pton(AF_INET6, digits.c_str(), &in->sin6_addr) == 1;
}

lsm::Result<BindAddress> ParseBindAddress(std::string_view word, int port) {
  BindAddress address;
  address.optional = word.starts_with('-');
  if (address.optional) word.remove_prefix(1);
  std::string digits(word);
  if (digits == "*") digits = "0.0.0.0";
  if (digits == "::*") digits = "::";
  if (FillIpv4(digits, port, &address)) return address;
  address.storage = {};
  if (FillIpv6(digits, port, &address)) return address;
  return lsm::Status::InvalidArgument("bind: '" + std::string(word) + "' is no IP address in digits");
}

}  // namespace

lsm::Result<std::vector<BindAddress>> ParseBindList(std::string_view list, int port) {
  std::vector<BindAddress> addresses;
  size_t at = 0;
  while ((at = list.find_first_not_of(" \t", at)) != std::string_view::npos) {
    size_t end = std::min(list.find_first_of(" \t", at), list.size());
    auto address = ParseBindAddress(list.substr(at, end - at), port);
    if (!address.ok()) return address.status();
    addresses.push_back(*address);
    at = end;
  }
  if (addresses.empty()) return ParseBindList("* -::*", port);
  return addresses;
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return true;
  if (address.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address);
    return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ip)) return ip.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&ip);
}

std::string ToString(const sockaddr_storage& address) {
  char digits[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &in->sin_addr, digits, sizeof(digits));
    return std::string(digits) + ":" + std::to_string(ntohs(in->sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &in->sin6_addr, digits, sizeof(digits));
    return "[" + std::string(digits) + "]:" + std::to_string(ntohs(in->sin6_port));
  }
  return digits;
}

}  // namespace varve::net
