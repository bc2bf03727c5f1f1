// Task: one piece of work that is handed to an I/O thread, mostly by another one. It carries its own link, so that
// handing it over allocates nothing.
#pragma once

#include <memory>

namespace holdfast::http {

class Task {
 public:
  virtual ~Task() = default;
  virtual void run() = 0;  // on the I/O thread; the task is destroyed afterwards

 private:
  friend class IoThread;
  std::unique_ptr<Task> next_;
};

}  // namespace holdfast::http
