#include "src/core/crypto.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "src/core/check.hpp"

namespace holdfast {
namespace {

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> bad_file(const std::string& path, std::string_view why) {
  return fail(ErrorCode::invalid_request, "secret file " + path + ": " + std::string(why));
}

// Writes a new key beside `path` and links it into place: of two processes that race, one wins and both read its key.
Result<void> create_key(const std::string& path, Random& random) {
  std::array<std::byte, 32> key{};
  random.fill(key);
  const std::string temporary = path + ".new." + std::to_string(::getpid());
  {
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd() < 0) return bad_file(path, std::string("cannot be created: ") + std::strerror(errno));
    const bool written =
        ::write(file.fd(), key.data(), key.size()) == static_cast<ssize_t>(key.size()) && ::fsync(file.fd()) == 0;
    sodium_memzero(key.data(), key.size());
    if (!written) {
      ::unlink(temporary.c_str());
      return bad_file(path, std::string("cannot be written: ") + std::strerror(errno));
    }
  }
  const int linked = ::link(temporary.c_str(), path.c_str());
  const int reason = errno;
  ::unlink(temporary.c_str());
  if (linked != 0 && reason != EEXIST)
    return bad_file(path, std::string("cannot be created: ") + std::strerror(reason));
  const auto slash = path.find_last_of('/');
  const File directory(
      ::open(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_CLOEXEC));
  if (directory.fd() < 0 || ::fsync(directory.fd()) != 0) return bad_file(path, "its directory cannot be synced");
  return {};
}

}  // namespace

void crypto_start() { HOLDFAST_CHECK(sodium_init() >= 0); }

// OpenSSL uses the processor's SHA instructions, five times as fast as libsodium here; fetching the algorithm and
// making a context cost as much as hashing a message, so a thread keeps both.
std::string sha256(std::string_view data) {
  struct Hasher {
    EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    Hasher() = default;
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;
    ~Hasher() {
      EVP_MD_CTX_free(context);
      EVP_MD_free(algorithm);
    }
  };
  thread_local const Hasher hasher;
  std::string out(crypto_hash_sha256_BYTES, '\0');
  HOLDFAST_CHECK(EVP_DigestInit_ex2(hasher.context, hasher.algorithm, nullptr) == 1 &&
                 EVP_DigestUpdate(hasher.context, data.data(), data.size()) == 1 &&
                 EVP_DigestFinal_ex(hasher.context, bytes(out), nullptr) == 1);
  return out;
}

void append_hex(std::string& out, std::string_view raw) {
  static constexpr auto kPairs = [] {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {kDigits[byte >> 4], kDigits[byte & 0xf]};
    return pairs;
  }();
  const auto from = out.size();
  out.resize(from + raw.size() * 2);
  char* to = out.data() + from;
  for (const char c : raw) to = std::copy_n(kPairs[static_cast<unsigned char>(c)].data(), 2, to);
}

std::string to_hex(std::string_view raw) {
  std::string out;
  append_hex(out, raw);
  return out;
}

std::optional<std::string> from_hex(std::string_view hex) {
  std::string out(hex.size() / 2, '\0');
  std::size_t length = 0;
  if (hex.size() % 2 != 0 ||
      sodium_hex2bin(bytes(out), out.size(), hex.data(), hex.size(), nullptr, &length, nullptr) != 0 ||
      length != out.size())
    return std::nullopt;
  return out;
}

std::string to_base64(std::string_view raw) {
  std::string out(sodium_base64_encoded_len(raw.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes(raw), raw.size(), sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // the terminating zero
  return out;
}

std::string to_base64url(std::string_view raw) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string out(sodium_base64_encoded_len(raw.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes(raw), raw.size(), kVariant);
  out.pop_back();  // the terminating NUL
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(bytes(out), out.size(), text.data(), text.size(), nullptr, &length, &end,
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      end != text.data() + text.size())
    return std::nullopt;
  out.resize(length);
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Key32 derive_key(const Key32& master, std::uint64_t id, std::string_view context) {
  HOLDFAST_CHECK(context.size() == crypto_kdf_CONTEXTBYTES);
  Key32 key{};
  crypto_kdf_derive_from_key(key.data(), key.size(), id, context.data(), master.data());
  return key;
}

std::string seal(const Key32& key, std::string_view plain, std::string_view bound_to, Random& random) {
  constexpr auto kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  std::string out(kNonce + plain.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES, '\0');
  random.fill(std::as_writable_bytes(std::span(out.data(), kNonce)));
  unsigned long long length = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes(out) + kNonce, &length, bytes(plain), plain.size(), bytes(bound_to),
                                             bound_to.size(), nullptr, bytes(out), key.data());
  out.resize(kNonce + length);
  return out;
}

std::optional<std::string> unseal(const Key32& key, std::string_view sealed, std::string_view bound_to) {
  constexpr std::size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  constexpr std::size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;
  if (sealed.size() < kNonce + kTag) return std::nullopt;
  std::string plain(sealed.size() - kNonce - kTag, '\0');
  unsigned long long length = 0;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes(plain), &length, nullptr, bytes(sealed) + kNonce,
                                                 sealed.size() - kNonce, bytes(bound_to), bound_to.size(),
                                                 bytes(sealed), key.data()) != 0)
    return std::nullopt;
  return plain;
}

Signer::Signer(const Key32& seed) : public_(crypto_sign_PUBLICKEYBYTES, '\0') {
  crypto_sign_seed_keypair(bytes(public_), secret_.data(), seed.data());
}

std::string Signer::sign(std::string_view message) const {
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(bytes(signature), nullptr, bytes(message), message.size(), secret_.data());
  return signature;
}

std::string Signer::key_id() const { return "rk_" + to_hex(sha256(public_).substr(0, 8)); }

bool verify(std::string_view public_key, std::string_view message, std::string_view signature) noexcept {
  return public_key.size() == crypto_sign_PUBLICKEYBYTES && signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(bytes(signature), bytes(message), message.size(), bytes(public_key)) == 0;
}

Result<std::string> read_secret_file(const std::string& path, std::size_t bytes_max) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return bad_file(path, std::string("cannot be read: ") + std::strerror(errno));
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return bad_file(path, "is not a regular file");
  if ((info.st_mode & 077) != 0) return bad_file(path, "can be read or written by others; run: chmod 600 " + path);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > bytes_max) return bad_file(path, "holds more than " + std::to_string(bytes_max) + " bytes");
  std::string content(size, '\0');
  if (::read(file.fd(), content.data(), size) != static_cast<ssize_t>(size))
    return bad_file(path, "cannot be read whole");
  return content;
}

Result<Key32> load_key_file(const std::string& path, IfMissing if_missing, Random& random) {
  if (::access(path.c_str(), F_OK) != 0) {
    if (if_missing == IfMissing::refuse)
      return bad_file(path, "is not there; create it with 32 random bytes and mode 0600");
    if (auto ok = create_key(path, random); !ok) return tl::unexpected(std::move(ok.error()));
  }
  auto content = read_secret_file(path);
  if (!content) return tl::unexpected(std::move(content.error()));
  Key32 key{};
  if (content->size() != key.size())
    return bad_file(path, "must hold exactly 32 bytes, and holds " + std::to_string(content->size()));
  std::copy(content->begin(), content->end(), key.begin());
  sodium_memzero(content->data(), content->size());
  return key;
}

}  // namespace holdfast
