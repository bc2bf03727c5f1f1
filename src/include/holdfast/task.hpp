// Task: what a handler of an object returns. Either a value that is there already, or a C++20 coroutine that gets
// there.
//
//     Task<Reply> on_request(Context&, const Request&) override { return Reply::text("at once"); }
//
//     Task<Reply> on_request(Context& ctx, const Request&) override {
//       co_await ctx.sleep(100);
//       auto reply = co_await ctx.call({"counter", "one"}, {"GET", "/value", ""});
//       co_return reply ? std::move(*reply) : Reply::text("no counter", 502);
//     }
//
// A coroutine may await other Tasks and what its Context offers; nothing else. It runs when it is awaited. Destroying a
// Task that waits ends it at its await: its locals are destroyed, nothing more of it runs.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace holdfast {

template <class T = void>
class Task;

namespace detail {

struct TaskPromiseBase {
  struct End {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      return ended.promise().awaiter;
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] End final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  std::coroutine_handle<> awaiter = std::noop_coroutine();
  std::exception_ptr thrown;
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  [[nodiscard]] Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  std::optional<T> value;
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  [[nodiscard]] Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

// The coroutine behind a Task, if there is one.
template <class T>
class TaskHandle {
 public:
  using Handle = std::coroutine_handle<TaskPromise<T>>;
  TaskHandle() noexcept = default;
  explicit TaskHandle(Handle handle) noexcept : handle_(handle) {}
  TaskHandle(TaskHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  TaskHandle& operator=(TaskHandle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~TaskHandle() {
    if (handle_) handle_.destroy();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  [[nodiscard]] const Handle& get() const noexcept { return handle_; }

 private:
  Handle handle_;
};

template <class T>
class TaskBase {
 public:
  // Whether there is nothing to wait for.
  [[nodiscard]] bool done() const noexcept { return !coroutine_ || coroutine_.get().done(); }
  // Runs a task that nobody awaits until it waits for something or is done. For whoever drives handlers.
  void start() const { coroutine_.get().resume(); }

  [[nodiscard]] bool await_ready() const noexcept { return done(); }
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) const noexcept {
    coroutine_.get().promise().awaiter = awaiter;
    return coroutine_.get();
  }

 protected:
  TaskBase() noexcept = default;
  explicit TaskBase(typename TaskHandle<T>::Handle handle) noexcept : coroutine_(handle) {}
  void rethrow() const {
    if (coroutine_ && coroutine_.get().promise().thrown) std::rethrow_exception(coroutine_.get().promise().thrown);
  }
  TaskHandle<T> coroutine_;
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task : public detail::TaskBase<T> {
 public:
  using promise_type = detail::TaskPromise<T>;
  template <class U = T,
            class = std::enable_if_t<std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Task>>>
  Task(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT: `return reply;` is the short form of a handler

  // What it came to; throws what it threw. Once, when done().
  [[nodiscard]] T take() {
    this->rethrow();
    return std::move(value_ ? *value_ : *this->coroutine_.get().promise().value);
  }
  [[nodiscard]] T await_resume() { return take(); }

 private:
  friend promise_type;
  explicit Task(typename detail::TaskHandle<T>::Handle handle) noexcept : detail::TaskBase<T>(handle) {}
  std::optional<T> value_;
};

template <>
class [[nodiscard]] Task<void> : public detail::TaskBase<void> {
 public:
  using promise_type = detail::TaskPromise<void>;
  Task() noexcept = default;  // done
  void take() const { rethrow(); }
  void await_resume() const { rethrow(); }

 private:
  friend promise_type;
  explicit Task(detail::TaskHandle<void>::Handle handle) noexcept : detail::TaskBase<void>(handle) {}
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace detail
}  // namespace holdfast
