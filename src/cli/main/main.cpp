#include "src/cli/cli.hpp"

int main(int argc, char** argv) { return holdfast::cli::run(argc, argv); }
