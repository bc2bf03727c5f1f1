// Receivers: the world outside, as far as it is called. Calls wait until the simulation answers them; a crash of the
// engine forgets them.
#pragma once

#include <functional>
#include <vector>

#include "src/egress/outbound.hpp"

namespace holdfast::simulation {

class Receivers final : public egress::Outbound {
 public:
  struct Call {
    egress::Request request;
    std::function<void(egress::Outcome)> done;
    [[nodiscard]] std::string header(std::string_view name) const {
      for (const auto& [key, value] : request.headers)
        if (key == name) return value;
      return {};
    }
  };
  using Arrived = std::function<void(const Call&)>;

  explicit Receivers(std::vector<Call>& calls, Arrived arrived) : calls_(calls), arrived_(std::move(arrived)) {}
  void post(egress::Request request, std::function<void(egress::Outcome)> done) override {
    if (closed_) return;  // the process that asks is dead
    calls_.push_back({std::move(request), std::move(done)});
    arrived_(calls_.back());
  }
  void close() override { closed_ = true; }

 private:
  std::vector<Call>& calls_;
  Arrived arrived_;
  bool closed_ = false;
};

}  // namespace holdfast::simulation
