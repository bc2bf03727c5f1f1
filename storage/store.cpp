#include "storage/store.hpp"

namespace holdfast {

std::string_view name_of(Family family) noexcept {
  switch (family) {
    case Family::objects: return "objects";
    case Family::journal: return "journal";
    case Family::streams: return "streams";
    case Family::vault: return "vault";
    case Family::index: return "index";
    case Family::system: return "system";
  }
  return "unknown";
}

}  // namespace holdfast
