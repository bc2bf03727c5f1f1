// Durable sessions in a C++ program: admit, work, read the result. Run it twice: the second run finds the first one's.
#include <cstdio>
#include <holdfast/engine.hpp>

int main(int argc, char** argv) {
  holdfast::Options options;
  options.data = argc > 1 ? argv[1] : "embed_minimal.data";
  auto engine = holdfast::Engine::open(options);
  if (!engine) return std::fprintf(stderr, "embed_minimal: %s\n", engine.error().detail.c_str()), 3;

  auto admitted = (*engine)->admit("chat-1", holdfast::AdmitRequest::prompt("hello"));  // on disk when it returns
  if (!admitted) return std::fprintf(stderr, "embed_minimal: %s\n", admitted.error().detail.c_str()), 1;

  holdfast::ClaimRequest claim;
  claim.max = 10;
  const auto deliveries = (*engine)->claim(claim);
  for (const auto& turn : deliveries.value_or(std::vector<holdfast::Delivery>{}))
    (void)(*engine)->complete({turn.delivery, turn.lease}, {"\"done\"", {}});

  const auto message = (*engine)->message("chat-1", admitted->message);
  std::printf("seq %llu %s\n", static_cast<unsigned long long>(admitted->seq), to_json(*message).c_str());
}
