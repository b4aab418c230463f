// Ranged files on a simulated disk and on the real one, and what tests say about them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/simulated_file_system.hpp"
#include "quire/ranged_file.hpp"
#include "ranged/coverage_journal.hpp"
#include "ranged/ranged_access.hpp"

namespace quire::ranged {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? ErrorCode::outcome_unknown : result.error().code();
}

// The message of the error.
template <class T>
std::string message_of(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? "" : result.error().message();
}

class RangedFileTest : public testing::Test {
 protected:
  using Disk = os::SimulatedFileSystem;
  static constexpr const char* kPath = "/file";
  static constexpr const char* kJournal = "/file.quire-coverage";
  inline static const RangedFileOptions kResume{.resume = true};

  RangedFile create(std::uint64_t size, const RangedFileOptions& options = {}) {
    return RangedAccess::create(disk_, kPath, size, options).value();
  }
  Result<RangedFile> open(const RangedFileOptions& options = {},
                          Access access = Access::read_write) {
    return RangedAccess::open(disk_, kPath, access, options);
  }
  // Of the file as it is now, from outside.
  std::string content(std::uint64_t offset, std::uint64_t length) {
    auto file = disk_.open(kPath, os::OpenMode::read, 0).value();
    std::vector<std::byte> bytes(length);
    EXPECT_TRUE(file->read_exactly(offset, bytes));
    return text(bytes);
  }
  bool exists(const std::string& path) { return disk_.info(path).has_value(); }
  // Fails the next call of this kind on a file whose path ends so, once.
  void fail_next(const std::string& operation, int errno_value, const std::string& path_end = "") {
    auto spent = std::make_shared<bool>(false);
    disk_.set_hook([=](const os::SimulatedCall& call) {
      const bool now = !*spent && operation == call.operation && call.path.ends_with(path_end);
      *spent = *spent || now;
      return os::SimulatedOutcome{.fail_with = now ? errno_value : 0};
    });
  }

  os::Random random_{20261121};
  Disk disk_;
};

// `written` and `missing` as "0+10 20+5".
inline std::string list(const std::vector<ByteRange>& ranges) {
  std::string line;
  for (const ByteRange range : ranges) {
    if (!line.empty()) line += ' ';
    line += std::to_string(range.offset);
    line += '+';
    line += std::to_string(range.length);
  }
  return line;
}

}  // namespace quire::ranged
