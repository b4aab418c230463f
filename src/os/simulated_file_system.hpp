// The simulated file system: for tests that take away what was not synced.
//
// Files are memfds, so maps work; beside each stands a durable image. What survives a power cut:
//   1. Of a file: the image, in which any subset of the bytes that differ may be new instead of old:
//      page by page of 4 KiB, and inside a page sector by sector of 512 bytes. `File::sync` makes the
//      image equal to the file. Writes through maps count, because the two are compared.
//   2. Of a size: the durable one, or any size the file has had since the last sync.
//   3. Of a directory: its durable entries, to which any subset of the creations, renames and removals
//      since its last sync was applied, in their order. Each is atomic.
//   4. A directory's sync makes its own entries durable and nothing else; a file's sync its data and
//      size and nothing else, not even its name.
//   5. A sync that the hook makes fail writes nothing and marks the dirty pages clean: they are still read, but
//      a later sync makes them durable only if they were written again, or changed through a map.
// Beside that, a page may be written back at any moment, as kernels do (`write_back_one_in`), so that
// an intermediate version of a page can survive as well. `OpenMode::read_direct` reads the image.
//
// It can also fail any call with any errno, write short, and run out of space.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "os/file_system.hpp"

namespace quire::os {

using Random = std::mt19937_64;

// What a call wants to do, told to the hook before it does it.
struct SimulatedCall {
  std::uint64_t number = 0;  // counts the calls of this file system from 0
  const char* operation = "";
  std::string path;
  ByteRange range;
};

// What the hook wants to happen.
struct SimulatedOutcome {
  int fail_with = 0;              // an errno, 0 to go on
  std::uint64_t write_limit = 0;  // of a pwrite: at most so many bytes; 0 for all
};

// How much of what was not synced survives a cut.
enum class Survivors : std::uint8_t {
  none,    // nothing: the durable images
  all,     // everything: as if the process had been killed
  random,  // any subset, drawn from the generator
};

// Thread-safe, but for power_cut, which must not run while other threads call.
class SimulatedFileSystem final : public FileSystem {
 public:
  struct State;  // private to the simulation
  using Hook = std::function<SimulatedOutcome(const SimulatedCall&)>;

  // An empty file system that has the directory "/".
  SimulatedFileSystem();
  ~SimulatedFileSystem() override;

  // Called before every call that reaches the file system, without a lock held: it may cut the power.
  void set_hook(Hook hook);
  // Total bytes that files may hold; writes beyond get ENOSPC. A page of 4 KiB at a time.
  void set_capacity(std::uint64_t bytes);
  // One in `n` writes also writes some other dirty page back; 0 never.
  void write_back_one_in(std::uint32_t n, std::uint64_t seed);
  // Whether `allocate` works; otherwise it is `unsupported`.
  void set_allocate_supported(bool supported);
  // Whether files can be read past the cache; otherwise opening them so is `unsupported`.
  void set_direct_reads_supported(bool supported);
  // What kind_of says of every path.
  void set_kind(FileSystemKind kind);

  // The file system as a machine would find it after losing power now. This one stays usable.
  [[nodiscard]] std::unique_ptr<SimulatedFileSystem> power_cut(Survivors survivors,
                                                               Random& random) const;

  [[nodiscard]] std::uint64_t calls() const;

  // Damage: flips the bits of `mask` in one byte of a file, past every hook and in the durable image too.
  [[nodiscard]] Result<void> flip(const std::string& path, std::uint64_t offset, std::byte mask);
  // The same in the durable image alone, as a disk does that loses a bit under a page that is cached, after that was
  // written: the page stays right, and is clean, so that no sync writes it.
  [[nodiscard]] Result<void> flip_on_disk(const std::string& path, std::uint64_t offset,
                                          std::byte mask);

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     std::uint32_t permissions) override;
  Result<void> rename(const std::string& from, const std::string& to, IfExists if_exists) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<std::string> resolve(const std::string& path) override;
  Result<FileSystemKind> kind_of(const std::string& path) override;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace quire::os
