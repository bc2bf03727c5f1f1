// Objects: durable actors of your own. One instance per name, one event at a time, storage that is transactional with
// everything else that the event does.
//
//     struct Counter : holdfast::Object {
//       holdfast::Task<holdfast::Reply> on_request(holdfast::Context& ctx, const holdfast::Request&) override {
//         auto n = ctx.storage().get<std::int64_t>("n").value_or(0) + 1;
//         ctx.storage().put("n", n);
//         return holdfast::Reply::text(std::to_string(n));
//       }
//     };
//     options.register_class<Counter>("counter");
//     (*engine)->call("counter", "one", {"POST", "/increment", ""});
//
// An event (a request, a message, an alarm, something on a WebSocket) runs a handler, and what it wrote is one write
// set: on disk whole before anything leaves that the handler sent, or not at all. A handler that throws writes nothing,
// sends nothing, and the instance with its members is dropped. An instance may leave memory at any time between two
// events; members are a cache of what is stored.
//
// A handler that awaits (see task.hpp) is one write set from one await to the next: what was written before an await
// becomes durable first, then what is awaited begins, and meanwhile other events run. So a handler that throws after an
// await takes back what came after it; the instance goes as ever, and with it the other handlers that wait in it.
//
// A handler runs on the thread that brought the event, so it must not block: Context::run is for that.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/task.hpp>
#include <holdfast/types.hpp>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace holdfast {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// These have constructors, as whatever is written in braces after co_await must: GCC 12 makes bad copies of aggregates
// there (its bug 98056).
struct Request {
  Request() = default;
  Request(std::string with_method, std::string to_path, std::string with_body = {}, HeaderFields with_headers = {},
          std::string with_query = {})
      : method(std::move(with_method)),
        path(std::move(to_path)),
        body(std::move(with_body)),
        headers(std::move(with_headers)),
        query(std::move(with_query)) {}

  std::string method = "GET";
  std::string path = "/";  // below the object: "/increment"; "/" when there is none
  std::string body;
  HeaderFields headers;
  std::string query;  // without the question mark, percent-encoded

  // The first field of that name; empty when there is none.
  [[nodiscard]] HOLDFAST_API std::string_view header(std::string_view name) const noexcept;
};

struct Reply {
  Reply() = default;
  Reply(int with_status, std::string with_body, HeaderFields with_headers = {})
      : status(with_status), body(std::move(with_body)), headers(std::move(with_headers)) {}

  int status = 200;
  std::string body;
  HeaderFields headers;

  HOLDFAST_API static Reply text(std::string body, int status = 200);  // text/plain
  HOLDFAST_API static Reply json(Json body, int status = 200);
  HOLDFAST_API static Reply empty(int status = 204);
};

// Which object: one of a class of this engine, by its name.
struct ObjectName {
  ObjectName() = default;
  ObjectName(std::string of_class, std::string of_name) : object_class(std::move(of_class)), name(std::move(of_name)) {}

  std::string object_class;
  std::string name;
  bool operator==(const ObjectName&) const = default;
};

// What another object enqueued for this one.
struct Inbound {
  ObjectName from;
  std::uint64_t seq = 0;  // of the sender's, rising
  std::string body;
};

// One message on a WebSocket, in either direction.
struct SocketMessage {
  std::string data;
  bool binary = false;
};

// How a WebSocket ended (RFC 6455 7.4). 1006: without a word, the connection is gone.
struct SocketClose {
  std::uint16_t code = 1000;
  std::string reason;
};

