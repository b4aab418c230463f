// Byte sources of this machine: files read by calls, files mapped, and memory.
//
// Which one: a map for hot random reads and for what wants the bytes in place (no copy, no call); a file
// where it may be cut or changed by others while it is read, or is larger than address space should hold;
// memory for what is there already, and for tests.
//
//     auto source = quire::open_map_source("photos.quire").value();
//     std::span<const std::byte> header = source->view(0, 4096).value();
#pragma once

#include <memory>
#include <string>

#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_file.hpp"

namespace quire {
inline namespace v0 {

// A regular file, read by calls. It is pinned by its size and the time of its last change, which are
// compared with those at opening behind each read: what is written into it in place, or cut, is `changed`.
// A file that is replaced under its name stays readable. (A change through a map shows when the system
// updates the time, at the latest when it writes the page. Writes within one tick of the file system's
// clock, a few milliseconds, have one time: of a file that was written just before it was opened, one more
// write at that moment goes unseen.) read_many reads near ranges together, and far ones on the default
// executor.
// Errors: not_found, permission, invalid_argument (a directory or special file, an empty path), io.
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> open_file_source(
    const std::string& path);

// The same, and every read is a direct one, past the page cache as far as the file system goes: for finding what is right in
// memory and wrong on the disk. Syncs the file first, and asks the system to forget what it has cached of it. Errors: also unsupported (its file system cannot), and those of a sync.
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> open_cold_file_source(
    const std::string& path);

// A regular file, mapped. `read` borrows the pages and keeps the map alive; `view` works. It is pinned
// by its size alone: where the file was cut, read_into is `changed`; bytes that others write show.
// Errors: as open_file_source; capacity (address space).
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> open_map_source(
    const std::string& path);

// A mapped file that is open already, at its present size. Errors: closed.
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> map_source(MappedFile file);

// Bytes in memory; `name` is for messages.
[[nodiscard]] QUIRE_EXPORT std::shared_ptr<const ByteSource> memory_source(
    Bytes bytes, std::string name = "memory");

}  // namespace v0
}  // namespace quire
