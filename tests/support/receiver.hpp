// A receiver of pushes and callbacks: tests/webhooks/receiver.mjs under node, which verifies signatures with the
// reference library of Standard Webhooks.
#pragma once

#include <chrono>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {

class Receiver {
 public:
  // With the files of a key and its certificate it speaks TLS; ask it nothing then but what arrives.
  explicit Receiver(const std::vector<std::string>& key_and_certificate = {}) {
    std::vector<std::string> words{"/usr/bin/env", "node", HOLDFAST_SOURCE_DIR "/tests/webhooks/receiver.mjs"};
    words.insert(words.end(), key_and_certificate.begin(), key_and_certificate.end());
    process_ = std::make_unique<Process>(std::move(words), directory_ / "log");
    const auto ready = process_->line();
    INFO("is node there, and were the packages of tests/webhooks installed? " << read_file(directory_ / "log"));
    REQUIRE(ready.starts_with("listening on http"));
    url_ = ready.substr(ready.find("http"));
    port_ = std::atoi(url_.c_str() + url_.rfind(':') + 1);
  }
  [[nodiscard]] std::string url(const std::string& name) const { return url_ + "/" + name; }
  [[nodiscard]] int port() const noexcept { return port_; }
  void plan(const std::string& name, const std::string& answers) const { put("/_plan/" + name, answers); }
  void secret(const std::string& name, const std::string& secret) const { put("/_secret/" + name, secret); }
  [[nodiscard]] Reply calls(const std::string& name) const { return Client(port_).get("/_calls/" + name); }
  // Waits until `count` calls came.
  [[nodiscard]] Reply wait(const std::string& name, std::size_t count) const {
    Reply reply;
    for (int i = 0; i < 1'000; ++i) {
      reply = calls(name);
      if (reply.count("") >= count) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return reply;
  }
  [[nodiscard]] std::string connections() const { return Client(port_).get("/_connections").at("/connections"); }

 private:
  void put(const std::string& path, const std::string& body) const {
    REQUIRE(Client(port_).request("PUT", path, body).status == 200);
  }
  TemporaryDirectory directory_;
  std::unique_ptr<Process> process_;
  std::string url_;
  int port_ = 0;
};

}  // namespace holdfast::test
