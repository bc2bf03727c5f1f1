// Sockets: the open WebSockets of all objects. They outlive the instances they belong to: what an object knows of a
// connection (its tags, its attachment, the automatic answer) is here, and a message wakes the object.
//
// Thread-safety: all members from any thread. `tags` and `attachment` of a Socket belong to the actor of its object.
#pragma once

#include <array>
#include <atomic>
#include <holdfast/transport.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/core/ids.hpp"

namespace holdfast::shell {

struct Socket {
  const std::uint64_t id;
  const ObjectId owner;
  const std::shared_ptr<SocketPeer> peer;
  std::vector<std::string> tags{};
  std::string attachment{};
};
using SocketPtr = std::shared_ptr<Socket>;

class Sockets {
 public:
  [[nodiscard]] SocketPtr make(ObjectId owner, std::shared_ptr<SocketPeer> peer);
  void add(const SocketPtr& socket);
  void remove(const Socket& socket);
  [[nodiscard]] std::vector<SocketPtr> of(const ObjectId& owner);
  void set_auto_response(const ObjectId& owner, std::string request, std::string response);
  // The automatic answer to this message; empty: there is none.
  [[nodiscard]] std::string auto_response(const ObjectId& owner, std::string_view message);
  // The instance left memory: without connections nothing is kept of it.
  void evicted(const ObjectId& owner);
  [[nodiscard]] std::uint64_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

 private:
  struct Room {
    std::vector<SocketPtr> sockets;
    std::string request;
    std::string response;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<ObjectId, Room> rooms;
  };
  Shard& shard_of(const ObjectId& owner) { return shards_[std::hash<ObjectId>{}(owner) % shards_.size()]; }

  std::array<Shard, 16> shards_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint64_t> open_{0};
};

}  // namespace holdfast::shell
