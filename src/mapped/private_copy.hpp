// What a copy-on-write mapping does with its stores: finds them, writes them to the file, forgets them.
//
// The kernel knows which pages became this mapping's own; their bytes are compared with the file's, so
// that a page stored into with what it held before is no change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "os/file_system.hpp"
#include "os/mapping.hpp"
#include "quire/error.hpp"

namespace quire::mapped {

// `bytes` begin at data() of the private `mapping`, and at byte `origin` of `file`. REQUIRES: no thread
// stores into them meanwhile. The contracts are those of MappedFile.
struct PrivateCopy {
  os::File& file;
  const os::Mapping& mapping;
  std::span<std::byte> bytes;
  std::uint64_t origin;

  [[nodiscard]] Result<std::vector<ByteRange>> changed_ranges() const;
  [[nodiscard]] Result<void> commit() const;
  [[nodiscard]] Result<void> discard() const;

 private:
  Result<std::vector<ByteRange>> stored_ranges() const;
  Result<void> add_changed(std::vector<ByteRange>& changed, ByteRange candidate) const;
  Result<void> check_not_cut(const char* operation) const;
};

}  // namespace quire::mapped
