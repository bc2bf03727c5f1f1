// An engine that another process does harm to; for `holdfast torture`.
#pragma once

#include <filesystem>
#include <holdfast/engine.hpp>

namespace holdfast {

// As Engine::open. The files of the store fail, and the wall clock jumps, as the block in `fault_control` says
// (storage/fault_control.hpp); empty: there is no such thing. Errors: also invalid_request for that file.
[[nodiscard]] Result<std::unique_ptr<Engine>> open_with_faults(Options options,
                                                               const std::filesystem::path& fault_control);

}  // namespace holdfast
