// IndexWord: what the index of ids holds for one id, in 64 bits that are read and replaced at once.
//
// The low 40 bits are the number of the id's newest version plus 1. Above them stands where its row is: 0
// says that the id was removed, 1 that the version tells, any other c that it is the version's number plus
// c - 2^23. Rows are claimed as versions are made, so the two differ by little, and a look into a view
// that shows the newest version touches the word and the row, and nothing else.
#pragma once

#include <cstdint>

#include "vector/version_table.hpp"

namespace quire::vector {

// A value. 0 is the word of an id that was never written.
class IndexWord {
 public:
  IndexWord() = default;
  explicit IndexWord(std::uint64_t word) noexcept : word_(word) {}
  // Of version `number`, which is below 2^40 - 1 and put its id into `row`, or removed it (kNoRow).
  IndexWord(std::uint64_t number, std::uint64_t row) noexcept {
    std::uint64_t where = row - number + kSameNumber;
    if (row == kNoRow) {
      where = kRemoved;
    } else if (where <= kVersionTells || where >= 2 * kSameNumber) {
      where = kVersionTells;
    }
    word_ = (number + 1) | where << kNumberBits;
  }

  std::uint64_t value() const noexcept { return word_; }
  // The number of the version plus 1; 0 if there is none.
  std::uint64_t version() const noexcept { return word_ & ((std::uint64_t{1} << kNumberBits) - 1); }
  bool is_put() const noexcept { return word_ >> kNumberBits != kRemoved; }
  // The row of a put. Only a row that is far from its version is asked of the table.
  std::uint64_t row(const VersionTable& versions) const noexcept {
    const std::uint64_t where = word_ >> kNumberBits;
    return where > kVersionTells ? version() - 1 + where - kSameNumber
                                 : versions.row(version() - 1);
  }
  bool tells_row() const noexcept { return word_ >> kNumberBits > kVersionTells; }

 private:
  static constexpr unsigned kNumberBits = 40;
  static constexpr std::uint64_t kRemoved = 0;
  static constexpr std::uint64_t kVersionTells = 1;
  static constexpr std::uint64_t kSameNumber = std::uint64_t{1} << 23U;

  std::uint64_t word_ = 0;
};

}  // namespace quire::vector