// What a handler throws to refuse an event with an error of its choice; whatever else it throws is `internal`.
class HOLDFAST_API ObjectError : public std::runtime_error {
 public:
  explicit ObjectError(Error error) : std::runtime_error(error.detail), error_(std::move(error)) {}
  ObjectError(ErrorCode code, std::string detail) : ObjectError(Error{code, std::move(detail), {}, 0, {}}) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

// How a type is stored. Strings as they are, numbers in 8 bytes; specialise it for types of your own:
// `static std::string encode(const T&)` and `static std::optional<T> decode(std::string_view)`, which answers nothing
// for bytes that are none of its.
template <class T, class = void>
struct Codec;

template <>
struct Codec<std::string> {
  static std::string encode(const std::string& value) { return value; }
  static std::optional<std::string> decode(std::string_view bytes) { return std::string(bytes); }
};

template <class T>
struct Codec<T, std::enable_if_t<std::is_arithmetic_v<T>>> {
  static std::string encode(T value) {
    std::uint64_t bits = 0;
    if constexpr (std::is_floating_point_v<T>) {
      const auto wide = static_cast<double>(value);
      std::memcpy(&bits, &wide, sizeof bits);
    } else {
      bits = static_cast<std::uint64_t>(value);
    }
    std::string out;
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
    return out;
  }
  static std::optional<T> decode(std::string_view bytes) {
    if (bytes.size() != sizeof(std::uint64_t)) return std::nullopt;
    std::uint64_t bits = 0;
    for (const char c : bytes) bits = bits << 8 | static_cast<std::uint8_t>(c);
    if constexpr (std::is_floating_point_v<T>) {
      double wide = 0;
      std::memcpy(&wide, &bits, sizeof wide);
      return static_cast<T>(wide);
    } else {
      const auto value = static_cast<T>(bits);
      if (static_cast<std::uint64_t>(value) != bits) return std::nullopt;  // of a wider type
      return value;
    }
  }
};

struct ListOptions {
  std::string prefix{};
  std::string from{};  // first key, inclusive; empty: no bound
  std::string to{};    // end, exclusive; empty: no bound
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  bool reverse = false;
};

// An object's own keys and values, as of this event, its own writes included. Keys are ordered bytewise. Every member
// throws ObjectError: `internal` when the store cannot read, `too_large` over object_key_bytes_max,
// object_value_bytes_max or object_event_bytes_max.
class HOLDFAST_API ObjectStorage {
 public:
  struct Entry {
    std::string key;
    std::string value;
    template <class T>
    [[nodiscard]] T as() const {
      return decoded<T>(key, value);
    }
  };

  template <class T = std::string>
  [[nodiscard]] std::optional<T> get(std::string_view key) {
    const auto bytes = read(key);
    if (!bytes) return std::nullopt;
    return decoded<T>(key, *bytes);
  }
  template <class T>
  void put(std::string_view key, const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) write(key, std::string(std::string_view(value)));
    else write(key, Codec<T>::encode(value));
  }
  // True when there was something.
  virtual bool remove(std::string_view key) = 0;
  virtual void clear() = 0;
  // Several at once. get_all answers those that are there, in the order asked for; remove_all how many were.
  [[nodiscard]] std::vector<Entry> get_all(const std::vector<std::string>& keys) {
    std::vector<Entry> found;
    for (const auto& key : keys)
      if (auto value = read(key)) found.push_back({key, std::move(*value)});
    return found;
  }
  void put_all(std::vector<Entry> entries) {
    for (auto& entry : entries) write(entry.key, std::move(entry.value));
  }
  std::size_t remove_all(const std::vector<std::string>& keys) {
    std::size_t removed = 0;
    for (const auto& key : keys) removed += remove(key) ? 1 : 0;
    return removed;
  }
  [[nodiscard]] virtual std::vector<Entry> list(const ListOptions& options = {}) = 0;
  // Runs `steps`; if it throws, what it wrote and sent is taken back and the exception goes on.
  virtual void transaction(const std::function<void()>& steps) = 0;

 protected:
  ~ObjectStorage() = default;
  [[nodiscard]] virtual std::optional<std::string> read(std::string_view key) = 0;
  virtual void write(std::string_view key, std::string value) = 0;

 private:
  template <class T>
  static T decoded(std::string_view key, const std::string& bytes) {
    auto value = Codec<T>::decode(bytes);
    if (!value) throw ObjectError(ErrorCode::internal, "the value of \"" + std::string(key) + "\" is of another type");
    return std::move(*value);
  }
};

namespace detail {

// What a WebSocket in the hands of a handler does, by its id.
class HOLDFAST_API SocketPort {
 public:
  [[nodiscard]] virtual std::vector<std::string> tags(std::uint64_t socket) const = 0;
  virtual void add_tag(std::uint64_t socket, std::string tag) = 0;
  [[nodiscard]] virtual std::string attachment(std::uint64_t socket) const = 0;
  virtual void attach(std::uint64_t socket, std::string bytes) = 0;
  virtual void send(std::uint64_t socket, SocketMessage message) = 0;
  virtual void close(std::uint64_t socket, SocketClose close) = 0;

