// The fuzz targets over their corpora, with any compiler: what a fuzzer has found once stays found. Run by ctest as
// fuzz_corpus; `fuzz_corpus TARGET FILE...` runs single inputs.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#define TARGET(name) extern "C" int name##_one_input(const std::uint8_t*, std::size_t);
#include "targets.inc"
#undef TARGET

namespace {

struct Target {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);
};

constexpr Target kTargets[] = {
#define TARGET(name) {#name, &name##_one_input},
#include "targets.inc"
#undef TARGET
};

std::string g_input;  // that runs now

void name_the_input(int signal) {
  std::fprintf(stderr, "fuzz_corpus: this input failed: %s\n", g_input.c_str());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Target& target, const std::filesystem::path& path) {
  g_input = path.string();
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  // On the heap and as long as it is, so that a sanitizer sees a read past its end.
  const std::vector<std::uint8_t> data(bytes.begin(), bytes.end());
  target.run(data.data(), data.size());
}

// Nothing for a target without inputs: that is a mistake.
std::size_t run_corpus(const Target& target) {
  const auto directory = std::filesystem::path(HOLDFAST_CORPUS_DIR) / target.name;
  std::vector<std::filesystem::path> inputs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) inputs.push_back(entry.path());
  for (const auto& input : inputs) run(target, input);
  return inputs.size();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, name_the_input);
  std::signal(SIGSEGV, name_the_input);
  bool known = argc == 1;
  for (const auto& target : kTargets) {
    if (argc == 1) {
      const auto inputs = run_corpus(target);
      std::printf("%s: %zu inputs\n", target.name, inputs);
      if (inputs == 0) return std::fprintf(stderr, "fuzz_corpus: %s has no corpus\n", target.name), EXIT_FAILURE;
    } else if (std::strcmp(argv[1], target.name) == 0) {
      known = true;
      for (int i = 2; i < argc; ++i) run(target, argv[i]);
    }
  }
  if (!known) return std::fprintf(stderr, "fuzz_corpus: there is no target %s\n", argv[1]), EXIT_FAILURE;
  return EXIT_SUCCESS;
}
