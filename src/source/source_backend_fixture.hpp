// A kind of source, as the contract suites want it.
//
// A backend is one struct. It makes a source of given bytes, and says in which of the permitted ways it
// differs:
//
//     struct MyPlace {
//       static constexpr SourceTraits kTraits{.strength = IdentityStrength::strong};
//       std::shared_ptr<const ByteSource> make(std::string_view bytes);      // may be called again
//       void overwrite(std::uint64_t offset, std::string_view bytes);        // of the last object made
//       void cut(std::uint64_t size);
//       void replace(std::string_view bytes);       // by a new object under the same name
//       std::shared_ptr<const ByteSource> open_again();
//     };
//
// The last four are needed only by who says that it can be done (`can_be_overwritten`, …).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "quire/byte_source.hpp"

namespace quire::source {

// The permitted differences.
struct SourceTraits {
  IdentityStrength strength = IdentityStrength::strong;
  // The object is memory: view works, and read borrows it.
  bool has_view = false;
  // Someone can write into the object where it lies; then a read is `changed`…
  bool can_be_overwritten = false;
  // … unless the place cannot tell, and shows what was written.
  bool shows_overwriting = false;
  // Someone can cut the object; then read_into is `changed`, …
  bool can_be_cut = false;
  // … also for a range that is still there, …
  bool cut_spoils_all = true;
  // … and says what size the object has now.
  bool tells_new_size = true;
  // A new object can take over the name; the source stays with the old one.
  bool can_be_replaced = false;
};

// So that no two bytes near each other are alike, and nothing ends in zeros.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(1 + (i * 7 + i / 255) % 255);
  return bytes;
}

inline std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What came out: the bytes, or the name of the error.
inline std::string outcome(const Result<Bytes>& result) {
  return result ? std::string(result->text()) : std::string(to_string(result.error().code()));
}
template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code()));
}

}  // namespace quire::source
