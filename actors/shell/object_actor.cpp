#include "actors/shell/object_actor.hpp"

#include <algorithm>

#include "actors/session/later.hpp"
#include "actors/shell/lane.hpp"
#include "actors/shell/router.hpp"
#include "actors/shell/whole_bodies.hpp"
#include "src/core/json.hpp"

namespace holdfast::shell {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

ObjectId id_of(const ObjectName& name, const ObjectId& near) { return {near.project, name.name, name.object_class}; }

const SocketClose kTryAgainLater{1013, "the disk is full"};

struct DiskFull {};  // for what the handler wrote

bool grows(const WriteSet& writes) {
  return std::any_of(writes.ops.begin(), writes.ops.end(),
                     [](const WriteOp& op) { return op.kind == WriteOp::Kind::put; });
}

// The store cannot be read or written now, and nothing has changed. Who asked is told; what nobody waits for comes
// again.
void put_off(Services& services, ObjectEvent& event, const Error& error) {
  constexpr Time kAgainMs = 1'000;
  const auto again = services.clock.now() + kAgainMs;
  if (const auto done = std::exchange(event.done, nullptr)) done(tl::unexpected(error));
  else if (std::holds_alternative<OnAlarm>(event.what)) services.on_alarm(event.to, again);
  else if (const auto* ended = std::get_if<MailEnded>(&event.what))
    services.timers.at(again, [&services, mail = ended->mail] { services.on_mail(mail); });
}

using Begin = std::function<void(std::function<void()> wake)>;

// Begins what a handler awaits. A Start of the host's that throws ends the handler, as if that had thrown itself.
void begin_wait(Services& services, const ObjectId& id, std::uint64_t waiter, const Begin& start) {
  const auto end = [&](Error error) {
    services.router->send(std::make_shared<ObjectEvent>(id, Resume{waiter, std::move(error)}));
  };
  const auto threw = [&](const std::string& what) {
    end({ErrorCode::internal,
         "object " + id.object_class + "/" + id.name + " could not begin what it awaits: " + what,
         {},
         0,
         {}});
  };
  try {
    start([alive = std::weak_ptr(services.alive), id, waiter] {
      if (const auto held = alive.lock()) (*held)->router->send(std::make_shared<ObjectEvent>(id, Resume{waiter}));
    });
  } catch (const ObjectError& error) {
    end(error.error());
  } catch (const std::exception& error) {
    threw(error.what());
  } catch (...) {
    threw("something that is no std::exception");
  }
}

// The answer of a call, or of the clock: whichever comes first.
class CallOnce {
 public:
  explicit CallOnce(Done<Reply> done) : done_(std::move(done)) {}
  void answer(Result<Reply> reply) {
    if (!answered_.exchange(true)) done_(std::move(reply));
  }

 private:
  Done<Reply> done_;
  std::atomic<bool> answered_{false};
};

Task<Reply> quietly(Task<> task) {
  co_await std::move(task);
  co_return Reply::empty();
}

Task<Reply> finished(Task<> task) {
  if (!task.done()) return quietly(std::move(task));
  task.take();
  return Reply::empty();
}

}  // namespace

// One event and its handler, which is the Context that it has.
class ObjectActor::Running final : public object::Step {
 public:
  Running(ObjectActor& actor, ObjectEventPtr of)
      : Step(actor.id_, actor.services_.limits, actor.ahead_.reader()), event(std::move(of)), actor_(actor) {}
  ~Running() = default;

  template <class What>
  [[nodiscard]] What* is() const noexcept {
    return std::get_if<What>(&event->what);
  }
  [[nodiscard]] const SocketPtr& opening() const noexcept {
    static const SocketPtr kNone;
    const auto* open = is<OnSocketOpen>();
    return open != nullptr ? open->socket : kNone;
  }
  using Step::block;

  const ObjectEventPtr event;
  std::uint64_t waiter = 0;  // the number of what it awaits
  Begin start;               // of what the handler awaits, until that stretch leaves

 private:
  [[nodiscard]] SocketPtr socket(std::uint64_t id) const {
    if (opening() && opening()->id == id) return opening();
    if (const auto* message = is<OnSocketMessage>(); message != nullptr && message->socket->id == id)
      return message->socket;
    if (const auto* close = is<OnSocketClose>(); close != nullptr && close->socket->id == id) return close->socket;
    for (auto& one : actor_.services_.sockets.of(actor_.id_))
      if (one->id == id) return std::move(one);
    return nullptr;
  }

