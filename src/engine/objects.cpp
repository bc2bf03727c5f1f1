// The engine's front door to objects: requests and WebSockets from outside, with permits and checked names.
#include <atomic>

#include "src/engine/impl.hpp"

namespace holdfast {
namespace {

// What a connection and its message cost, beside the bytes of the message.
constexpr std::uint64_t kEventBytes = 256;
constexpr std::string_view kObjectNameRule = "an object's name is [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}";

Done<Reply> without_reply(Done<Nothing> done) {
  return [done = std::move(done)](Result<Reply> reply) {
    if (reply) done(Nothing{});
    else done(tl::unexpected(std::move(reply.error())));
  };
}

class Link final : public SocketLink {
 public:
  Link(Engine::Impl& engine, shell::SocketPtr socket) : engine_(engine), socket_(std::move(socket)) {}
  ~Link() override {
    constexpr std::uint16_t kAbnormal = 1006;
    closed({kAbnormal, {}});
  }

  void received(SocketMessage message, Done<Nothing> done) override {
    if (!message.binary) {
      if (auto response = engine_.sockets().auto_response(socket_->owner, message.data); !response.empty()) {
        socket_->peer->send({std::move(response), false});
        return done(Nothing{});
      }
    }
    const auto bytes = message.data.size();
    engine_.happen(socket_->owner, shell::OnSocketMessage{socket_, std::move(message)}, bytes,
                   without_reply(std::move(done)));
  }

  void closed(SocketClose close) override {
    if (closed_.exchange(true)) return;
    engine_.sockets().remove(*socket_);
    engine_.happen(socket_->owner, shell::OnSocketClose{socket_, std::move(close)}, 0, [](const Result<Reply>&) {});
  }

 private:
  Engine::Impl& engine_;
  const shell::SocketPtr socket_;
  std::atomic<bool> closed_{false};
};

}  // namespace

const ObjectClass* Engine::Impl::class_of(std::string_view name) const noexcept {
  const auto found = parts_.options.classes.find(name);
  return found == parts_.options.classes.end() ? nullptr : &found->second;
}

void Engine::Impl::happen(ObjectId id, shell::Happening what, std::uint64_t bytes, Done<Reply> done) {
  auto permit = permits_.take(bytes + kEventBytes);
  if (auto closed = closed_door()) return done(tl::unexpected(std::move(*closed)));
  if (class_of(id.object_class) == nullptr)
    return done(holdfast::fail(ErrorCode::not_found, "this engine has no class " + id.object_class));
  if (!valid_name(id.name)) return done(holdfast::fail(ErrorCode::invalid_name, std::string(kObjectNameRule)));
  // A close is not turned away: there are no more of them than there are connections, and none comes twice.
  if (!permit && !std::holds_alternative<shell::OnSocketClose>(what))
    return done(holdfast::fail(ErrorCode::overloaded, "too much is in flight; nothing was written, retry in a moment"));
  auto envelope = std::make_shared<shell::ObjectEvent>(std::move(id), std::move(what), std::move(done));
  envelope->permit = std::move(permit);
  router_->send(std::move(envelope));
}

void Engine::Impl::call(std::string object_class, std::string name, Request request,
                        std::shared_ptr<BodyTransfer> bodies, Done<Reply> done) {
  const auto bytes = request.body.size();
  happen({std::string(kDefaultProject), std::move(name), std::move(object_class)},
         shell::OnRequest{std::move(request), std::move(bodies)}, bytes, std::move(done));
}

void Engine::Impl::open_websocket(std::string object_class, std::string name, Request request,
                                  std::shared_ptr<SocketPeer> peer, Done<std::shared_ptr<SocketLink>> done) {
  ObjectId id{std::string(kDefaultProject), std::move(name), std::move(object_class)};
  auto socket = sockets_.make(id, std::move(peer));
  happen(std::move(id), shell::OnSocketOpen{socket, std::move(request)}, 0,
         [this, socket, done = std::move(done)](Result<Reply> opened) {
           if (opened) done(std::make_shared<Link>(*this, socket));
           else done(tl::unexpected(std::move(opened.error())));
         });
}

Result<EventPage> Engine::Impl::object_events(const ObjectId& id, const EventQuery& query) {
  if (class_of(id.object_class) == nullptr)
    return holdfast::fail(ErrorCode::not_found, "this engine has no class " + id.object_class);
  if (!valid_name(id.name)) return holdfast::fail(ErrorCode::invalid_name, std::string(kObjectNameRule));
  return object::read_events(*parts_.store->snapshot(), id, query);
}

}  // namespace holdfast