 protected:
  ~SocketPort() = default;
};

}  // namespace detail

// A client's WebSocket, as its object sees it; good for the event that it came with. The connection stays while the
// instance is out of memory, and so do its tags and its attachment, until it ends or the process does.
class WebSocket {
 public:
  WebSocket(detail::SocketPort& port, std::uint64_t id) noexcept : port_(&port), id_(id) {}
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }  // of this process, never used again

  [[nodiscard]] std::vector<std::string> tags() const { return port_->tags(id_); }
  void add_tag(std::string tag) { port_->add_tag(id_, std::move(tag)); }
  // A few bytes that stay with the connection, such as who it is. At most websocket_attachment_bytes_max, or
  // ObjectError too_large.
  [[nodiscard]] std::string attachment() const { return port_->attachment(id_); }
  void attach(std::string bytes) { port_->attach(id_, std::move(bytes)); }
  // Leaves when what this event wrote is durable. One that is gone is passed over.
  void send(std::string text) { port_->send(id_, {std::move(text), false}); }
  void send(SocketMessage message) { port_->send(id_, std::move(message)); }
  void close(std::uint16_t code = 1000, std::string reason = {}) { port_->close(id_, {code, std::move(reason)}); }

 private:
  detail::SocketPort* port_;
  std::uint64_t id_;
};

class Context;
class Object;

// Begins what answers later, when what was written so far is durable; on any thread, and it must not block. It owns
// what it needs: the handler may have ended.
template <class T>
using Start = std::function<void(Done<T>)>;

namespace detail {

// GCC 12 destroys a lambda twice that is written into a co_await expression and owns what it captured (its bug 99576).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class Lambda>
inline constexpr bool safe_in_co_await = std::is_trivially_copyable_v<Lambda>;
#else
template <class Lambda>
inline constexpr bool safe_in_co_await = true;
#endif

// What becomes of a handler that is ended while it waits.
enum class Hold : std::uint8_t {
  none,   // its frame goes at once
  frame,  // its frame stays until what it awaits has answered, which uses it
};

}  // namespace detail

// What `co_await ctx.wait_for(...)` waits for.
template <class T>
class Awaiting {
 public:
  Awaiting(Context& context, Start<T> start, detail::Hold hold = detail::Hold::none)
      : context_(context), start_(std::move(start)), hold_(hold) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handler);
  [[nodiscard]] Result<T> await_resume() { return std::move(**answer_); }

 private:
  Context& context_;
  Start<T> start_;
  detail::Hold hold_;
  std::shared_ptr<std::optional<Result<T>>> answer_ = std::make_shared<std::optional<Result<T>>>();
};

// What an event may use; it must not be kept beyond it.
class HOLDFAST_API Context {
 public:
  [[nodiscard]] virtual const std::string& object_class() const noexcept = 0;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  [[nodiscard]] virtual Time now() const noexcept = 0;  // of the event, or of the last await
  [[nodiscard]] virtual ObjectStorage& storage() noexcept = 0;

  // The object's one alarm: on_alarm runs at or after `at`, at least once, also after a crash. Setting replaces it.
  virtual void set_alarm(Time at) = 0;
  virtual void clear_alarm() = 0;
  [[nodiscard]] virtual std::optional<Time> alarm() const = 0;

  // Appends to the object's event stream; readers see it when the event is durable.
  virtual void emit(std::string type, Json data = {}) = 0;

  // ---- what leaves when this event is durable ----

