// How a mapped file is opened.
#pragma once

#include <cstdint>
#include <optional>

#include "quire/access_hint.hpp"
#include "quire/flush_policy.hpp"
#include "quire/mapped_memory.hpp"

namespace quire {
inline namespace v0 {

enum class Access : std::uint8_t {
  read_only,
  read_write,
  // Stores stay in this object, and nobody else sees them, until `commit` writes them to the file or
  // `discard` forgets them. The file is opened for reading. What others write to the file shows
  // through every page not stored into yet; a page stored into is this object's own. If someone cuts
  // the file, the pages beyond are lost, stored into or not.
  copy_on_write,
};

// An advisory lock against other processes and other openings in this one, kept as long as the file
// is open. It keeps out only those who ask for a lock too.
enum class FileLock : std::uint8_t {
  none,
  shared,     // others may have shared ones
  exclusive,  // nobody else may have one; needs read_write
};

// The same for every way of opening, existing file or new.
struct MappedFileOptions {
  // Bytes of address space: how far the file can grow while it is open. By default the larger of 1
  // GiB and 16 times the file's size. Rounded up to 2 MiB; less if the process may not have that
  // much. Windows and copy_on_write are fixed in size and take none.
  std::optional<std::uint64_t> reserve = std::nullopt;
  // Creates and grows by holes instead of allocating disk space. A full disk is then found only
  // when a page is first written.
  bool sparse = false;
  // Of a new file, before the umask.
  std::uint32_t permissions = 0666;
  // Acts on read_write alone: elsewhere nothing is written that could be flushed.
  FlushPolicy flush_policy = FlushPolicy::manual();
  // Puts the pages of the file into the page table at once, for reading or for writing.
  Prefault prefault = Prefault::none;
  // Asks for huge pages over the whole reservation. Advice: `huge_page_report` tells what came.
  // Dirties nothing.
  bool huge_pages = false;
  // How the file will be read.
  AccessHint access_hint = AccessHint::normal;
  FileLock lock = FileLock::none;
};

}  // namespace v0
}  // namespace quire
