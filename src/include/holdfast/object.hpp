// Objects: durable actors of your own. One instance per name, one event at a time, storage that is transactional with
// everything else that the event does.
//
//     struct Counter : holdfast::Object {
//       holdfast::Reply on_request(holdfast::Context& ctx, const holdfast::Request&) override {
//         auto n = ctx.storage().get<std::int64_t>("n").value_or(0) + 1;
//         ctx.storage().put("n", n);
//         return holdfast::Reply::text(std::to_string(n));
//       }
//     };
//     options.register_class<Counter>("counter");
//     (*engine)->call("counter", "one", {"POST", "/increment", ""});
//
// An event (a request, an alarm) runs a handler to its end, and what it wrote is one write set: on disk whole before
// the reply leaves, or not at all. A handler that throws writes nothing, and the instance with its members is dropped.
// An instance may leave memory at any time between two events; members are a cache of what is stored.
//
// A handler runs on the thread that brought the event, so it must not block.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
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

struct Request {
  std::string method;
  std::string path;  // below the object: "/increment"; "/" when there is none
  std::string body;
  HeaderFields headers{};
  std::string query{};  // without the question mark, percent-encoded

  // The first field of that name; empty when there is none.
  [[nodiscard]] HOLDFAST_API std::string_view header(std::string_view name) const noexcept;
};

struct Reply {
  int status = 200;
  std::string body;
  HeaderFields headers;

  HOLDFAST_API static Reply text(std::string body, int status = 200);  // text/plain
  HOLDFAST_API static Reply json(Json body, int status = 200);
  HOLDFAST_API static Reply empty(int status = 204);
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
  std::string prefix;
  std::string from;  // first key, inclusive; empty: no bound
  std::string to;    // end, exclusive; empty: no bound
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
  [[nodiscard]] virtual std::vector<Entry> list(const ListOptions& options = {}) = 0;
  // Runs `steps`; if it throws, what it wrote is taken back and the exception goes on.
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

// What an event may use; it must not be kept beyond it.
class HOLDFAST_API Context {
 public:
  [[nodiscard]] virtual const std::string& object_class() const noexcept = 0;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  [[nodiscard]] virtual Time now() const noexcept = 0;
  [[nodiscard]] virtual ObjectStorage& storage() noexcept = 0;

  // The object's one alarm: on_alarm runs at or after `at`, at least once, also after a crash. Setting replaces it.
  virtual void set_alarm(Time at) = 0;
  virtual void clear_alarm() = 0;
  [[nodiscard]] virtual std::optional<Time> alarm() const = 0;

  // Appends to the object's event stream; readers see it when the event is durable.
  virtual void emit(std::string type, Json data = {}) = 0;

 protected:
  ~Context() = default;
};

class HOLDFAST_API Object {
 public:
  virtual ~Object() = default;
  // Before the first event of an instance, and in the same write set. Load into members here.
  virtual void on_activate(Context&) {}
  virtual Reply on_request(Context&, const Request&) { return Reply::text("this object takes no requests\n", 405); }
  // The alarm is cleared when this begins, and may be set anew. One that throws is run again after 2, 4, 8, ... s, six
  // times; then the event object.alarm_failed is emitted.
  virtual void on_alarm(Context&) {}
  // The instance leaves memory. Nothing can be written any more.
  virtual void on_evict() noexcept {}
};

using ObjectFactory = std::function<std::unique_ptr<Object>()>;

}  // namespace holdfast
