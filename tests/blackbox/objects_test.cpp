// Objects over HTTP (contract section 6), on the example `counter`.
#include <thread>

#include "tests/support/client.hpp"
#include "tests/support/server.hpp"

namespace holdfast::test {
namespace {

const std::string kOne = "/v1/objects/counter/one";
const Server::Example kCounter{"counter"};

}  // namespace

TEST_CASE("a counter counts, and kill -9 takes no increment back") {
  Server server(kCounter);
  {
    Client client(server.port());
    CHECK(client.get(kOne + "/value").body == R"({"value":0})");
    for (int n = 1; n <= 5; ++n) {
      const auto reply = client.post(kOne + "/increment", "");
      CHECK(reply.status == 200);
      CHECK(reply.header("content-type") == "application/json");
      CHECK(reply.body == "{\"value\":" + std::to_string(n) + "}");
    }
    CHECK(client.post("/v1/objects/counter/two/increment", "").body == R"({"value":1})");
  }
  server.kill9();
  server.start();
  Client client(server.port());
  CHECK(client.get(kOne + "/value").body == R"({"value":5})");
  CHECK(client.get("/v1/objects/counter/two/value").body == R"({"value":1})");
}

TEST_CASE("an alarm that was set survives kill -9") {
  Server server(kCounter);
  CHECK(Client(server.port()).post(kOne + "/increment_later", R"({"after_ms":400})").status == 202);
  CHECK(Client(server.port()).post(kOne + "/increment_later", "{}").status == 400);
  server.kill9();
  server.start();
  Client client(server.port());
  for (int i = 0; i < 500 && client.get(kOne + "/value").body != R"({"value":1})"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(client.get(kOne + "/value").body == R"({"value":1})");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(client.get(kOne + "/value").body == R"({"value":1})");
}

TEST_CASE("paths, methods and errors of objects") {
  const Server server(kCounter);
  Client client(server.port());
  CHECK(client.get("/v1/objects/ghost/one").problem() == "404 not_found");
  CHECK(client.get("/v1/objects/counter/no%20name").problem() == "400 invalid_name");
  CHECK(client.get("/v1/objects/counter").problem() == "404 not_found");
  CHECK(client.get(kOne).status == 404);  // the counter's own answer
  CHECK(client.get(kOne).header("content-type") == "text/plain; charset=utf-8");
  CHECK(client.get(kOne + "/a/b/c/d/e/f/g/h/i/j").status == 404);
  CHECK(client.request("DELETE", kOne + "/value").status == 404);
  CHECK(client.request("OPTIONS", kOne + "/value").status == 204);
  CHECK(client.request("OPTIONS", kOne + "/value").header("allow").find("PATCH") != std::string::npos);
  const auto head = client.request("HEAD", kOne + "/value");
  CHECK(head.status == 200);
  CHECK(head.header("content-length") == "11");
  CHECK(client.get("/v1/limits").at("/object_value_bytes_max") == "1048576");
  CHECK(client.post("/v1/sessions/s/messages", prompt("the host serves sessions too")).status == 202);
}

TEST_CASE("a crowd of connections on one counter loses nothing") {
  const Server server(kCounter);
  std::vector<std::thread> crowd;
  for (int t = 0; t < 8; ++t) {
    crowd.emplace_back([&] {
      Client client(server.port());
      for (int i = 0; i < 50; ++i) client.post(kOne + "/increment", "");
    });
  }
  for (auto& thread : crowd) thread.join();
  CHECK(Client(server.port()).get(kOne + "/value").body == R"({"value":400})");
}

TEST_CASE("a host takes the options of serve") {
  const TemporaryDirectory directory;
  Process process({HOLDFAST_BIN_DIR "/../examples/counter", "--queue-capacity", "many"}, directory / "errors");
  CHECK(process.wait() == 2);
  Process help({HOLDFAST_BIN_DIR "/../examples/counter", "--help"}, directory / "errors");
  CHECK(help.rest().find("--listen") != std::string::npos);
  CHECK(help.wait() == 0);
}

}  // namespace holdfast::test
