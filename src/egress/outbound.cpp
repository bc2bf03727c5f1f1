#include "src/egress/outbound.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace holdfast::egress {
namespace {

// A part of a URL; empty when it has none.
std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

// libcurl reads more as a URL than RFC 3986 has: a host after one slash or three, an empty user name.
bool well_formed(std::string_view url) {
  const auto colon = url.find(':');
  if (colon == std::string_view::npos || url.find('\0') != std::string_view::npos) return false;
  url.remove_prefix(colon + 1);
  if (!url.starts_with("//")) return false;
  url.remove_prefix(2);
  const auto authority = url.substr(0, url.find_first_of("/?#"));
  return !authority.empty() && authority.find_first_of("@\\") == std::string_view::npos;
}

}  // namespace

std::optional<std::string> origin_of(std::string_view url) {
  if (!well_formed(url)) return std::nullopt;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  const auto scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  auto host = part_of(parsed.get(), CURLUPART_HOST);
  if ((scheme != "http" && scheme != "https") || host.empty()) return std::nullopt;
  std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return std::tolower(c); });
  return scheme + "://" + host + ":" + part_of(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

}  // namespace holdfast::egress
