// Replay: goes through the records of a coverage journal, from the first to where they end.
#pragma once

#include <cstdint>

#include "os/file_system.hpp"
#include "quire/error.hpp"
#include "ranged/coverage_format.hpp"
#include "ranged/interval_set.hpp"

namespace quire::ranged {

// Thread-compatible.
class Replay {
 public:
  // Errors: corrupt (a record is damaged, or one before it), truncated, io.
  [[nodiscard]] static Result<Replay> run(os::File& journal, const JournalHeader& header);

  // How many records count, and how many of them were surely durable before.
  std::uint64_t records() const noexcept { return records_; }
  std::uint64_t durable() const noexcept { return durable_; }
  // What they list.
  const IntervalSet& written() const noexcept { return written_; }
  IntervalSet take_written() noexcept { return std::move(written_); }
  // The file may have any size from the one to the other: a growth may have been cut short.
  bool allows_size(std::uint64_t size) const noexcept {
    return size >= size_before_ && size <= size_after_;
  }

 private:
  explicit Replay(const JournalHeader& header) noexcept
      : salt_(header.salt), size_before_(header.size), size_after_(header.size) {}

  bool take(std::uint64_t number, std::span<const std::byte> bytes);
  bool apply(const JournalRecord& record);

  std::uint64_t salt_;
  std::uint64_t size_before_;
  std::uint64_t size_after_;
  IntervalSet written_;
  std::uint64_t records_ = 0;
  std::uint64_t durable_ = 0;
};

}  // namespace quire::ranged
