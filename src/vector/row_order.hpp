// RowOrder: the live versions of a view in the order of their rows.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "vector/view_state.hpp"

namespace quire::vector {

// Rows ascend as versions do, but where a bulk load was granted rows before a batch that was committed
// earlier. So the versions are runs of ascending rows, mostly one, which are merged: memory for each run,
// and none for a row. Single-thread. Borrows the view.
class RowOrder {
 public:
  explicit RowOrder(const ViewState& view);

  struct Next {
    std::uint64_t row;
    std::uint64_t version;
  };
  // False at the end.
  bool next(Next& next);

 private:
  struct Run {
    Next first;         // not given yet
    std::uint64_t end;  // number of the version behind its last
  };

  // Moves to the first live version from `number` on; false if there is none before `end`.
  bool find_live(std::uint64_t number, std::uint64_t end, Next& found) const noexcept;

  const ViewState& view_;
  std::vector<Run> runs_;  // a heap: the run with the lowest row is in front
};

}  // namespace quire::vector
