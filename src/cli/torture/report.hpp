// What a run says: a summary for people, the same as JSON, and a picture.
#pragma once

#include <string>

#include "src/cli/torture/checker.hpp"
#include "src/cli/torture/mischief.hpp"

namespace holdfast::cli::torture {

struct Report {
  std::uint64_t seed = 1;
  std::string command;  // that does this run again
  double seconds = 0;
  double harm_seconds = 0;  // of these, while harm was done
  const History& history;
  const std::vector<Done>& done;
  const std::vector<Restart>& restarts;
  const Verdict& verdict;
};

void print_summary(const Report& report);
[[nodiscard]] std::string to_json(const Report& report);
// The rate of admissions, turns and events over the time, with what was done to the server behind it. SVG.
[[nodiscard]] std::string to_svg(const Report& report);

}  // namespace holdfast::cli::torture
