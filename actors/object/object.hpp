// The object kernel: one event of an object of a host's class, as write sets and what leaves when they are durable.
//
// Step is what the host's handler gets as its Context: storage, alarm, events, mail and WebSockets over a Reader that
// shows the store and the object's own writes on their way to it. It does no I/O but reads, reads no clock, and
// collects what was written and sent; the shell makes that durable before anything leaves.
//
// A handler that awaits has several stretches, each from begin() to settle(); between two of them other events of the
// object run.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/object.hpp>
#include <holdfast/options.hpp>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/object/mail.hpp"
#include "actors/session/overlay.hpp"
#include "src/core/ids.hpp"
#include "storage/keys.hpp"
#include "storage/store.hpp"

namespace holdfast::object {

// What is on disk of an object beside its own values.
struct Meta {
  Time alarm = 0;  // 0: none
  std::uint32_t alarm_failures = 0;
  std::uint64_t last_event = 0;
  std::uint64_t last_mail = 0;
  bool operator==(const Meta&) const = default;
};
// Errors of both: internal (a damaged or newer record, or a store that cannot read).
[[nodiscard]] Result<Meta> load(const Readable& reader, const ObjectId& id);
[[nodiscard]] Result<EventPage> read_events(const Readable& reader, const ObjectId& id, const EventQuery& query);

inline constexpr std::uint32_t kRetries = 6;  // of an alarm, and of a message

// What one stretch sends: it leaves when its writes are durable.
struct Effects {
  Time alarm = 0;  // was set to this; 0: was not
  bool events = false;
  std::vector<keys::Mail> mail;
  std::vector<std::pair<std::uint64_t, std::variant<SocketMessage, SocketClose>>> frames;  // by socket
  std::vector<std::function<std::function<Task<>(Object&, Context&)>()>> work;
};

class Step : public Context, public detail::SocketPort, private ObjectStorage {
 public:
  Step(const ObjectId& id, const Limits& limits, const Readable& below)
      : id_(id), limits_(limits), reader_(below, writes_) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  // ---- for the handler ----
  [[nodiscard]] const std::string& object_class() const noexcept final { return id_.object_class; }
  [[nodiscard]] const std::string& name() const noexcept final { return id_.name; }
  [[nodiscard]] Time now() const noexcept final { return now_; }
  [[nodiscard]] ObjectStorage& storage() noexcept final { return *this; }
  void set_alarm(Time at) final;
  void clear_alarm() final { meta_.alarm = 0; }
  [[nodiscard]] std::optional<Time> alarm() const final;
  void emit(std::string type, Json data) final;
  std::uint64_t enqueue(const ObjectName& to, std::string body) final;
  std::uint64_t enqueue(const std::string& session, AdmitRequest message) final;

  // ---- for the shell ----
  void begin(const Meta& meta, Time now);
  // The handler threw: nothing of what it did in this stretch is written or sent.
  void discard();
  // The alarm is due and the handler is about to get it.
  void ring_alarm() noexcept { ringing_before_ = ringing_ = meta_.alarm; }
  // ... and is done with it.
  void end_alarm() noexcept;
  // ... or threw: it rings again, or is given up.
  void retry_alarm();
  [[nodiscard]] bool ringing() const noexcept { return ringing_ != 0; }
  // The message was taken. Errors are thrown, as ObjectError.
  void take_mail(const ObjectId& from, std::uint64_t seq, std::uint64_t floor);
  // A message of this object, due at `mail.at`, was delivered ...
  void strike_mail(const keys::Mail& mail);
  // ... or was not: it is sent again later, or given up, at once if it can never succeed.
  enum class Fault : std::uint8_t { passing, final };
  void retry_mail(const keys::Mail& mail, Fault fault, const Error& error);
  // Brings the object's own rows in line. Afterwards `writes` and `effects` are complete, and `meta` is what they say.
  void settle();

  [[nodiscard]] WriteSet& writes() noexcept { return writes_; }
  [[nodiscard]] Effects& effects() noexcept { return effects_; }
  [[nodiscard]] const Meta& meta() const noexcept { return meta_; }
  [[nodiscard]] const std::unordered_map<std::uint64_t, std::string>& attachments() const noexcept {
    return attachments_;
  }

 protected:
  ~Step() override = default;
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  void attach(std::uint64_t socket, std::string bytes) final;
  void send(std::uint64_t socket, SocketMessage message) final;
  void close(std::uint64_t socket, SocketClose close) final;
  void defer_erased(std::function<Reentry()> work) final { effects_.work.push_back(std::move(work)); }

 private:
  bool remove(std::string_view key) final;
  void clear() final;
  [[nodiscard]] std::vector<Entry> list(const ListOptions& options) final;
  void transaction(const std::function<void()>& steps) final;
  [[nodiscard]] std::optional<std::string> read(std::string_view key) final;
  void write(std::string_view key, std::string value) final;
  std::uint64_t enqueue(const Letter& letter);
  void append(std::string type, Json data);  // an event, unchecked
  void grow(std::size_t bytes);

  const ObjectId& id_;
  const Limits& limits_;
  Meta before_;
  Meta meta_;
  Time now_ = 0;
  Time ringing_ = 0;         // the alarm that the handler has; 0: none
  Time ringing_before_ = 0;  // ... when the stretch began
  WriteSet writes_;
  session::StepReader reader_;
  Effects effects_;
  std::unordered_map<std::uint64_t, std::string> attachments_;  // changed in this stretch
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::object
