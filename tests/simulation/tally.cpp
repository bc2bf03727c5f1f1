#include "tests/simulation/tally.hpp"

namespace holdfast::simulation {
namespace {

struct Face {
  Rare what;
  std::string_view name;
};

// In the order of the enum; all of them must happen in a run of many seeds.
constexpr std::array<Face, kRare> kFaces{{
    {Rare::crash, "a crash"},
    {Rare::crash_in_recovery, "a crash right after a recovery"},
    {Rare::crash_unheard, "a crash between a commit and its completion"},
    {Rare::crash_unanswered, "a crash with answers on their way to an event loop"},
    {Rare::crash_took_admission, "a crash took an admission that nobody was told of"},
    {Rare::crash_left_admission, "a crash left an admission that nobody was told of"},
    {Rare::crash_with_lease, "a crash while a worker held a turn"},
    {Rare::crash_captured, "a crash after an interrupt had captured a turn"},
    {Rare::crash_with_claim, "a crash while a claim waited"},
    {Rare::crash_with_call, "a crash with a push or a callback in the air"},
    {Rare::crash_with_mail_taken, "a crash with mail taken and still to be sent: twice on its way, once there"},
    {Rare::crash_with_handler, "a crash ended a handler that awaited"},
    {Rare::write_kept, "a write failed, and was there"},
    {Rare::write_lost, "a write failed, and was not there"},
    {Rare::write_refused, "a batch was refused by a full disk"},
    {Rare::disk_full, "an admission was refused by a full disk"},
    {Rare::read_failed, "a command failed because of a read"},
    {Rare::unknown_there, "an admission of unknown outcome was there"},
    {Rare::unknown_absent, "an admission of unknown outcome was not there"},
    {Rare::unknown_replayed, "... sent again, it got the original answer"},
    {Rare::unknown_fresh, "... sent again, it was admitted afresh"},
    {Rare::replay, "a replay"},
    {Rare::replay_full, "a replay on a full queue"},
    {Rare::replay_mismatch, "an id with another body"},
    {Rare::queue_full, "a queue was full"},
    {Rare::busy, "a busy session rejected"},
    {Rare::batch, "a batch was admitted"},
    {Rare::batch_refused_late, "a batch was refused after its first message had found room"},
    {Rare::overloaded, "too much was in flight"},
    {Rare::merged, "a message was merged into a queued one"},
    {Rare::replaced, "a message replaced the queue"},
    {Rare::interrupting, "a message interrupted the turn"},
    {Rare::steered, "a message was for the turn that ran"},
    {Rare::checkpoint, "more than 64 admissions in a row"},
    {Rare::deep_queue, "a queue deeper than its window"},
    {Rare::edited, "a queued message was edited"},
    {Rare::deleted, "a session was deleted"},
    {Rare::gone, "a message came to a deleted session"},
    {Rare::delivery, "a turn was handed out"},
    {Rare::second_worker, "a turn was handed out while its last worker went on"},
    {Rare::completed_late, "a completion came when the lease was lost"},
    {Rare::completed_again, "a completion was repeated"},
    {Rare::completed_captured, "a completion came for an interrupted turn"},
    {Rare::returned, "a turn went back to its queue"},
    {Rare::exhausted, "a message failed with its retries used up"},
    {Rare::leases_exhausted, "a message failed with its leases used up"},
    {Rare::expired, "a message expired"},
    {Rare::expired_head, "the head of a queue expired"},
    {Rare::lease_jumped, "the clock jumped over a lease"},
    {Rare::clock_back, "the clock jumped back"},
    {Rare::interrupted, "an interrupt captured messages"},
    {Rare::steer, "a steer was handed into a turn"},
    {Rare::steer_returned, "a steer came back with a lost turn"},
    {Rare::redriven, "a dead letter was redriven"},
    {Rare::cursor_expired, "a cursor had expired"},
    {Rare::evicted, "an actor was evicted"},
    {Rare::eviction_waits, "an actor was asked to leave with a write in flight, and stayed"},
    {Rare::push, "a turn was pushed"},
    {Rare::push_accepted, "a pushed turn was accepted"},
    {Rare::push_rests, "a receiver of pushes was left alone"},
    {Rare::callback, "a callback arrived"},
    {Rare::callback_again, "a callback arrived twice"},
    {Rare::callback_given_up, "a callback was given up"},
    {Rare::increment, "an object was asked to count"},
    {Rare::object_threw, "a handler threw"},
    {Rare::alarm, "an alarm of an object rang"},
    {Rare::alarm_again, "an alarm threw and rang again"},
    {Rare::handler_ended, "a handler was ended while it awaited"},
    {Rare::call_timed_out, "a call of an object timed out"},
    {Rare::call_answered, "a call of an object was answered"},
    {Rare::nap, "a handler slept to its end"},
    {Rare::payment, "a payment arrived"},
    {Rare::payment_given_up, "a payment was given up"},
    {Rare::letter, "an object wrote to a session"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRare; ++i)
    if (kFaces[i].what != static_cast<Rare>(i)) return false;
  return true;
}
static_assert(in_order());

}  // namespace

void Tally::end_seed() noexcept {
  for (std::size_t i = 0; i < kRare; ++i) {
    times_[i] += now_[i];
    if (now_[i] != 0) ++seeds_[i];
    now_[i] = 0;
  }
}

void Tally::print(std::FILE* to) const {
  std::fprintf(to, "%10s %10s\n", "seeds", "times");
  for (std::size_t i = 0; i < kRare; ++i)
    std::fprintf(to, "%10llu %10llu  %.*s\n", static_cast<unsigned long long>(seeds_[i]),
                 static_cast<unsigned long long>(times_[i]), static_cast<int>(kFaces[i].name.size()),
                 kFaces[i].name.data());
}

std::vector<std::string_view> Tally::missing() const {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kRare; ++i)
    if (times_[i] == 0) names.push_back(kFaces[i].name);
  return names;
}

}  // namespace holdfast::simulation