  std::vector<std::string> tags(std::uint64_t id) const override {
    const auto one = socket(id);
    return one ? one->tags : std::vector<std::string>();
  }
  void add_tag(std::uint64_t id, std::string tag) override {
    if (const auto one = socket(id)) one->tags.push_back(std::move(tag));
  }
  std::string attachment(std::uint64_t id) const override {
    if (const auto changed = attachments().find(id); changed != attachments().end()) return changed->second;
    const auto one = socket(id);
    return one ? one->attachment : std::string();
  }
  std::vector<WebSocket> websockets(std::string_view tag) override {
    auto open = actor_.services_.sockets.of(actor_.id_);
    if (opening()) open.push_back(opening());
    std::vector<WebSocket> tagged;
    for (const auto& one : open)
      if (tag.empty() || std::find(one->tags.begin(), one->tags.end(), tag) != one->tags.end())
        tagged.emplace_back(*this, one->id);
    return tagged;
  }
  void set_auto_response(std::string request, std::string response) override {
    actor_.services_.sockets.set_auto_response(actor_.id_, std::move(request), std::move(response));
  }

  Start<Reply> calling(ObjectName to, Request request) override {
    auto& services = actor_.services_;
    if (!services.classes.contains(to.object_class) || !valid_name(to.name)) {
      return [to](const Done<Reply>& done) {
        done(fail(ErrorCode::not_found, "this engine has no object " + to.object_class + "/" + to.name));
      };
    }
    return [&services, to = id_of(to, actor_.id_), request = std::move(request)](Done<Reply> done) mutable {
      const auto once = std::make_shared<CallOnce>(std::move(done));
      const auto deadline = services.clock.now() + static_cast<Time>(services.limits.object_call_ms);
      const auto timer = services.timers.at(deadline, [once] {
        once->answer(fail(ErrorCode::timed_out, "the object that was called did not answer within object_call_ms"));
      });
      services.router->send(std::make_shared<ObjectEvent>(to, OnRequest{std::move(request)},
                                                          [&services, once, timer](Result<Reply> reply) {
                                                            services.timers.cancel(timer);
                                                            once->answer(std::move(reply));
                                                          }));
    };
  }
  Start<Nothing> sleeping(Time ms) override {
    return [&services = actor_.services_, ms](Done<Nothing> done) {
      services.timers.at(session::later(services.clock.now(), std::max<Time>(ms, 0)),
                         [done = std::move(done)] { done(Nothing{}); });
    };
  }
  std::function<void(std::function<void()>)> executor() override {
    return [&services = actor_.services_](std::function<void()> work) { services.offload.post(std::move(work)); };
  }
  std::shared_ptr<BodyTransfer> bodies() const {
    auto* request = is<OnRequest>();
    if (request == nullptr) throw ObjectError(ErrorCode::internal, "only a handler of a request has bodies");
    if (!request->bodies) {
      const auto whole = std::make_shared<WholeBodies>(request->request.body, std::move(event->done));
      request->bodies = whole;
      event->done = [whole](Result<Reply> reply) { whole->end(std::move(reply)); };
    }
    return request->bodies;
  }
  Start<std::optional<std::string>> reading() override {
    return [bodies = bodies()](Done<std::optional<std::string>> done) { bodies->read(std::move(done)); };
  }
  Start<Nothing> replying(Reply head) override {
    return [bodies = bodies(), head = std::move(head)](Done<Nothing> done) { bodies->reply(head, std::move(done)); };
  }
  Start<Nothing> writing(std::string part) override {
    return [bodies = bodies(), part = std::move(part)](Done<Nothing> done) { bodies->write(part, std::move(done)); };
  }
  void suspend(std::coroutine_handle<> handler, Begin begin, detail::Hold hold) override {
    if (start) throw ObjectError(ErrorCode::internal, "a handler awaits one thing at a time");
    waits = handler;
    start = std::move(begin);
    held = hold == detail::Hold::frame;
  }
  void block(int change) noexcept override {
    blocks_ += change;
    if (!ended_) actor_.waiting().blocks += change;
  }

  ObjectActor& actor_;
  int blocks_ = 0;
  bool ended_ = false;

 public:
  // The handler is over for everybody else, though its frame may have to stay.
  void end() noexcept {
    actor_.waiting().blocks -= blocks_;
    ended_ = true;
  }
  bool held = false;  // what it awaits uses its frame
  std::coroutine_handle<> waits;
  Task<Reply> task = Reply{};  // goes first: its end may use all of the above
};

ObjectActor::ObjectActor(caf::actor_config& config, Services& services, ObjectId id)
    : Resident(config, services, std::move(id)) {}

ObjectActor::~ObjectActor() {
  if (!waiting_) return;
  waiting_->handlers.clear();  // the end of a handler may unblock
  waiting_->ending.clear();
}

