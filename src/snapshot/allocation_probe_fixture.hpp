// AllocationProbe: the largest allocation of the test program since one was made. The source beside
// replaces operator new for that.
#pragma once

#include <cstddef>

namespace quire::snapshot {

class AllocationProbe {
 public:
  AllocationProbe();
  [[nodiscard]] std::size_t largest() const;
};

}  // namespace quire::snapshot
