#include "src/egress/curl_client.hpp"

#include <curl/curl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace holdfast::egress {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 1'000;
constexpr long kConnectMs = 10'000;
constexpr std::size_t kHeadBytesMax = 64 * 1024;  // of the answers' status lines and headers
constexpr int kTemporaryRedirect = 307;
constexpr int kPermanentRedirect = 308;

// libcurl's own global state, once a process.
void curl_start() {
  static const auto kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)kStarted;
}

bool sendable(const std::pair<std::string, std::string>& header) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const auto& [name, value] = header;
  if (name.empty() || name.find_first_not_of(kToken) != std::string::npos) return false;
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

// What may go to another origin than the one that was asked for: nothing that could be a secret of its owner.
bool travels(const std::string& name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == "content-type" || lower == "user-agent" || lower == "traceparent" || lower.starts_with("webhook-");
}

struct Call {
  const CurlClient::Settings* settings = nullptr;
  Request request;
  std::function<void(Outcome)> done;
  Clock::time_point deadline;
  std::string origin;
  std::string answer;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  int redirects = 0;
  std::size_t head_bytes = 0;
  bool refused = false;
  bool too_large = false;
  std::array<char, CURL_ERROR_SIZE> said{};

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { let_go(); }
  void let_go() noexcept {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    easy = nullptr;
    headers = nullptr;
  }
};

curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& call = *static_cast<Call*>(user);
  if (!permitted(address->addr, call.settings->allow)) {
    call.refused = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t take_answer(char* data, std::size_t, std::size_t size, void* user) {
  auto& call = *static_cast<Call*>(user);
  if (call.answer.size() + size > call.request.answer_bytes_max) {
    call.too_large = true;
    return 0;
  }
  call.answer.append(data, size);
  return size;
}

std::size_t take_head(char*, std::size_t, std::size_t size, void* user) {
  auto& call = *static_cast<Call*>(user);
  call.head_bytes += size;
  if (call.head_bytes <= kHeadBytesMax) return size;
  call.too_large = true;
  return 0;
}

Failure failure_of(const Call& call, CURLcode code) {
  const std::string said = call.said[0] != '\0' ? call.said.data() : curl_easy_strerror(code);
  if (call.too_large)
    return {Fault::answer_too_large, "the answer is over " + std::to_string(call.request.answer_bytes_max) +
                                         " bytes, or its headers over " + std::to_string(kHeadBytesMax)};
  if (code == CURLE_URL_MALFORMAT) return {Fault::invalid_url, said};
  if (code == CURLE_OPERATION_TIMEDOUT) return {Fault::timed_out, said};
  if (call.refused)
    return {Fault::target_refused, call.origin + " is a private address; name its network in egress_allow to reach it"};
  return {Fault::unreachable, said};
}

}  // namespace