ObjectActor::Waiting& ObjectActor::waiting() {
  if (!waiting_) waiting_ = std::make_unique<Waiting>();
  return *waiting_;
}

bool ObjectActor::busy() const noexcept {
  return waiting_ && !(waiting_->handlers.empty() && waiting_->ending.empty() && waiting_->events.empty());
}

void ObjectActor::handle(const EnvelopePtr& envelope) {
  const auto event = std::static_pointer_cast<ObjectEvent>(envelope);  // the Router sends objects nothing else
  if (!meta_) {
    auto loaded = object::load(ahead_.reader(), id_);
    if (!loaded) return put_off(services_, *event, loaded.error());
    meta_ = *loaded;
    services_.counters.activations.fetch_add(1, std::memory_order_relaxed);
  }
  const auto& what = event->what;
  if (const auto* resumed = std::get_if<Resume>(&what)) go_on(*resumed);
  else if (const auto* mail = std::get_if<MailEnded>(&what)) settle_mail(event, *mail);
  else if (std::holds_alternative<Cancel>(what)) cancel_all({ErrorCode::shutting_down, "the engine closes", {}, 0, {}});
  else if (blocked()) waiting_->events.push_back(event);
  else begin(event);
  while (waiting_ && !blocked() && !waiting_->events.empty()) {
    const auto next = std::move(waiting_->events.front());
    waiting_->events.pop_front();
    begin(next);
  }
  current_.reset();
}

void ObjectActor::failed(const EnvelopePtr& envelope, const Error& error) {
  drop(error);
  const auto current = std::exchange(current_, nullptr);
  if (current) put_off(services_, *current, error);
  if (envelope->kind == Envelope::Kind::leave || envelope == current) return;
  put_off(services_, static_cast<ObjectEvent&>(*envelope), error);
}

void ObjectActor::drop(const Error& error) {
  meta_.reset();
  if (waiting_) {
    auto handlers = std::exchange(waiting_->handlers, {});
    for (auto& [waiter, running] : handlers) {
      running->end();
      if (!running->held) running->task = Reply{};
      put_off(services_, *running->event, error);
      if (running->held) waiting_->ending.emplace(waiter, std::pair(instance_, std::move(running)));
    }
    for (const auto& event : std::exchange(waiting_->events, {})) put_off(services_, *event, error);
  }
  instance_.reset();
}

bool ObjectActor::wanted(const ObjectEventPtr& event) {
  const auto running = [&](const auto& same) {
    return waiting_ && std::any_of(waiting_->handlers.begin(), waiting_->handlers.end(),
                                   [&](const auto& handler) { return same(*handler.second); });
  };
  if (std::holds_alternative<OnAlarm>(event->what)) {
    const bool due = meta_->alarm != 0 && meta_->alarm <= services_.clock.now();
    return due && !running([](const Running& r) { return r.ringing(); });
  }
  if (const auto* mail = std::get_if<OnMessage>(&event->what)) {
    const auto& message = mail->message;
    const auto inbox = object::Inbox::load(ahead_.reader(), id_, id_of(message.from, id_));
    if (!inbox) {
      event->refuse(inbox.error());
      return false;
    }
    // What was taken is said to be when it is durable.
    if (inbox->taken(message.seq)) {
      ahead_.gate({}, [event](const Result<void>& durable) {
        const NoLane on_writer;
        if (durable) event->done(Reply::empty());
        else event->refuse(durable.error());
      });
      return false;
    }
    if (running([&](const Running& r) {
          const auto* other = r.is<OnMessage>();
          return other != nullptr && other->message.seq == message.seq && other->message.from == message.from;
        })) {
      event->refuse({ErrorCode::overloaded, "this message is being taken", {}, 0, {}});
      return false;
    }
  }
  return true;
}

void ObjectActor::begin(const ObjectEventPtr& event) {
  current_ = event;
  if (!wanted(event)) return;
  auto running = std::make_unique<Running>(*this, event);
  auto& r = *running;
  advance(std::move(running), [this, &r] {
    if (r.is<OnAlarm>() != nullptr) r.ring_alarm();
    r.task = react(r);
    if (!r.task.done()) r.task.start();
    // What was begun may go on, and end; nothing new begins.
    const bool ends = r.is<OnSocketClose>() != nullptr || r.is<OnDeferred>() != nullptr;
    if (!ends && grows(r.writes()) && services_.disk_full()) throw DiskFull();
  });
}

