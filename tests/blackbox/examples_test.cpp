// The examples that the README shows do what it says.
#include "tests/support/server.hpp"

namespace holdfast::test {

TEST_CASE("embed_minimal admits, works and reads; its second run finds the first one's session") {
  const TemporaryDirectory directory;
  const auto run_once = [&] {
    Process process({HOLDFAST_BIN_DIR "/../examples/embed_minimal", directory / "data"}, directory / "errors");
    auto output = process.rest();
    INFO(read_file(directory / "errors"));
    CHECK(process.wait() == 0);
    return output;
  };
  const auto first = run_once();
  CHECK(first.starts_with("seq 1 {"));
  CHECK(first.find("\"state\":\"completed\"") != std::string::npos);
  CHECK(run_once().starts_with("seq 2 {"));
}

TEST_CASE("the README shows embed_minimal as it is") {
  const auto readme = read_file(HOLDFAST_SOURCE_DIR "/README.md");
  CHECK(readme.find(read_file(HOLDFAST_SOURCE_DIR "/examples/embed_minimal/main.cpp")) != std::string::npos);
}

}  // namespace holdfast::test
