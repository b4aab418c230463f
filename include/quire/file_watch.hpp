// FileWatch: being told when others change a mapped file, or put another in its place.
//
// Use it to reopen a file that another program replaces, to `refresh` one that another program
// lengthens, or to give up one that is gone.
//
//     auto watch = quire::FileWatch::start(*file, [&](const quire::FileEvent& event) {
//       if (event.kind == quire::FileEventKind::replaced) reopen_wanted = true;   // an atomic
//     });
//     if (!watch) return report(watch.error());
//
// What a watch sees is what goes through the system's calls, by whichever process, this one too:
// writes, changes of the length and the metadata, and what happens to the file's name. It follows
// the path: when the file there is replaced, removed or made again, that is told, and from then on
// the new file is what is watched. The mapped file, which has then lost its name, is not.
//
// What it cannot see:
//   - Stores through a map, of any process, and flushing them; `MappedFile::write` makes such where
//     it is faster. The system tells nobody. Only when a program closes (and unmaps) the file that
//     it had open for writing is its time of modification looked at, and `modified` told if that
//     moved. Processes that share a file use a counter in it: quire/change_counter.hpp.
//   - Changes made on another machine, on a network file system.
//   - Directories further up being renamed; that is found out at the next event.
//   - What comes and goes within one batch (see FileWatch): a file cut and made long again is
//     `modified`, one renamed away and back is nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_file.hpp"

namespace quire {

namespace mapped {
class Watcher;
}  // namespace mapped

inline namespace v0 {

// In the order in which those of one batch are told.
enum class FileEventKind : std::uint8_t {
  // The system lost events, there were too many: anything may have happened. What the watch can
  // find out by itself, by identity, size and time of modification, follows.
  overflow,
  removed,    // the path has no file: unlinked or renamed away
  created,    // the path has a file again: a new one, or the old one renamed back
  replaced,   // the path has another file: renamed over, or removed and made anew
  truncated,  // it is shorter than when last told of; what is left may have changed too
  modified,   // written to, or lengthened
  // Permissions, owner, times, extended attributes or the number of links. Losing its name takes
  // away a link: `metadata` may come before `removed` and `replaced`.
  metadata,
  failed,  // the watch itself cannot go on; it is over and this is the last event
};

struct FileEvent {
  FileEventKind kind = FileEventKind::modified;
  // Bytes of the file at the path when this was told; 0 where there is none, and with `failed`.
  std::uint64_t size = 0;
  // With `failed` only. not_found: the file's directory was removed, moved or unmounted;
  // permission: the new file or the directory may not be read; capacity, io. Names the path.
  std::optional<Error> error = std::nullopt;
};

// A watch on one file, with a thread of its own that calls the callback.
//
// `stop` and `is_watching` are thread-safe; moving and destruction must not run while others call.
// Move-only. Holds two descriptors, and one of the user's inotify instances (128 by default).
//
// Callbacks come one at a time. Events are gathered for some milliseconds, and while a callback
// runs; of such a batch each kind is told at most once.
class [[nodiscard]] QUIRE_EXPORT FileWatch {
 public:
  // Must not throw. May stop or destroy the watch. The first call may come before `start` returns.
  using Callback = std::move_only_function<void(const FileEvent&)>;

  // Watches the path of `file`, symbolic links followed as they are now (one that is put in the
  // file's place later is followed, but not watched itself); of a window, the whole file; of a file
  // that was opened by a descriptor, the path it had then. What happens after this returns is told.
  // If by now the path has another file than the mapped one, or none, `replaced` or `removed`
  // is told at once; `MappedFile::refresh` says whether the size is still the same.
  //
  // `file` may be closed meanwhile: the watch keeps neither it nor its map.
  //
  // Errors: closed, unsupported (anonymous memory; a system without inotify),
  //   invalid_argument (no callback), not_found (the file's directory is gone),
  //   permission (file or directory may not be read),
  //   capacity (too many watches, inotify instances, descriptors or threads), io.
  [[nodiscard]] static Result<FileWatch> start(const MappedFile& file, Callback callback);

  // Watches nothing.
  FileWatch() noexcept = default;
  FileWatch(FileWatch&& other) noexcept = default;
  FileWatch& operator=(FileWatch&& other) noexcept;  // stops this one's watch, as `stop` does
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  // Stops, as `stop` does.
  ~FileWatch();

  // Ends the watch; again is harmless. When it returns no callback runs, none will, and the
  // callback and all that the watch held are released. From inside the callback it cannot wait for
  // itself: then the running call is the last one, and the rest is released after it (if the
  // watch was not destroyed: at the next `stop` from outside, or its destruction).
  //
  // REQUIRES: the caller holds no lock that the callback takes.
  void stop() noexcept;

  // False once it was stopped or has failed, as early as within that callback.
  [[nodiscard]] bool is_watching() const noexcept;

 private:
  explicit FileWatch(std::shared_ptr<mapped::Watcher> watcher) noexcept;

  std::shared_ptr<mapped::Watcher> watcher_;
};

}  // namespace v0
}  // namespace quire
