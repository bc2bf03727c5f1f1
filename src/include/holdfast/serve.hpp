// The server of `holdfast serve` with classes of your own: a whole host in one line.
//
//     int main(int argc, char** argv) {
//       return holdfast::serve(argc, argv, [](holdfast::Options& options) { options.register_class<Counter>("counter");
//       });
//     }
#pragma once

#include <functional>
#include <holdfast/engine.hpp>
#include <holdfast/export.hpp>
#include <holdfast/options.hpp>

namespace holdfast {

// Takes the options, environment and configuration file of `holdfast serve`, prints `listening on http://HOST:PORT`
// when it is ready, and returns the exit code when a signal ended it: 0 ok, 2 usage or configuration, 3 the store
// refused. `configure` runs before the engine opens. `on_open` runs once it has recovered and before the first request:
// the place for Engine::on_turn; the engine lives until this returns.
HOLDFAST_API int serve(int argc, char** argv, const std::function<void(Options&)>& configure,
                       const std::function<void(Engine&)>& on_open = {});

}  // namespace holdfast
