// The memory under a mapping: putting pages in, keeping them, and asking about them.
//
// All functions take the bytes [address, address + length). REQUIRES: they lie inside one mapping, and
// it is not unmapped meanwhile. No alignment is needed where none is said; an empty range does nothing.
// All are thread-safe. None raises SIGBUS, whatever becomes of the file.
//
// Errors name the operation, and neither path nor range, which only the caller knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/error.hpp"
#include "quire/mapped_memory.hpp"

namespace quire::os {

// Puts the pages that hold the range into the page table; see Prefault. On an error some may have been.
// Errors:
//   io with EFAULT: a page cannot be had. The file was cut, or the disk failed or is full; a look at the
//     file tells which,
//   wrong_mode (a map that cannot be stored into, for writing), capacity (no memory).
[[nodiscard]] Result<void> populate(const std::byte* address, std::size_t length, Prefault how);

// The same for a kernel that has no call for it (Linux before 5.14): touches a byte of the range in each
// page, under the fault guard. For writing by an atomic `or` with nothing, so that no store of another
// thread or process is lost. REQUIRES: for writing, a map that can be stored into.
[[nodiscard]] Result<void> populate_by_touching(const std::byte* address, std::size_t length,
                                                Prefault how);

// Says how the memory of the range is to be kept.
// Errors: unsupported (this kernel has no such advice, or not for this memory; cold and page_out of memory
//   that is locked), capacity (the process has too many maps: advice on a part splits one).
[[nodiscard]] Result<void> advise(const std::byte* address, std::size_t length,
                                  MemoryAdvice advice);
// The whole pages that it acts on; empty if there are none.
[[nodiscard]] std::span<const std::byte> advised_pages(const std::byte* address, std::size_t length,
                                                       MemoryAdvice advice) noexcept;

// Keeps the pages that hold the range in memory. Pages of a private map stay the file's. On an error
// nothing of the range is locked, not even what was before.
// Errors: permission (the process may lock nothing), capacity (RLIMIT_MEMLOCK; no memory; too many
//   maps), and io as `populate`.
[[nodiscard]] Result<void> lock_memory(const std::byte* address, std::size_t length);
// Unlocks the pages that hold the range, however often they were locked. Errors: capacity (too many
// maps).
[[nodiscard]] Result<void> unlock_memory(const std::byte* address, std::size_t length);

// What of the range is in memory; see Residency. Dirty pages are those of `descriptor` in the range
// `in_file`; -1 if there is no file to ask. Takes no memory that grows with the range.
// Errors: capacity (no memory in the kernel), io.
[[nodiscard]] Result<Residency> residency(const std::byte* address, std::size_t length,
                                          int descriptor, ByteRange in_file);

// How much of the mapping huge pages hold. A map of the process that the range overlaps only partly
// counts whole: ask for whole mappings. Reads /proc: takes time that grows with the maps of the process
// and the pages in them. Errors: unsupported (no /proc, or it is not shown), io.
[[nodiscard]] Result<HugePageReport> huge_page_report(const std::byte* address, std::size_t length);

// The pages of a private map of a file that stores made its own, whole ones, as ranges from `address`;
// ascending, none touches the next. A page that was stored into with what it held before is one too.
// Takes time that grows with the range (8 bytes are read a page), and memory with what is found.
// REQUIRES: `address` is the beginning of a page. Errors: unsupported (no /proc, or it is not shown), io.
[[nodiscard]] Result<std::vector<ByteRange>> private_pages(const std::byte* address,
                                                           std::size_t length);

}  // namespace quire::os
