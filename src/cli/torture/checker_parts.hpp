// The parts of the checker; checker.hpp is what it is for. Each part sees one session.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "src/cli/torture/checker.hpp"

namespace holdfast::cli::torture {

struct SessionHistory {
  std::string name;
  std::vector<const Operation*> operations;  // by their begin
  std::vector<const EndMessage*> messages;   // by seq
  std::vector<const EndEvent*> events;       // by id
};

// Collects what the parts find; one session.
class Findings {
 public:
  Findings(Verdict& verdict, const std::string& session) : verdict_(verdict), session_(session) {}

  void fact(Rule rule, std::uint64_t count = 1) { verdict_.facts[static_cast<std::size_t>(rule)] += count; }
  void violation(Rule rule, std::string sentence, std::vector<std::string> messages = {},
                 std::vector<std::uint64_t> events = {}) {
    verdict_.violations.push_back(
        {rule, session_ + ": " + std::move(sentence), session_, std::move(messages), std::move(events)});
  }
  // A fact, and a violation unless it holds.
  template <class Sentence>
  bool expect(bool holds, Rule rule, const Sentence& sentence, std::vector<std::string> messages = {},
              std::vector<std::uint64_t> events = {}) {
    fact(rule);
    if (!holds) violation(rule, sentence(), std::move(messages), std::move(events));
    return holds;
  }

 private:
  Verdict& verdict_;
  const std::string& session_;
};

// What had an effect at one place of an order, some time between `begin` and `end`.
struct Effect {
  std::int64_t begin_us = 0;
  std::int64_t end_us = 0;     // the largest there is when nobody was told
  std::uint64_t position = 0;  // in the order
  std::string what;
  std::string message;
};
// What ended before something else began must stand before it.
void check_real_time(std::vector<Effect> effects, Findings& findings);

// All tries to admit one id.
struct Admission {
  std::vector<const Operation*> tries;
  const EndMessage* row = nullptr;
  std::int64_t first_begin_us = 0;
  std::int64_t first_ok_end_us = 0;

  [[nodiscard]] bool acknowledged() const noexcept;
  [[nodiscard]] bool possible() const noexcept;  // some try was not refused
};
using Admissions = std::map<std::string, Admission>;
[[nodiscard]] Admissions admissions_of(const SessionHistory& session);

[[nodiscard]] bool final_state(std::string_view state) noexcept;

void check_messages(const SessionHistory& session, const Admissions& admissions, Findings& findings);
void check_turns(const SessionHistory& session, const Admissions& admissions, Findings& findings);
void check_readers(const SessionHistory& session, Findings& findings);

}  // namespace holdfast::cli::torture
