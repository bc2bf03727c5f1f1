// Outgoing calls: which addresses they may reach, how they are signed, how much an origin gets. The client itself is
// tested against a real receiver in tests/blackbox/webhooks_test.cpp; here is what that cannot reach.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "src/core/crypto.hpp"
#include "src/egress/curl_client.hpp"
#include "src/egress/network.hpp"
#include "src/egress/targets.hpp"
#include "src/egress/webhook.hpp"

namespace holdfast::egress {
namespace {

bool reachable(const std::string& address, const std::vector<std::string>& allow = {}) {
  std::vector<Network> networks;
  for (const auto& text : allow) {
    auto network = parse_network(text);
    REQUIRE(network);
    networks.push_back(*network);
  }
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    return permitted(reinterpret_cast<const sockaddr&>(v4), networks);
  }
  sockaddr_in6 v6{};
  REQUIRE(::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1);
  v6.sin6_family = AF_INET6;
  return permitted(reinterpret_cast<const sockaddr&>(v6), networks);
}

}  // namespace

TEST_CASE("egress: what is not globally routable is refused, to the edge of each block", "[egress]") {
  for (const std::string address : {"0.0.0.0",
                                    "0.255.255.255",
                                    "10.0.0.0",
                                    "10.255.255.255",
                                    "100.64.0.0",
                                    "100.127.255.255",
                                    "127.0.0.1",
                                    "127.255.255.255",
                                    "169.254.0.0",
                                    "169.254.169.254",
                                    "172.16.0.0",
                                    "172.31.255.255",
                                    "192.0.0.1",
                                    "192.0.2.1",
                                    "192.168.0.0",
                                    "192.168.255.255",
                                    "198.18.0.0",
                                    "198.19.255.255",
                                    "198.51.100.7",
                                    "203.0.113.7",
                                    "224.0.0.1",
                                    "240.0.0.1",
                                    "255.255.255.255",
                                    "::",
                                    "::1",
                                    "fc00::1",
                                    "fdff::1",
                                    "fe80::1",
                                    "febf::1",
                                    "fec0::1",
                                    "ff02::1",
                                    "2001:db8::1",
                                    "64:ff9b:1::1",
                                    "100::1",
                                    "::ffff:10.0.0.1",
                                    "::127.0.0.1",
                                    "64:ff9b::10.0.0.1",
                                    "2002:0a00:0001::1",
                                    "2002:7f00:0001::1",
                                    "2001:0:1:2:3:4:80ff:fffe"}) {
    INFO(address);
    CHECK_FALSE(reachable(address));
  }
  for (const std::string address :
       {"1.1.1.1",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255",  "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",       "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",
        "223.255.255.255",  "2606:4700::1111", "fbff::1",         "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
        "2002:0101:0101::1"}) {
    INFO(address);
    CHECK(reachable(address));
  }
}

TEST_CASE("egress: an allowed network is reached, and only that", "[egress]") {
  CHECK(reachable("10.1.2.3", {"10.1.0.0/16"}));
  CHECK_FALSE(reachable("10.2.0.1", {"10.1.0.0/16"}));
  CHECK(reachable("127.0.0.1", {"127.0.0.1"}));
  CHECK_FALSE(reachable("127.0.0.2", {"127.0.0.1"}));
  CHECK(reachable("::ffff:127.0.0.1", {"127.0.0.0/8"}));
  CHECK(reachable("fd00::7", {"10.0.0.0/8", "fd00::/8"}));
  CHECK(reachable("10.0.0.1", {"0.0.0.0/0"}));
  CHECK_FALSE(reachable("::1", {"0.0.0.0/0"}));
  CHECK(reachable("172.16.5.9", {"172.16.4.0/23"}));
  CHECK_FALSE(reachable("172.16.6.0", {"172.16.4.0/23"}));
  for (const std::string text : {"", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::1/129",
                                 "example.org", "10.0.0.0/8/8", "300.0.0.1"}) {
    INFO(text);
    CHECK(parse_network(text).error().code == ErrorCode::invalid_request);
  }
}

TEST_CASE("egress: the origin of a URL", "[egress]") {
  CHECK(origin_of("https://Example.ORG/a?b#c") == "https://example.org:443");
  CHECK(origin_of("http://example.org") == "http://example.org:80");
  CHECK(origin_of("http://example.org:8080/x") == "http://example.org:8080");
  CHECK(origin_of("http://[::1]:9/x") == "http://[::1]:9");
  for (const std::string url :
       {"", "example.org", "ftp://example.org", "file:///etc/passwd", "http://", "http:///x",
        "https://user@example.org/", "https://user:pw@example.org/", "http://a b/", "javascript:x"}) {
    INFO(url);
    CHECK_FALSE(origin_of(url));
  }
}

