// Whole files: read one, write one, change a part, copy, remove; durable when the call returns.
//
// Use them where a file is handled as one piece: settings, indexes, results. For files larger than
// memory, and for many small reads or changes, use MappedFile; to write one piece by piece,
// open_file_sink.
//
//     auto settings = quire::read_file("settings.json");
//     if (!settings) return report(settings.error());
//     const std::string changed = with_new_port(settings->text());
//     if (auto done = quire::write_file_atomic("settings.json", std::as_bytes(std::span(changed)));
//         !done) {
//       return report(done.error());   // the old settings are there, whole
//     }
//
// All are thread-safe. Files are regular files: a directory, a pipe or a device is
// `invalid_argument`, and so is a path that is empty, ends in a slash or has a NUL. Symbolic links
// are followed, but for remove_file. Files that are made or replaced are built beside under another
// name, synced and renamed, and the directory is synced: after a power cut there is the old file or
// the new one. On an error nothing is left behind and an old file is untouched, but for
//   outcome_unknown: it was done, but the directory could not be synced; a power cut may undo it.
// Who has a replaced file open or mapped keeps the old one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>

#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/if_exists.hpp"
#include "quire/progress_callback.hpp"

namespace quire {
inline namespace v0 {

struct ReadFileOptions {
  // The most that is read. A larger file is `capacity`, found before it is read where the system
  // knows the size.
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
};

// The file's bytes, from the first one until its end comes, in memory of their own. The size that
// the system reports is only a hint: files of /proc, which report zero, are read as a whole. Of a
// file that others lengthen or cut meanwhile one gets what was there until the end came; of one
// that they change in place, old and new bytes in any mixture. (write_file_atomic shows nobody such
// states.)
// Errors: not_found, permission, io, busy (a file of /proc that has nothing to give yet),
//   capacity (more than max_bytes; too many open files).
[[nodiscard]] QUIRE_EXPORT Result<Bytes> read_file(const std::string& path,
                                                   const ReadFileOptions& options = {});

struct WriteFileOptions {
  IfExists if_exists = IfExists::replace;
  // Of a new file, before the umask. A replaced file's permissions are kept.
  std::uint32_t permissions = 0666;
};

// A file of exactly these bytes, whole or not at all. They may be those of a map of the old file.
// Errors: exists (with IfExists::fail, if there is anything of this name), not_found (no such
//   directory), permission, no_space, io, outcome_unknown,
//   capacity (too large for this file system; too many open files or unfinished files beside).
[[nodiscard]] QUIRE_EXPORT Result<void> write_file_atomic(const std::string& path,
                                                          std::span<const std::byte> bytes,
                                                          const WriteFileOptions& options = {});

// Puts `bytes` at `offset` of a file that is there, in place: whoever has it open or mapped sees
// them. Never creates a file and never lengthens one (but for one that others cut at the same
// moment). Not atomic: after a power cut or an error of writing or syncing, some of the bytes may
// be new and others old. For changes that must be whole, use write_file_atomic.
// Errors before anything is written: out_of_range (it would reach past the end), not_found,
//   permission, busy (a program that runs), capacity (too many open files),
//   read_only_after_error (a sync of this file failed before; see MappedFile::reopen_after_error).
// Others: no_space (there was a hole), io.
[[nodiscard]] QUIRE_EXPORT Result<void> write_file_range(const std::string& path,
                                                         std::uint64_t offset,
                                                         std::span<const std::byte> bytes);

struct CopyFileOptions {
  IfExists if_exists = IfExists::replace;
  // Ends the work with `cancelled`; nothing is left behind. Looked at every 16 MiB, and not while
  // the copy is made durable.
  std::stop_token stop = {};
  // In bytes. Called on the calling thread.
  ProgressCallback progress = {};
};

// Makes `to` a copy of `from`, whole or not at all: sharing the blocks or copying inside the system
// where it can do so, else by reading and writing.
//
// A new file gets the permissions of `from`, exactly, past the umask, but without its set-id and
// sticky bits; a replaced one keeps its own, also where these let more people read. Owner, times
// and attributes are not copied. Of a file with holes the copy has holes, though perhaps others.
//
// If `from` changes meanwhile, in size or by a write that moves the time of its last change, that is
// `changed`. (A store through a map moves the time only when the system notices it, at the latest
// when it writes the page, and writes within one tick of its clock, a few milliseconds, have one
// time: flush a mapped file, and let its writers rest, before you copy it.)
//
// Errors: invalid_argument (also: both are one file, also through links of any kind),
//   exists (with IfExists::fail, if there is anything of that name), changed, cancelled,
//   not_found (no `from`, or no directory for `to`: the path says which), permission, no_space, io,
//   outcome_unknown,
//   capacity (too large for this file system; too many open files or unfinished files beside).
[[nodiscard]] QUIRE_EXPORT Result<void> copy_file(const std::string& from, const std::string& to,
                                                  const CopyFileOptions& options = {});

// Removes the file's name, so that it stays away after a power cut. Of a symbolic link the link
// itself; pipes and the like too. Who has the file open or mapped keeps it; its space is free when
// the last of them lets go, and no other name leads to it.
// Errors: not_found, permission, busy, io, invalid_argument (a directory), outcome_unknown.
[[nodiscard]] QUIRE_EXPORT Result<void> remove_file(const std::string& path);

}  // namespace v0
}  // namespace quire
