// The memory of a mapped file: what can be asked about its pages, and what the system can be told.
//
// A mapped file is used in bytes and kept in pages. A page is in memory once it was read, and costs a
// fault when a process first touches it. Nothing here is needed for correct results. Look here when
// the first touch is too slow (`prefault`), memory is short (`cold`, `page_out`), a core dump or a child
// process must not have the bytes (`dont_dump`, `dont_fork`), or you want to know what you really got
// (`Residency`, `HugePageReport`). MappedFile has the functions:
//
//     file->prefault({0, file->size()}, quire::Prefault::read);          // no faults from here on
//     file->advise({0, file->size()}, quire::MemoryAdvice::dont_dump);
//     const auto now = file->residency({0, file->size()});
//     if (now) std::cout << now->resident << " of " << now->pages << " pages in memory\n";
#pragma once

#include <cstdint>
#include <optional>

#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// Bytes of a page of memory: a power of two, 4096 on most machines. Asked once and then known.
// Thread-safe.
[[nodiscard]] QUIRE_EXPORT std::uint64_t page_size() noexcept;

// What pages are put into the page table for.
enum class Prefault : std::uint8_t {
  none,  // for nothing: each page faults when it is first touched
  read,  // for reading: read from the file where they are not in memory. The first store into each
         // still faults
  // For writing too, so that stores do not fault. Changes no byte; but every page is then dirty, and
  // written by the next flush; space on disk is allocated behind holes; and in a copy-on-write file
  // every page becomes a private copy.
  write,
};

// How the memory of a range is to be kept. Never changes a byte of the range in this process.
//
// The system does this by whole pages; a range needs no alignment. Advice that takes something away or
// puts it off is *narrowed* to the whole pages inside the range, which may be none: a neighbour's data in
// the same page is never touched, and what lies in a part of a page at either end stays as it was. All
// other advice is *widened* to every page that holds a byte of the range.
enum class MemoryAdvice : std::uint8_t {
  cold,      // the first to go when memory is short. Narrowed
  page_out,  // take it out of memory now, as far as nobody else uses it: dirty pages are written first,
             // private ones swapped out. Touching it again reads it again. Narrowed
  huge_page,     // keep it in huge pages where the file system can. Widened
  no_huge_page,  // take no huge pages for it. Narrowed
  dont_dump,     // leave it out of core dumps. Narrowed
  dump,          // takes dont_dump back. Widened
  dont_fork,     // child processes do not have it: touching it there is SIGSEGV. Narrowed
  fork,          // takes dont_fork back. Widened
  mergeable,  // private copies may share memory with equal pages, until one is stored into. Costs time
              // in the background, and lets others guess what is in it. Widened
  unmergeable,  // takes mergeable back, and unshares what was shared. Narrowed
};

// What of a range is in memory, in pages. A look at one moment: it may be old when it is returned.
struct Residency {
  std::uint64_t pages = 0;  // that hold a byte of the range
  // Of these, in memory: of a file, in the page cache, whoever brought them there. Of a file that this
  // process neither owns nor may write, the kernel tells nobody: all pages count.
  std::uint64_t resident = 0;
  // In the page cache and changed since they were last written; being written now. Nothing where the
  // kernel cannot tell (Linux before 6.5) or does not want to. Of a copy-on-write file: the file's pages,
  // not the private ones.
  std::optional<std::uint64_t> dirty = std::nullopt;
  std::optional<std::uint64_t> writeback = std::nullopt;

  friend constexpr bool operator==(const Residency&, const Residency&) noexcept = default;
};

// How much of a mapping is held by huge pages (2 MiB on most machines), in bytes.
struct HugePageReport {
  std::uint64_t mapped_bytes = 0;  // whose pages are in the page table: touched or prefaulted
  std::uint64_t huge_bytes = 0;    // of these, by huge pages

  friend constexpr bool operator==(const HugePageReport&, const HugePageReport&) noexcept = default;
};

}  // namespace v0
}  // namespace quire