class CurlClient::Impl {
 public:
  explicit Impl(Settings settings) : settings_(std::move(settings)) {
    curl_start();
    multi_ = curl_multi_init();
    const auto connections = static_cast<long>(settings_.connections_max);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);
    thread_ = std::thread([this] { run(); });
  }
  ~Impl() {
    close();
    curl_multi_cleanup(multi_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void post(Request request, std::function<void(Outcome)> done) {
    auto call = std::make_unique<Call>();
    call->settings = &settings_;
    call->deadline = Clock::now() + std::chrono::milliseconds(request.timeout_ms);
    call->request = std::move(request);
    call->done = std::move(done);
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) {
        arriving_.push_back(std::move(call));
        curl_multi_wakeup(multi_);
        return;
      }
    }
    call->done(tl::unexpected(Failure{Fault::closed, "the client is closed"}));
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    curl_multi_wakeup(multi_);
    const std::lock_guard joining(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    ::pthread_setname_np(::pthread_self(), "hf-egress");
    while (take_in()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      reap();
      expire();
      curl_multi_poll(multi_, nullptr, 0, poll_ms(), nullptr);
    }
    for (auto& [easy, call] : calls_) {
      curl_multi_remove_handle(multi_, easy);
      call->let_go();
      call->done(tl::unexpected(Failure{Fault::closed, "the client was closed"}));
    }
    calls_.clear();
    deadlines_.clear();
  }

  // Starts what has arrived. False: the client is closed.
  bool take_in() {
    std::deque<std::unique_ptr<Call>> arrived;
    bool open = true;
    {
      const std::lock_guard lock(mutex_);
      arrived.swap(arriving_);
      open = !closed_;
    }
    for (auto& call : arrived) start(std::move(call));
    return open;
  }

  void start(std::unique_ptr<Call> call) {
    auto& request = call->request;
    const auto origin = origin_of(request.url);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(call->deadline - Clock::now()).count();
    if (!origin) return end(*call, Failure{Fault::invalid_url, "this is no http or https URL with a host"});
    if (left <= 0) return end(*call, Failure{Fault::timed_out, "the time was over before it was sent"});
    if (!call->origin.empty() && call->origin != *origin)
      std::erase_if(request.headers, [](const auto& header) { return !travels(header.first); });
    call->origin = *origin;
    call->answer.clear();
    call->head_bytes = 0;
    call->refused = false;
    call->said[0] = '\0';
    for (const auto& header : request.headers) {
      if (!sendable(header))
        return end(*call, Failure{Fault::invalid_url, "a header has a name or a value that cannot be sent"});
      // "Name;" is how libcurl spells a header without a value.
      const auto line = header.second.empty() ? header.first + ";" : header.first + ": " + header.second;
      call->headers = curl_slist_append(call->headers, line.c_str());
    }
    call->headers = curl_slist_append(call->headers, "Expect:");
    CURL* easy = call->easy = curl_easy_init();
    const auto set = [easy](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");  // none, whatever the environment says: a proxy would resolve names behind the guard's back
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_HTTPHEADER, call->headers);
    set(CURLOPT_USERAGENT, settings_.user_agent.c_str());
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(left));
    set(CURLOPT_CONNECTTIMEOUT_MS, std::min(static_cast<long>(left), kConnectMs));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // who gives up on a slow name does not wait for its resolver: all calls would
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!settings_.ca_file.empty()) {
      set(CURLOPT_CAINFO, settings_.ca_file.c_str());
      set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // instead of the system's, not besides them
    }
    set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set(CURLOPT_OPENSOCKETDATA, call.get());
    set(CURLOPT_WRITEFUNCTION, &take_answer);
    set(CURLOPT_WRITEDATA, call.get());
    set(CURLOPT_HEADERFUNCTION, &take_head);
    set(CURLOPT_HEADERDATA, call.get());
    set(CURLOPT_ERRORBUFFER, call->said.data());
    curl_multi_add_handle(multi_, easy);
    deadlines_.emplace(call->deadline, easy);
    calls_.emplace(easy, std::move(call));
  }

  void reap() {
    int left = 0;
    while (const auto* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto code = message->data.result;
      finish(take_out(message->easy_handle), code);
    }
  }

  // libcurl's own clock of a call stands still while the call waits for a connection.
  void expire() {
    while (!deadlines_.empty() && deadlines_.begin()->first <= Clock::now())
      end(*take_out(deadlines_.begin()->second), Failure{Fault::timed_out, "the time was over"});
  }

  // Until the next call's time is over.
  int poll_ms() const {
    if (deadlines_.empty()) return kPollMs;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadlines_.begin()->first - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, kPollMs));
  }

  std::unique_ptr<Call> take_out(CURL* easy) {
    auto call = std::move(calls_.extract(easy).mapped());
    deadlines_.erase({call->deadline, easy});
    curl_multi_remove_handle(multi_, easy);
    return call;
  }

  void finish(std::unique_ptr<Call> call, CURLcode code) {
    if (code != CURLE_OK) return end(*call, failure_of(*call, code));
    long status = 0;
    curl_off_t retry_after_s = 0;
    char* next = nullptr;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &next);
    if ((status == kTemporaryRedirect || status == kPermanentRedirect) && next != nullptr)
      return redirect(std::move(call), next);
    constexpr curl_off_t kRetryAfterMaxS = 30 * 86'400;
    end(*call, Answer{static_cast<int>(status), std::clamp<curl_off_t>(retry_after_s, 0, kRetryAfterMaxS) * 1'000,
                      std::move(call->answer)});
  }

  void redirect(std::unique_ptr<Call> call, const std::string& to) {
    if (++call->redirects > settings_.redirects_max)
      return end(*call,
                 Failure{Fault::invalid_url, "more than " + std::to_string(settings_.redirects_max) + " redirects"});
    if (call->origin.starts_with("https:") && origin_of(to).value_or(std::string()).starts_with("http:"))
      return end(*call, Failure{Fault::target_refused, "a redirect from https to http is not followed"});
    call->request.url = to;
    call->let_go();
    start(std::move(call));
  }

  static void end(Call& call, Outcome outcome) {
    call.let_go();
    call.done(std::move(outcome));
  }
  static void end(Call& call, Failure failure) { end(call, Outcome(tl::unexpected(std::move(failure)))); }

  const Settings settings_;
  CURLM* multi_ = nullptr;
  // Both of thread_: the calls that libcurl has, and when the time of each is over.
  std::map<CURL*, std::unique_ptr<Call>> calls_;
  std::set<std::pair<Clock::time_point, CURL*>> deadlines_;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Call>> arriving_;
  bool closed_ = false;
  std::mutex join_mutex_;
  std::thread thread_;
};

CurlClient::CurlClient(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
CurlClient::~CurlClient() = default;
void CurlClient::post(Request request, std::function<void(Outcome)> done) {
  impl_->post(std::move(request), std::move(done));
}
void CurlClient::close() { impl_->close(); }

}  // namespace holdfast::egress
