// Transport: how a front that speaks some protocol brings WebSockets and long bodies to objects. The HTTP front is one;
// a host with a protocol of its own may be another.
#pragma once

#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/object.hpp>
#include <memory>
#include <optional>
#include <string>

namespace holdfast {

// The client's end of a WebSocket. Called in order, from any thread, one call at a time; must not block. What comes
// before the handshake is done waits for it; what comes after the connection ended is dropped.
class HOLDFAST_API SocketPeer {
 public:
  virtual ~SocketPeer() = default;
  virtual void send(SocketMessage message) = 0;
  virtual void close(SocketClose close) = 0;
};

// The object's end of a WebSocket, once it took it. Thread-safety: any thread, one call at a time.
class HOLDFAST_API SocketLink {
 public:
  virtual ~SocketLink() = default;  // closed(), with 1006, if it was not
  // What the client said. The next one may follow when `done` was called; after an error the connection must be closed:
  // what was said is not taken. Errors: overloaded, shutting_down, what the handler threw.
  virtual void received(SocketMessage message, Done<Nothing> done) = 0;
  // The connection ended. The last call.
  virtual void closed(SocketClose close) = 0;
};

// The bodies of one request and its reply in parts. Called from any thread, one call at a time; must not block.
class HOLDFAST_API BodyTransfer {
 public:
  virtual ~BodyTransfer() = default;
  // The next part of the request's body; nothing at its end.
  virtual void read(Done<std::optional<std::string>> done) = 0;
  // Status, headers and the first part of the reply. At most once; the reply that the call is answered with then holds
  // the last part of the body and nothing else that counts.
  virtual void reply(Reply head, Done<Nothing> done) = 0;
  // `done` is called when there is room for more. Errors: gone (the client left).
  virtual void write(std::string part, Done<Nothing> done) = 0;
};

}  // namespace holdfast