void ObjectActor::go_on(const Resume& resumed) {
  if (!waiting_) return;
  const auto found = waiting_->handlers.find(resumed.waiter);
  if (found == waiting_->handlers.end()) {  // it was ended meanwhile
    waiting_->ending.erase(resumed.waiter);
    return;
  }
  auto running = std::move(found->second);
  waiting_->handlers.erase(found);
  auto& r = *running;
  if (resumed.error) {
    current_ = r.event;
    r.begin(*meta_, services_.clock.now());
    return finish(r, tl::unexpected(*resumed.error));
  }
  r.held = false;
  advance(std::move(running), [&r] { std::exchange(r.waits, nullptr).resume(); });
}

void ObjectActor::settle_mail(const ObjectEventPtr& event, const MailEnded& ended) {
  Running step(*this, event);
  step.begin(*meta_, services_.clock.now());
  try {
    using Fault = object::Step::Fault;
    if (!ended.error) {
      step.strike_mail(ended.mail);
    } else {
      const bool passing = retryable(ended.error->code) || ended.error->code == ErrorCode::internal;
      step.retry_mail(ended.mail, passing ? Fault::passing : Fault::final, *ended.error);
    }
  } catch (const ObjectError& error) {
    return put_off(services_, *event, error.error());
  }
  leave(step, std::nullopt);
}

Task<Reply> ObjectActor::react(Running& running) {
  if (instance_) return handler_of(running);
  instance_ = services_.classes.find(id_.object_class)->second.make();
  auto activation = instance_->on_activate(running);
  if (activation.done()) {
    activation.take();
    return handler_of(running);
  }
  return [](ObjectActor& self, Running& r, Task<> first) -> Task<Reply> {
    co_await r.block_while(std::move(first));
    co_return co_await self.handler_of(r);
  }(*this, running, std::move(activation));
}

Task<Reply> ObjectActor::handler_of(Running& running) {
  auto& object = *instance_;
  const auto socket = [&](const SocketPtr& one) { return WebSocket(running, one->id); };
  return std::visit(
      Overloaded{
          [&](OnRequest& on) { return object.on_request(running, on.request); },
          [&](OnMessage& on) { return finished(object.on_message(running, on.message)); },
          [&](OnAlarm&) { return finished(object.on_alarm(running)); },
          [&](OnSocketOpen& on) { return finished(object.on_websocket_open(running, socket(on.socket), on.request)); },
          [&](OnSocketMessage& on) {
            return finished(object.on_websocket_message(running, socket(on.socket), on.message));
          },
          [&](OnSocketClose& on) { return finished(object.on_websocket_close(running, socket(on.socket), on.close)); },
          [&](OnDeferred& on) {
            if (on.then) return finished(on.then(object, running));
            std::string data;
            json::ObjectWriter(data).text("detail", on.thrown).end();
            running.emit("object.defer_failed", std::move(data));
            return Task<Reply>(Reply::empty());
          },
          [](auto&) { return Task<Reply>(Reply::empty()); },
      },
      running.event->what);
}

void ObjectActor::advance(std::unique_ptr<Running> running, const std::function<void()>& go) {
  auto& r = *running;
  current_ = r.event;
  r.begin(*meta_, services_.clock.now());
  std::optional<Reply> reply;
  const auto threw = [&](const std::string& what) {
    finish(r, fail(ErrorCode::internal, "object " + id_.object_class + "/" + id_.name + " threw: " + what));
  };
  try {
    go();
    if (r.task.done()) {
      reply = r.task.take();
      if (const auto* on = r.is<OnMessage>()) r.take_mail(id_of(on->message.from, id_), on->message.seq, on->floor);
    } else if (!r.start) {
      throw std::logic_error("it awaits something that its Context did not offer");
    } else if (services_.closing.load(std::memory_order_relaxed)) {
      throw ObjectError(ErrorCode::shutting_down, "the engine closes");
    }
  } catch (const DiskFull&) {
    r.end();
    r.task = Reply{};  // its locals go while its members are there
    put_off(services_, *r.event, Services::disk_full_error());
    return forget();
  } catch (const ObjectError& error) {
    return finish(r, tl::unexpected(error.error()));
  } catch (const std::exception& error) {
    return threw(error.what());
  } catch (...) {
    return threw("something that is no std::exception");
  }
  if (reply) return finish(r, std::move(*reply));
  r.waiter = ++services_.waiters;
  waiting().handlers.emplace(r.waiter, std::move(running));
  leave(r, std::nullopt);
}

void ObjectActor::finish(Running& r, Result<Reply> reply) {
  if (reply) {
    r.end_alarm();
    leave(r, std::move(reply));
    return;
  }
  r.task = Reply{};  // its locals go while its members are there
  r.discard();
  if (r.ringing()) r.retry_alarm();
  leave(r, std::move(reply));
  cancel_all(
      {ErrorCode::internal,
       "the object was reset, because another of its handlers threw; what this one wrote after its last await is "
       "not kept",
       {},
       0,
       {}});
  instance_.reset();
}

