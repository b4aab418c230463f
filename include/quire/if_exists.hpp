// What to do where something is there already under the name that is asked for.
#pragma once

#include <cstdint>

namespace quire {
inline namespace v0 {

enum class IfExists : std::uint8_t {
  replace,  // takes its place in one step: others see the old or the new one, whole
  fail,     // `exists`; what is there stays
};

}  // namespace v0
}  // namespace quire
