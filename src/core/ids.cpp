#include "src/core/ids.hpp"

#include <algorithm>
#include <array>

#include "src/core/crypto.hpp"

namespace holdfast {
namespace {

constexpr std::uint64_t kPositionBits = 40;
constexpr std::uint64_t kLowRandomBits = 62 - kPositionBits;

constexpr bool alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool of_a_name(char c) noexcept {
  static constexpr auto kOfAName = [] {
    std::array<bool, 256> of{};
    for (const unsigned char sign : std::string_view("._~:-")) of[sign] = true;
    for (std::size_t i = 0; i < of.size(); ++i) of[i] = of[i] || alphanumeric(static_cast<char>(i));
    return of;
  }();
  return kOfAName[static_cast<unsigned char>(c)];
}

void append_hex(std::string& out, std::uint64_t value) {
  std::array<char, 8> bytes;
  for (std::size_t i = bytes.size(); i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value);
  holdfast::append_hex(out, {bytes.data(), bytes.size()});
}

// RFC 9562: 48 bits of ms, version 7, 12 bits, variant 10, 62 bits.
std::string uuid7(std::string_view prefix, Time now, std::uint64_t twelve, std::uint64_t sixty_two) {
  std::string id;
  id.reserve(prefix.size() + 32);
  id += prefix;
  append_hex(id, (static_cast<std::uint64_t>(now) << 16) | 0x7000 | (twelve & 0xfff));
  append_hex(id, (std::uint64_t{2} << 62) | (sixty_two & ((std::uint64_t{1} << 62) - 1)));
  return id;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept {
  std::uint64_t value = 0;
  for (const char c : text) {
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && (c < 'a' || c > 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(decimal ? c - '0' : c - 'a' + 10);
  }
  return value;
}

}  // namespace

bool valid_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128 || !alphanumeric(text.front())) return false;
  return std::all_of(text.begin(), text.end(), of_a_name);
}

Result<ObjectId> ObjectId::parse(std::string project, std::string name) {
  if (!valid_name(name))
    return fail(ErrorCode::invalid_name,
                "a session name starts with a letter or digit and goes on with letters, digits and . _ ~ : - , at most "
                "128 characters");
  return ObjectId{std::move(project), std::move(name)};
}

std::string mint_id(std::string_view prefix, Time now, Random& random) {
  std::array<std::uint64_t, 2> bits{};
  random.fill(std::as_writable_bytes(std::span(bits)));
  return uuid7(prefix, now, bits[0], bits[1]);
}

std::string mint_message_id(Time now, std::uint64_t position, Random& random) {
  const std::uint64_t bits = random.next();
  const std::uint64_t low = bits & ((std::uint64_t{1} << kLowRandomBits) - 1);
  return uuid7("msg_", now, bits >> 52, position << kLowRandomBits | low);
}

std::optional<std::uint64_t> position_in(std::string_view id) noexcept {
  constexpr std::string_view kPrefix = "msg_";
  if (id.size() != kPrefix.size() + 32 || !id.starts_with(kPrefix)) return std::nullopt;
  id.remove_prefix(kPrefix.size());
  const auto high = parse_hex(id.substr(0, 16));
  const auto low = parse_hex(id.substr(16));
  if (!high || !low || ((*high >> 12) & 0xf) != 7 || *low >> 62 != 2) return std::nullopt;
  return (*low & ((std::uint64_t{1} << 62) - 1)) >> kLowRandomBits;
}

}  // namespace holdfast
