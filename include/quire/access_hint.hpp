// AccessHint: how a range of a file or object is going to be read.
//
// Advice for the system, which may read ahead or drop what it caches. It never changes what is
// read, nor loses what was written.
#pragma once

#include <cstdint>

namespace quire {
inline namespace v0 {

enum class AccessHint : std::uint8_t {
  normal,      // nothing special: takes back sequential and random
  sequential,  // from front to back: read far ahead
  random,      // here and there: do not read ahead
  will_need,   // soon: start reading it now
  dont_need,   // not again soon: what is cached of it may go
};

}  // namespace v0
}  // namespace quire
