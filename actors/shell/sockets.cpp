#include "actors/shell/sockets.hpp"

#include <algorithm>

namespace holdfast::shell {

SocketPtr Sockets::make(ObjectId owner, std::shared_ptr<SocketPeer> peer) {
  return std::make_shared<Socket>(Socket{++next_, std::move(owner), std::move(peer)});
}

void Sockets::add(const SocketPtr& socket) {
  auto& shard = shard_of(socket->owner);
  const std::lock_guard lock(shard.mutex);
  shard.rooms[socket->owner].sockets.push_back(socket);
  open_.fetch_add(1, std::memory_order_relaxed);
}

void Sockets::remove(const Socket& socket) {
  auto& shard = shard_of(socket.owner);
  const std::lock_guard lock(shard.mutex);
  const auto room = shard.rooms.find(socket.owner);
  if (room == shard.rooms.end()) return;
  auto& sockets = room->second.sockets;
  const auto gone = std::erase_if(sockets, [&](const auto& one) { return one.get() == &socket; });
  open_.fetch_sub(gone, std::memory_order_relaxed);
  if (sockets.empty() && room->second.request.empty()) shard.rooms.erase(room);
}

std::vector<SocketPtr> Sockets::of(const ObjectId& owner) {
  auto& shard = shard_of(owner);
  const std::lock_guard lock(shard.mutex);
  const auto room = shard.rooms.find(owner);
  return room == shard.rooms.end() ? std::vector<SocketPtr>() : room->second.sockets;
}

void Sockets::set_auto_response(const ObjectId& owner, std::string request, std::string response) {
  auto& shard = shard_of(owner);
  const std::lock_guard lock(shard.mutex);
  auto& room = shard.rooms[owner];
  room.request = std::move(request);
  room.response = std::move(response);
  if (room.request.empty() && room.sockets.empty()) shard.rooms.erase(owner);
}

std::string Sockets::auto_response(const ObjectId& owner, std::string_view message) {
  auto& shard = shard_of(owner);
  const std::lock_guard lock(shard.mutex);
  const auto room = shard.rooms.find(owner);
  if (room == shard.rooms.end() || message.empty() || room->second.request != message) return {};
  return room->second.response;
}

void Sockets::evicted(const ObjectId& owner) {
  auto& shard = shard_of(owner);
  const std::lock_guard lock(shard.mutex);
  const auto room = shard.rooms.find(owner);
  if (room != shard.rooms.end() && room->second.sockets.empty()) shard.rooms.erase(room);
}

}  // namespace holdfast::shell