void ObjectActor::cancel_all(const Error& error) {
  if (!waiting_) return;
  while (!waiting_->handlers.empty()) {
    const auto first = waiting_->handlers.extract(waiting_->handlers.begin());
    auto& running = first.mapped();
    current_ = running->event;
    running->end();
    if (!running->held) running->task = Reply{};
    running->begin(*meta_, services_.clock.now());
    if (running->ringing()) running->retry_alarm();
    leave(*running, tl::unexpected(error));
    if (running->held) waiting_->ending.emplace(first.key(), std::pair(instance_, std::move(running)));
  }
}

// What the stretch wrote goes to the disk, and behind it what it sends, what it begins to wait for, or its answer. With
// the answer the event lets go of who waits for it: nobody else is to answer.
void ObjectActor::leave(Running& r, std::optional<Result<Reply>> reply) {
  r.settle();
  meta_ = r.meta();
  const bool opened = reply && *reply && r.opening();
  if (opened) services_.sockets.add(r.opening());
  std::vector<SocketPtr> open;
  if (!r.attachments().empty() || !r.effects().frames.empty()) {
    open = services_.sockets.of(id_);
    if (!opened && r.opening()) open.push_back(r.opening());
    for (const auto& one : open)
      if (const auto changed = r.attachments().find(one->id); changed != r.attachments().end())
        one->attachment = changed->second;
  }
  struct Leaving {
    ObjectEventPtr event;
    std::optional<Result<Reply>> reply;
    Done<Reply> done;
    object::Effects effects;
    std::vector<SocketPtr> open;
    std::unordered_map<std::uint64_t, std::string> attached;
    Begin start;
    std::uint64_t waiter;
  };
  auto answer = reply ? std::exchange(r.event->done, nullptr) : nullptr;
  auto leaving =
      std::make_shared<Leaving>(Leaving{r.event, std::move(reply), std::move(answer), std::move(r.effects()),
                                        std::move(open), r.attachments(), std::exchange(r.start, nullptr), r.waiter});
  ahead_.gate(std::move(r.writes()),
              [leaving = std::move(leaving), &services = services_, id = id_, opened](const Result<void>& durable) {
                const NoLane on_writer;
                const auto& effects = leaving->effects;
                if (!durable) {
                  if (opened) services.sockets.remove(*std::get<OnSocketOpen>(leaving->event->what).socket);
                  if (leaving->start)
                    services.router->send(std::make_shared<ObjectEvent>(id, Resume{leaving->waiter, durable.error()}));
                  // An attachment runs ahead of the disk too; a connection whose attachment never was begins anew.
                  for (const auto& one : leaving->open)
                    if (leaving->attached.contains(one->id)) one->peer->close(kTryAgainLater);
                  if (leaving->start) return;
                  if (leaving->done) leaving->done(tl::unexpected(durable.error()));
                  else if (durable.error().code == ErrorCode::insufficient_storage)
                    put_off(services, *leaving->event, durable.error());
                  return;
                }
                if (effects.alarm != 0) services.on_alarm(id, effects.alarm);
                if (effects.events) services.hub.notify(id);
                for (const auto& mail : effects.mail) services.on_mail(mail);
                for (const auto& [socket, frame] : effects.frames) {
                  const auto to = std::find_if(leaving->open.begin(), leaving->open.end(),
                                               [id = socket](const auto& one) { return one->id == id; });
                  if (to == leaving->open.end()) continue;
                  if (const auto* message = std::get_if<SocketMessage>(&frame)) (*to)->peer->send(*message);
                  else (*to)->peer->close(std::get<SocketClose>(frame));
                }
                for (const auto& work : effects.work) {
                  services.offload.post([&services, id, work] {
                    OnDeferred back;
                    try {
                      back.then = work();
                    } catch (const std::exception& error) {
                      back.thrown = error.what();
                    } catch (...) {
                      back.thrown = "something that is no std::exception";
                    }
                    services.router->send(std::make_shared<ObjectEvent>(id, std::move(back)));
                  });
                }
                if (leaving->start) begin_wait(services, id, leaving->waiter, leaving->start);
                if (leaving->done) leaving->done(std::move(*leaving->reply));
              });
}

void ObjectActor::evicted() {
  if (instance_) instance_->on_evict();
  instance_.reset();
  services_.sockets.evicted(id_);
}

}  // namespace holdfast::shell
