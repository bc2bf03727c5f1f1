// The floor: what any HTTP server with durable answers pays on this machine. A bare Beast server on one I/O thread that
// appends each POST body to one preallocated log, syncs once for all that waited, and answers then. No sessions, no
// ids, no index, no recovery: whatever does more is measured against it.
//
//     floor PORT LOGFILE       0: a free port; its first line says which
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr off_t kReserve = 256 << 20;  // sizes are set ahead, so that a sync writes data only

class Connection;

// Appends from the I/O thread; one writer syncs for all that have come meanwhile.
class Log {
 public:
  Log(asio::io_context& context, const char* path)
      : context_(context), fd_(::open(path, O_CREAT | O_RDWR | O_TRUNC, 0644)) {
    if (fd_ < 0) std::abort();
    std::thread([this] { run(); }).detach();
  }

  void append(std::string_view record, std::shared_ptr<Connection> waiting) {
    const std::lock_guard lock(mutex_);
    open_.append(record);
    open_ += '\n';
    waiting_.push_back(std::move(waiting));
    if (waiting_.size() == 1) wake_.notify_one();
  }

 private:
  [[noreturn]] void run();
  void write(const std::string& records) {
    const auto size = static_cast<off_t>(records.size());
    if (end_ + size > reserved_) {
      reserved_ += kReserve;
      if (::posix_fallocate(fd_, 0, reserved_) != 0 || ::fsync(fd_) != 0) std::abort();
    }
    if (::pwrite(fd_, records.data(), records.size(), end_) != size || ::fdatasync(fd_) != 0) std::abort();
    end_ += size;
  }

  asio::io_context& context_;
  const int fd_;
  off_t end_ = 0;
  off_t reserved_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string open_;
  std::vector<std::shared_ptr<Connection>> waiting_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Log& log) : socket_(std::move(socket)), log_(log) {}

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = shared_from_this()](beast::error_code ec, std::size_t) {
      if (!ec) self->log_.append(self->request_.body(), self);
    });
  }

  void answer() {
    response_ = {http::status::ok, 11};
    response_.set(http::field::content_type, "application/json");
    response_.keep_alive(request_.keep_alive());
    response_.body() = "{\"ok\":true}";
    response_.prepare_payload();
    http::async_write(socket_, response_, [self = shared_from_this()](beast::error_code ec, std::size_t) {
      if (!ec && self->response_.keep_alive()) self->read();
    });
  }

 private:
  tcp::socket socket_;
  Log& log_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

void Log::run() {
  std::string records;
  std::vector<std::shared_ptr<Connection>> synced;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !waiting_.empty(); });
      records.swap(open_);
      synced.swap(waiting_);
    }
    write(records);
    records.clear();
    asio::post(context_, [connections = std::move(synced)] {
      for (const auto& connection : connections) connection->answer();
    });
    synced = {};
  }
}

void accept(tcp::acceptor& acceptor, Log& log) {
  acceptor.async_accept([&](beast::error_code ec, tcp::socket socket) {
    if (!ec) {
      socket.set_option(tcp::no_delay(true));
      std::make_shared<Connection>(std::move(socket), log)->read();
    }
    accept(acceptor, log);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: floor PORT LOGFILE\n"), 2;
  asio::io_context context(1);
  Log log(context, argv[2]);
  tcp::acceptor acceptor(context,
                         {asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(std::atoi(argv[1]))});
  std::printf("listening on http://127.0.0.1:%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  accept(acceptor, log);
  context.run();
}
