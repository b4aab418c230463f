// OrderedRows: the rows of a view in ascending order of their ids, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vector/view_state.hpp"

namespace quire::vector {

// Goes over the versions once for each `most` ids: it keeps the smallest that it has not given yet.
// Single-thread. Borrows the view.
class OrderedRows {
 public:
  struct Entry {
    std::uint64_t id;
    std::uint64_t version;  // number in the view's version table
  };
  // 64 MiB of candidates, as twice as many are gathered.
  static constexpr std::size_t kMost = std::size_t{1} << 21;

  explicit OrderedRows(const ViewState& view, std::size_t most = kMost)
      : view_(view), most_(most), left_(view.live) {}

  // The next entries, ascending, at most `most`; none at the end. Valid until the next call.
  [[nodiscard]] std::span<const Entry> next();
  // Begins again. Costs nothing where next() has given everything at once.
  void rewind();

 private:
  void keep_smallest();

  const ViewState& view_;
  const std::size_t most_;
  std::uint64_t left_;  // rows not given yet
  std::uint64_t from_ = 0;
  bool is_ready_ = false;  // entries_ has them all
  std::vector<Entry> entries_;
};

}  // namespace quire::vector
