// CurlClient: Outbound on libcurl. One thread drives all calls; connections are kept and reused.
#pragma once

#include <memory>

#include "src/egress/network.hpp"
#include "src/egress/outbound.hpp"

namespace holdfast::egress {

class CurlClient final : public Outbound {
 public:
  struct Settings {
    std::vector<Network> allow;
    int redirects_max = 3;
    std::size_t connections_max = 256;
    std::string user_agent = "holdfast";
    std::string ca_file;  // empty: the system's
  };
  explicit CurlClient(Settings settings);
  ~CurlClient() override;
  void post(Request request, std::function<void(Outcome)> done) override;
  void close() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::egress
