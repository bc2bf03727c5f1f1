#include "src/engine/verify_store.hpp"

#include "actors/object/verify.hpp"
#include "actors/runtime/runtime.hpp"
#include "actors/session/verify.hpp"
#include "storage/keys.hpp"
#include "storage/vault.hpp"

namespace holdfast {
namespace {

constexpr const char* kRestore = "Keep a copy of the store and restore a backup.";

class StoreVerifier {
 public:
  StoreVerifier(const Readable& reader, const Findings& findings,
                const std::function<void(std::uint64_t, std::uint64_t)>& watch)
      : reader_(reader),
        findings_([this, &findings](Finding&& finding) {
          ++seen_.findings;
          findings(std::move(finding));
        }),
        watch_(watch) {}

  VerifiedStore run() {
    std::uint64_t total = 0;
    each_owner(
        Family::objects, [&](const ObjectId&) { ++total; }, [](std::string_view, std::string_view) {});
    std::uint64_t done = 0;
    each_owner(
        Family::objects,
        [&](const ObjectId& owner) {
          verify_owner(owner);
          if (watch_) watch_(++done, total);
        },
        [&](std::string_view key, std::string_view value) { verify_runtime(key, value); });
    for (const auto family : {Family::journal, Family::streams, Family::vault}) verify_belonging(family);
    verify_index();
    object::verify_outboxes(reader_, findings_);
    return seen_;
  }

 private:
  // `other` gets the rows that belong to no session or object.
  template <class Each, class Other>
  void each_owner(Family family, const Each& each, const Other& other) {
    for (std::string next;;) {
      bool more = false;
      std::optional<ObjectId> owner;
      const auto scanned = reader_.scan(family, {next, {}}, [&](std::string_view key, std::string_view value) {
        more = true;
        if (const auto owned = keys::parse_owned(key)) {
          owner = owned->owner;
        } else {
          next = std::string(key) + '\0';
          other(key, value);
        }
        return Visit::stop;
      });
      if (!scanned)
        findings_({std::string(name_of(family)), "rows cannot be read: " + scanned.error().detail, kRestore});
      if (!scanned || !more) return;
      if (!owner) continue;
      each(*owner);
      next = keys::all_owned(*owner).to;
    }
  }

  [[nodiscard]] bool has(Family family, const std::string& key) const {
    const auto row = reader_.get(family, key);
    return row && row->has_value();
  }
  [[nodiscard]] bool has_rows(Family family, const ObjectId& owner) const {
    bool any = false;
    (void)reader_.scan(family, keys::all_owned(owner), [&](std::string_view, std::string_view) {
      any = true;
      return Visit::stop;
    });
    return any;
  }

  void verify_owner(const ObjectId& owner) {
    if (!owner.object_class.empty()) {
      ++seen_.objects;
      return object::verify(reader_, owner, findings_);
    }
    if (!has(Family::objects, keys::document(owner))) return session::verify_orphan(reader_, owner, findings_);
    if (has(Family::objects, keys::state(owner))) ++seen_.sessions;
    session::verify(reader_, owner, findings_);
  }

  void verify_runtime(std::string_view key, std::string_view value) {
    if (!key.starts_with('T'))
      findings_({"objects", "a row of an unknown kind is there",
                 "It may be of a newer version; otherwise restore a backup."});
    else if (!runtime::decode(value))
      findings_(
          {"runtimes", "a runtime's row cannot be decoded", "Restore a backup, or let the runtime register anew."});
  }

  // Rows of owners that the family of objects does not know; of the vault also whether they can be opened at all.
  void verify_belonging(Family family) {
    each_owner(
        family,
        [&](const ObjectId& owner) {
          if (family == Family::vault && !has(family, Vault::session_key_key(owner)))
            findings_({"vault", "secrets of " + owner.name + " are there without their key: nobody can open them",
                       "Set them anew (git token, push secret, callback headers)."});
          if (owner.name.find('/') != std::string::npos) return verify_special(owner);
          if (has_rows(Family::objects, owner)) return;  // looked at above
          if (family != Family::journal && has_rows(Family::journal, owner)) return;
          if (family == Family::vault && has_rows(Family::streams, owner)) return;
          session::verify_orphan(reader_, owner, findings_);
          if (!owner.object_class.empty())
            findings_(
                {"object " + owner.object_class + "/" + owner.name, "it has events and no row of its own", kRestore});
        },
        [&](std::string_view, std::string_view) {
          findings_({std::string(name_of(family)), "a row of an unknown kind is there", kRestore});
        });
  }

  // Owners in the vault that are no sessions: no session's name has a slash.
  void verify_special(const ObjectId& owner) {
    constexpr std::string_view kRuntime = "runtime/";
    if (!owner.name.starts_with(kRuntime)) return;
    const auto name = owner.name.substr(kRuntime.size());
    if (!has(Family::objects, keys::runtime(owner.project, name)))
      findings_({"vault", "the secret of a runtime " + name + " is there, which never registered", kRestore});
  }

  void verify_index() {
    const auto scanned = reader_.scan(Family::index, {}, [&](std::string_view key, std::string_view value) {
      ++seen_.index_rows;
      if (!session::verify_index_row(reader_, key, value, findings_) &&
          !object::verify_index_row(reader_, key, findings_))
        findings_({"index", "a row of an unknown kind is there",
                   "It may be of a newer version; otherwise restore a backup."});
      return Visit::next;
    });
    if (!scanned) findings_({"index", "rows cannot be read: " + scanned.error().detail, kRestore});
  }

  const Readable& reader_;
  const Findings findings_;
  const std::function<void(std::uint64_t, std::uint64_t)>& watch_;
  VerifiedStore seen_;
};

}  // namespace

VerifiedStore verify_store(const Readable& reader, const Findings& findings,
                           const std::function<void(std::uint64_t, std::uint64_t)>& watch) {
  return StoreVerifier(reader, findings, watch).run();
}

}  // namespace holdfast