  // Sends to another object, whose on_message gets it exactly once, also after a crash; messages from one object to
  // another arrive in the order they were enqueued. One whose handler throws is sent again after 2, 4, 8, ... s, later
  // ones going ahead of it; after six times, or when it can never succeed, the event object.message_failed is emitted
  // here. The answer is its number. Errors: invalid_name, too_large.
  virtual std::uint64_t enqueue(const ObjectName& to, std::string body) = 0;
  // The same to a session: its message is admitted exactly once. Without an id it gets one made of this object and the
  // number. Errors: as Engine::admit for what it holds; invalid_body for a message with secrets, which are not kept
  // here.
  virtual std::uint64_t enqueue(const std::string& session, AdmitRequest message) = 0;
  // Runs `work` on a thread of the engine; what it answers comes back as an event of its own, in `then`. Not durable:
  // gone when the process ends. If `work` throws, the event object.defer_failed is emitted.
  //
  //     ctx.defer([text] { return summarised(text); }, &Room::on_summary);  // Task<> on_summary(Context&, std::string)
  template <class Work, class Self, class Answer>
  void defer(Work work, Task<> (Self::*then)(Context&, Answer)) {
    defer_erased([work = std::move(work), then]() -> Reentry {
      return
          [answer = work(), then](Object& self, Context& ctx) { return (static_cast<Self&>(self).*then)(ctx, answer); };
    });
  }

  // ---- what can be awaited ----

  // A request to another object, and its reply. Errors: as Engine::call, timed_out after object_call_ms: then nobody
  // knows whether it ran. enqueue is for what must happen.
  [[nodiscard]] Awaiting<Reply> call(ObjectName to, Request request) {
    return {*this, calling(std::move(to), std::move(request))};
  }
  Task<> sleep(Time ms) { (void)co_await wait_for(sleeping(ms)); }
  // Until everything that was written so far is durable.
  Task<> sync() {
    const Start<Nothing> at_once = [](const Done<Nothing>& done) { done(Nothing{}); };
    (void)co_await wait_for(at_once);
  }
  // Runs `work` on a thread of the engine, where it may block, and answers what it answers or throws what it throws. It
  // may use what the handler has, by reference: a handler that is ended meanwhile keeps its frame, and the instance its
  // members, until the work has ended. Others may change members in the meantime.
  //
  //     const auto summary = co_await ctx.run([&] { return summarised(text); });
  template <class Work, class Answer = std::invoke_result_t<Work>>
  Task<Answer> run(Work work) {
    static_assert(detail::safe_in_co_await<Work>, "let the lambda capture by reference, [&]: the handler waits for it");
    using Kept = std::conditional_t<std::is_void_v<Answer>, Nothing, Answer>;
    using Ended = std::pair<std::optional<Kept>, std::exception_ptr>;
    Start<Ended> begin = [execute = executor(), &work](Done<Ended> done) {
      execute([&work, done = std::move(done)] {
        Ended out;
        try {
          if constexpr (std::is_void_v<Answer>) work(), out.first.emplace();
          else out.first.emplace(work());
        } catch (...) {
          out.second = std::current_exception();
        }
        done(std::move(out));
      });
    };
    auto ended = co_await Awaiting<Ended>(*this, std::move(begin), detail::Hold::frame);
    if (ended->second) std::rethrow_exception(ended->second);
    if constexpr (!std::is_void_v<Answer>) co_return std::move(*ended->first);
  }
  // Anything else that answers later. The completion may be called from any thread, once. If `start` itself throws, the
  // handler ends as if it had thrown there.
  //
  //     const holdfast::Start<Row> query = [db, id](holdfast::Done<Row> done) { db->find(id, std::move(done)); };
  //     const auto row = co_await ctx.wait_for(query);
  template <class T>
  [[nodiscard]] Awaiting<T> wait_for(Start<T> start) {
    return {*this, std::move(start)};
  }
  // Until `task` is done no other event enters, as if it did not await. Whatever calls this object in a circle waits in
  // vain.
  template <class T>
  Task<T> block_while(Task<T> task) {
    const Blocked blocked(*this);
    co_return co_await std::move(task);
  }

  // ---- the bodies of a request and its reply in parts, for large or slow ones ----

  // The next part of the request's body; nothing at its end. For classes registered with Bodies::streamed; the others
  // have all of it in the request.
  Task<std::optional<std::string>> read() {
    auto part = co_await wait_for(reading());
    if (!part) throw ObjectError(std::move(part.error()));
    co_return std::move(*part);
  }
  // Sends status and headers of `head`, and its body as the first part; the body that the handler returns is the last.
  Task<> reply(Reply head) {
    auto sent = co_await wait_for(replying(std::move(head)));
    if (!sent) throw ObjectError(std::move(sent.error()));
  }
  // The next part of the reply's body, after reply(). Waits while the client is slow; throws when it is gone.
  Task<> write(std::string part) {
    auto sent = co_await wait_for(writing(std::move(part)));
    if (!sent) throw ObjectError(std::move(sent.error()));
  }

