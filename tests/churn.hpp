// A history of batches that follows from a number: batch n of churn S is the same wherever it is asked for. So
// who knows S and the number of a store's last batch knows all that the store must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "quire/read_view.hpp"

namespace quire::tests {

// Single-thread.
class Churn {
 public:
  // What a batch does to each id: the mark of the vector it puts, or nothing if it removes.
  using Changes = std::map<std::uint64_t, std::optional<std::uint64_t>>;

  Churn(std::uint64_t seed, std::uint64_t ids) : seed_(seed), ids_(ids) {}

  std::uint64_t lsn() const { return lsn_; }
  std::size_t size() const { return marks_.size(); }

  // Goes on by one batch, and says which. It has a put at least, so that no store takes it for nothing.
  Changes next() {
    std::mt19937_64 random(seed_ * 0x9e3779b97f4a7c15ULL + ++lsn_);
    const std::uint64_t kind = random() % 100;
    // Most are small; some are large enough to go past the log.
    const std::uint64_t count = kind < 90 ? 1 + random() % 8 : 100 + random() % 200;
    Changes changes;
    for (std::uint64_t i = 0; i < count / 3; ++i) changes[random() % ids_] = std::nullopt;
    for (std::uint64_t i = count / 3; i < count; ++i) changes[random() % ids_] = random();
    for (const auto& [id, mark] : changes) {
      if (mark) {
        marks_[id] = *mark;
      } else {
        marks_.erase(id);
      }
    }
    return changes;
  }

  void go_to(std::uint64_t lsn) {
    while (lsn_ < lsn) ignore(next());
  }

  // A vector that no other put has, unless by a chance of 2^-64.
  static std::vector<std::byte> vector_of(std::uint64_t mark, std::size_t bytes) {
    std::vector<std::byte> vector(bytes);
    std::mt19937_64 random(mark);
    for (std::size_t i = 0; i < bytes; ++i) vector[i] = static_cast<std::byte>(random() >> 17U);
    return vector;
  }

  // What is wrong with a view that must show the churn as it is now; empty if nothing is.
  std::string difference(const ReadView& view, std::size_t row_bytes) const {
    if (view.lsn() != lsn_) {
      return "the view is of batch " + std::to_string(view.lsn()) + ", not " + std::to_string(lsn_);
    }
    for (const auto& [id, mark] : marks_) {
      const auto row = view.find_bytes(id);
      if (!row) return "id " + std::to_string(id) + " is missing";
      const auto wanted = vector_of(mark, row_bytes);
      if (!std::equal(row->begin(), row->end(), wanted.begin(), wanted.end())) {
        return "id " + std::to_string(id) + " has a vector that was not put last";
      }
    }
    if (view.size() == marks_.size()) return "";
    return std::to_string(view.size()) + " vectors, not " + std::to_string(marks_.size());
  }

 private:
  static void ignore(const Changes&) {}

  std::uint64_t seed_;
  std::uint64_t ids_;
  std::uint64_t lsn_ = 0;
  std::map<std::uint64_t, std::uint64_t> marks_;  // of the live ids
};

}  // namespace quire::tests
