// Any bytes as the file of an import: refused, and then nothing is written; or a session that is loaded as it was left,
// that can be used like any other to its end, and whose export is imported to the same.
//
// Input that begins with '{' is the file as it is. Otherwise it is made of parts, each with its length in two bytes
// before it: document, state, then records, of which one of a runtime's event begins with a zero.
#include <cstddef>
#include <cstdint>
#include <string>

#include "actors/session/journal.hpp"
#include "actors/session/kernel.hpp"
#include "src/core/check.hpp"
#include "src/core/crypto.hpp"
#include "src/core/json.hpp"
#include "storage/codec.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"

using namespace holdfast;
using session::Command;
using Answer = Result<session::Reply>;

namespace {

class Bench {
 public:
  explicit Bench(std::string name) : id_{std::string(kDefaultProject), std::move(name), {}} {
    limits_.queue_window_messages = 2;
  }

  Answer run(const Command& command) {
    const session::Context context{id_,   now_, random_, limits_, vault_, signer_, "str_fuzz", Durability::synced,
                                   store_};
    auto step = session::apply(entity_, command, context);
    HOLDFAST_CHECK(!step.reload);
    if (!step.reply && !std::holds_alternative<session::Complete>(command)) HOLDFAST_CHECK(step.writes.empty());
    auto batch = store_.make_batch();
    batch->append(step.writes);
    HOLDFAST_CHECK(store_.write(*batch, Durability::synced).has_value());
    return std::move(step.reply);
  }

  // What is loaded is what was live.
  void reload() {
    auto loaded = session::load(store_, id_);
    HOLDFAST_CHECK(loaded.has_value());
    std::string live;
    std::string again;
    encode(live, entity_.state);
    encode(again, loaded->state);
    HOLDFAST_CHECK(live == again);
    entity_ = std::move(*loaded);
  }

  // Takes turns until there is none left, and ends them in every way.
  void drain() {
    for (int n = 0; n < 64; ++n, now_ += 100'000) {
      auto turn = run(session::Dispatch{"r1", 10'000});
      HOLDFAST_CHECK(turn.has_value());
      auto* handout = std::get_if<session::Handout>(&*turn);
      if (handout == nullptr) break;
      auto lease = session::parse_lease(handout->delivery.lease);
      HOLDFAST_CHECK(lease.has_value());
      lease->delivery = handout->delivery.delivery;
      switch (n % 4) {
        case 0: HOLDFAST_CHECK(run(session::Complete{*lease, {"1", {}}}).has_value()); break;
        case 1: HOLDFAST_CHECK(run(session::Fail{*lease, {"no", false, 0, {}}}).has_value()); break;
        case 2:
          now_ += 10'000;
          HOLDFAST_CHECK(run(session::Alarm{}).has_value());
          break;
        default: HOLDFAST_CHECK(run(session::Interrupt{InterruptScope::running}).has_value());
      }
      reload();
    }
  }

  [[nodiscard]] const session::State& state() const noexcept { return entity_.state; }

 private:
  ObjectId id_;
  Time now_ = 1'700'000'000'000;
  SeededRandom random_{1};
  Limits limits_;
  Vault vault_{Key32{}};
  Signer signer_{Key32{}};
  MemoryStore store_;
  session::Entity entity_;
};

std::string_view part_of(std::string_view& rest) {
  if (rest.size() < 2) return rest = {};
  const std::size_t size = static_cast<std::uint8_t>(rest[0]) << 8 | static_cast<std::uint8_t>(rest[1]);
  const auto part = rest.substr(2, size);
  rest.remove_prefix(2 + part.size());
  return part;
}

std::string file_of(std::string_view parts) {
  std::string out;
  const auto document = part_of(parts);
  const auto state = part_of(parts);
  json::ObjectWriter(out)
      .number("holdfast_export", 1)
      .text("document", to_base64url(document))
      .text("state", to_base64url(state))
      .end();
  for (std::uint64_t position = 1; !parts.empty(); ++position) {
    out += '\n';
    auto record = part_of(parts);
    const bool event = record.starts_with('\0');
    if (event) record.remove_prefix(1);
    json::ObjectWriter(out)
        .number("position", position)
        .text(event ? "event_record" : "record", to_base64url(record))
        .end();
  }
  return out;
}

std::string exported(Bench& bench) {
  auto reply = bench.run(session::Export{});
  HOLDFAST_CHECK(reply.has_value());
  return std::get<std::string>(std::move(*reply));
}

// Every line of an export is JSON, which a reader without this program can use.
void check_export(std::string_view file) {
  json::Parser parser;
  while (!file.empty()) {
    const auto line = file.substr(0, file.find('\n'));
    file.remove_prefix(std::min(line.size() + 1, file.size()));
    HOLDFAST_CHECK(parser.parse(line).has_value());
  }
}

void use(Bench& bench) {
  auto request = AdmitRequest::prompt("one more");
  request.id = "one-more";
  (void)bench.run(session::Admit{{request}, {}});
  auto all = bench.run(session::ReadMessages{});
  HOLDFAST_CHECK(all.has_value());
  const auto messages = std::get<Page<Message>>(*all).items;
  for (std::size_t n = 0; n < messages.size() && n < 8; ++n) {
    const auto& id = messages[n].message;
    HOLDFAST_CHECK(bench.run(session::ReadMessage{id}).has_value());
    HOLDFAST_CHECK(bench.run(session::ReadReceipt{id}).has_value());
    if (n % 4 == 1) (void)bench.run(session::Cancel{id, {}});
    if (n % 4 == 2) (void)bench.run(session::Queue{{QueueAction::reorder, {id}}, {}});
    if (n % 4 == 3) (void)bench.run(session::Redrive{id});
  }
  bench.reload();
  HOLDFAST_CHECK(bench.run(session::Queue{{QueueAction::resume, {}}, {}}).has_value());
  bench.drain();
  HOLDFAST_CHECK(bench.run(session::Interrupt{InterruptScope::all}).has_value());
  HOLDFAST_CHECK(bench.state().queued == 0);
  HOLDFAST_CHECK(bench.run(session::ForkSource{}).has_value());
  bench.reload();
  check_export(exported(bench));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  crypto_start();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = bytes.starts_with('{') ? std::string(bytes) : file_of(bytes);
  Bench bench("s1");
  const auto imported = bench.run(session::Import{file});
  if (!imported) {
    HOLDFAST_CHECK(imported.error().code == ErrorCode::invalid_body && !imported.error().detail.empty());
    HOLDFAST_CHECK(!bench.run(session::Get{}).has_value());
    return 0;
  }
  bench.reload();
  const auto once = exported(bench);
  check_export(once);
  Bench other("s1");
  HOLDFAST_CHECK(other.run(session::Import{once}).has_value());
  HOLDFAST_CHECK(exported(other) == once);
  use(bench);
  return 0;
}
