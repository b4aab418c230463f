// A second process, for tests of what processes do to each other.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace quire::mapped {

// Runs `story`, a function that returns whether all was well, beside the test. The story must open
// what it uses itself, and cannot use gtest's assertions.
class AnotherProcess {
 public:
  template <class Story>
  explicit AnotherProcess(Story story) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::signal(SIGBUS, SIG_DFL);
    ::alarm(120);  // a story that hangs has failed
    ::_exit(story() ? 0 : 1);
  }
  AnotherProcess(const AnotherProcess&) = delete;
  AnotherProcess& operator=(const AnotherProcess&) = delete;
  ~AnotherProcess() {
    if (pid_ > 0) {
      EXPECT_EQ(end(), 0) << "the other process failed";
    }
  }

  // Waits for the end; the status is that of waitpid.
  int end() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

}  // namespace quire::mapped