TEST_CASE("egress: Standard Webhooks, the example of the specification", "[egress]") {
  crypto_start();
  const std::vector<std::string> secrets{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  const std::string body = R"({"test": 2432232314})";
  // As the reference library signs it.
  const std::string signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const auto signed_once = sign_webhook(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body);
  CHECK(signed_once == signature);
  CHECK(sign_webhook(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, body) != signed_once);
  SystemRandom random;
  const std::vector<std::string> two{make_webhook_secret(random), secrets[0]};
  const auto signed_twice = sign_webhook(two, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body);
  CHECK(signed_twice.ends_with(" " + signed_once));
  CHECK(webhook_key(two[0])->size() == 32);
  for (const std::string secret : {"", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!!!!!", "topsecret"}) {
    INFO(secret);
    CHECK_FALSE(webhook_key(secret));
  }
}

TEST_CASE("egress: no origin gets more than its share, and a broken one rests and is tried once", "[egress]") {
  using Door = Targets::Door;
  Targets targets({2, 3, 100});
  CHECK(targets.enter("a", 0).door == Door::open);
  CHECK(targets.enter("a", 0).door == Door::open);
  CHECK(targets.enter("a", 0).door == Door::busy);
  CHECK(targets.enter("b", 0).door == Door::open);
  targets.cancel("a");
  CHECK(targets.enter("a", 0).door == Door::open);
  targets.leave("a", false, 0);
  targets.leave("a", false, 0);
  CHECK(targets.enter("a", 5).door == Door::open);
  targets.leave("a", false, 10);
  const auto broken = targets.enter("a", 20);
  CHECK(broken.door == Door::broken);
  CHECK(broken.retry_at == 110);
  CHECK(targets.broken(20) == 1);
  CHECK(targets.enter("a", 110).door == Door::open);  // one call tries it
  CHECK(targets.enter("a", 110).door == Door::busy);
  targets.leave("a", false, 110);
  CHECK(targets.enter("a", 209).door == Door::broken);
  CHECK(targets.enter("a", 210).door == Door::open);
  targets.leave("a", true, 211);
  CHECK(targets.enter("a", 211).door == Door::open);
  CHECK(targets.enter("a", 211).door == Door::open);
  CHECK(targets.broken(211) == 0);
}

TEST_CASE("egress: in any order of calls, what is in flight is counted and bounded", "[egress]") {
  const bool holds = rc::check([] {
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4));
    Targets targets({3, 2, 10});
    std::size_t in_flight = 0;
    Time now = 0;
    for (const int step : steps) {
      ++now;
      if (step == 0 || in_flight == 0) {
        if (targets.enter("a", now).door == Targets::Door::open) ++in_flight;
      } else {
        --in_flight;
        if (step == 3) targets.cancel("a");
        else targets.leave("a", step == 1, now);
      }
      RC_ASSERT(targets.in_flight() == in_flight);
      RC_ASSERT(in_flight <= 3U);
    }
  });
  CHECK(holds);
}

TEST_CASE("egress: a closed client answers everybody, once", "[egress]") {
  std::mutex mutex;
  std::condition_variable news;
  std::vector<Fault> faults;
  const auto done = [&](const Outcome& outcome) {
    const std::lock_guard lock(mutex);
    faults.push_back(outcome ? Fault::invalid_url : outcome.error().fault);
    news.notify_one();
  };
  const auto wait_for = [&](std::size_t count) {
    std::unique_lock lock(mutex);
    return news.wait_for(lock, std::chrono::seconds(10), [&] { return faults.size() >= count; });
  };
  // A listener that never answers.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 128) == 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const auto url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";

  CurlClient::Settings settings;
  settings.allow = {*parse_network("127.0.0.0/8")};
  CurlClient client(settings);
  const auto post = [&](const std::string& to, std::int64_t timeout_ms,
                        std::vector<std::pair<std::string, std::string>> headers = {}) {
    Request request;
    request.url = to;
    request.timeout_ms = timeout_ms;
    request.headers = std::move(headers);
    client.post(std::move(request), done);
  };
  post(url, 50);
  REQUIRE(wait_for(1));
  CHECK(faults[0] == Fault::timed_out);
  post("no url", 1'000);
  REQUIRE(wait_for(2));
  CHECK(faults[1] == Fault::invalid_url);
  post(url, 1'000, {{"x-a", "b\r\nx-injected: c"}});
  REQUIRE(wait_for(3));
  CHECK(faults[2] == Fault::invalid_url);
  for (int i = 0; i < 20; ++i) post(url, 60'000);
  client.close();
  REQUIRE(wait_for(23));
  post(url, 1'000);
  CHECK(faults.size() == 24);
  CHECK(std::all_of(faults.begin() + 3, faults.end(), [](Fault f) { return f == Fault::closed; }));
  ::close(listener);
}

}  // namespace holdfast::egress
