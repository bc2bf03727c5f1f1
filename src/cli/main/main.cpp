#include "src/cli/cli.hpp"

// Read by jemalloc as it starts; without it nobody's. Sessions are many and each is touched seldom: with pages of 4 KiB
// nearly every touch also misses the processor's table of pages, with those of 2 MiB nearly none does. What was
// freed stays for a while, since giving it back splits such pages.
extern "C" {
[[gnu::visibility("default")]] extern const char* const malloc_conf;
const char* const malloc_conf = "thp:always,metadata_thp:always,dirty_decay_ms:60000";
}

int main(int argc, char** argv) { return holdfast::cli::run(argc, argv); }
