// The object kernel: one event of an object of a host's class, as a write set.
//
// Step is what the host's handler gets as its Context: storage, alarm and events over a Reader that shows the store and
// the object's own writes on their way to it. It does no I/O but reads, reads no clock, and collects what was written;
// the shell makes that durable before anything leaves.
#pragma once

#include <holdfast/error.hpp>
#include <holdfast/object.hpp>
#include <holdfast/options.hpp>
#include <optional>
#include <string>

#include "actors/session/overlay.hpp"
#include "src/core/ids.hpp"
#include "storage/store.hpp"

namespace holdfast::object {

// What is on disk of an object beside its own values.
struct Meta {
  Time alarm = 0;  // 0: none
  std::uint32_t alarm_failures = 0;
  std::uint64_t last_event = 0;
  bool operator==(const Meta&) const = default;
};
// Errors of both: internal (a damaged or newer record, or a store that cannot read).
[[nodiscard]] Result<Meta> load(const Readable& reader, const ObjectId& id);
[[nodiscard]] Result<EventPage> read_events(const Readable& reader, const ObjectId& id, const EventQuery& query);

inline constexpr std::uint32_t kAlarmRetries = 6;

class Step final : public Context, private ObjectStorage {
 public:
  Step(const ObjectId& id, const Meta& meta, Time now, const Limits& limits, const Readable& below)
      : id_(id), before_(meta), meta_(meta), now_(now), limits_(limits), reader_(below, writes_) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  [[nodiscard]] const std::string& object_class() const noexcept override { return id_.object_class; }
  [[nodiscard]] const std::string& name() const noexcept override { return id_.name; }
  [[nodiscard]] Time now() const noexcept override { return now_; }
  [[nodiscard]] ObjectStorage& storage() noexcept override { return *this; }
  void set_alarm(Time at) override;
  void clear_alarm() override { meta_.alarm = 0; }
  [[nodiscard]] std::optional<Time> alarm() const override;
  void emit(std::string type, Json data) override;

  // The handler threw: nothing of what it did is written.
  void discard();
  // The alarm that is due was handed to the handler.
  void take_alarm();
  // ... and the handler threw: it rings again, or is given up.
  void retry_alarm();
  // Brings the object's own rows in line. Afterwards `writes` is complete, and `meta` is what it says.
  void settle();

  [[nodiscard]] WriteSet& writes() noexcept { return writes_; }
  [[nodiscard]] const Meta& meta() const noexcept { return meta_; }
  [[nodiscard]] bool alarm_set() const noexcept { return meta_.alarm != 0 && meta_.alarm != before_.alarm; }
  [[nodiscard]] bool emitted() const noexcept { return meta_.last_event != before_.last_event; }

 private:
  bool remove(std::string_view key) override;
  void clear() override;
  [[nodiscard]] std::vector<Entry> list(const ListOptions& options) override;
  void transaction(const std::function<void()>& steps) override;
  [[nodiscard]] std::optional<std::string> read(std::string_view key) override;
  void write(std::string_view key, std::string value) override;
  void grow(std::size_t bytes);

  const ObjectId& id_;
  const Meta before_;
  Meta meta_;
  const Time now_;
  const Limits& limits_;
  WriteSet writes_;
  session::StepReader reader_;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::object