  // ---- WebSockets ----

  // Those that are open, with this tag if one is given.
  [[nodiscard]] virtual std::vector<WebSocket> websockets(std::string_view tag = {}) = 0;
  void broadcast(const std::string& text, std::string_view tag = {}) {
    for (auto& socket : websockets(tag)) socket.send(text);
  }
  // From now on a text message that is exactly `request` is answered with `response` without waking the object. An
  // empty request ends that.
  virtual void set_auto_response(std::string request, std::string response) = 0;

 protected:
  virtual ~Context() = default;
  using Reentry = std::function<Task<>(Object&, Context&)>;
  virtual void defer_erased(std::function<Reentry()> work) = 0;
  [[nodiscard]] virtual Start<Reply> calling(ObjectName to, Request request) = 0;
  [[nodiscard]] virtual Start<Nothing> sleeping(Time ms) = 0;
  [[nodiscard]] virtual std::function<void(std::function<void()>)> executor() = 0;
  [[nodiscard]] virtual Start<std::optional<std::string>> reading() = 0;
  [[nodiscard]] virtual Start<Nothing> replying(Reply head) = 0;
  [[nodiscard]] virtual Start<Nothing> writing(std::string part) = 0;
  // `handler` waits. `start` is called when what was written is durable, and the handler goes on when it called `wake`.
  virtual void suspend(std::coroutine_handle<> handler, std::function<void(std::function<void()> wake)> start,
                       detail::Hold hold) = 0;
  virtual void block(int change) noexcept = 0;

 private:
  template <class T>
  friend class Awaiting;
  class Blocked {
   public:
    explicit Blocked(Context& context) noexcept : context_(context) { context_.block(1); }
    ~Blocked() { context_.block(-1); }
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

   private:
    Context& context_;
  };
};

template <class T>
void Awaiting<T>::await_suspend(std::coroutine_handle<> handler) {
  context_.suspend(
      handler,
      [start = std::move(start_), answer = answer_](std::function<void()> wake) {
        start([answer, wake = std::move(wake)](Result<T> result) {
          answer->emplace(std::move(result));
          wake();
        });
      },
      hold_);
}

class HOLDFAST_API Object {
 public:
  virtual ~Object() = default;
  // Before the first event of an instance, and in the same write set. Load into members here; no event enters before it
  // is done.
  virtual Task<> on_activate(Context&) { return {}; }
  virtual Task<Reply> on_request(Context&, const Request&) {
    return Reply::text("this object takes no requests\n", 405);
  }
  // Something that another object enqueued. What this writes and that it was taken are one write set (the last one, of
  // a handler that awaits).
  virtual Task<> on_message(Context&, const Inbound&) {
    throw ObjectError(ErrorCode::method_not_allowed, "this object takes no messages");
  }
  // The alarm is cleared when this ends, unless it was set anew. One that throws is run again after 2, 4, 8, ... s, six
  // times; then the event object.alarm_failed is emitted.
  virtual Task<> on_alarm(Context&) { return {}; }
  // A client wants a WebSocket. To throw is to refuse, which the client gets as the answer to its request.
  virtual Task<> on_websocket_open(Context&, WebSocket, const Request&) {
    throw ObjectError(ErrorCode::invalid_request, "this object takes no WebSockets");
  }
  // If this throws, the connection is closed with 1011: what the client said was not taken.
  virtual Task<> on_websocket_message(Context&, WebSocket, const SocketMessage&) { return {}; }
  // It is closed, whoever closed it. Its attachment can still be read.
  virtual Task<> on_websocket_close(Context&, WebSocket, const SocketClose&) { return {}; }
  // The instance leaves memory. Nothing can be written any more.
  virtual void on_evict() noexcept {}
};

using ObjectFactory = std::function<std::unique_ptr<Object>()>;

// How an object gets the body of a request.
enum class Bodies : std::uint8_t {
  whole,     // on_request runs when all of it is there
  streamed,  // on_request runs at once and awaits Context::read
};

struct ObjectClass {
  ObjectFactory make;
  Bodies bodies = Bodies::whole;
};

}  // namespace holdfast
