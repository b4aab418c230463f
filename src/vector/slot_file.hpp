// SlotFile: gen-N.slots, the list of puts and removes that checkpoints append to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "vector/catalog.hpp"
#include "vector/format.hpp"

namespace quire::vector {

// One thread at a time calls what is not const. Any number may call what is const at the same time.
class SlotFile {
 public:
  // Makes the file with its header and syncs it (not the directory).
  [[nodiscard]] static Result<std::unique_ptr<SlotFile>> create(os::FileSystem& file_system,
                                                                const std::string& directory,
                                                                const StoreIdentity& identity,
                                                                std::uint64_t generation);
  [[nodiscard]] static Result<std::unique_ptr<SlotFile>> open(os::FileSystem& file_system,
                                                              const std::string& directory,
                                                              const Manifest& manifest,
                                                              os::OpenMode mode);

  // Both say whether to go on.
  using EntryVisitor = std::function<bool(const SlotEntry&)>;
  using DamageVisitor = std::function<bool(ByteRange, std::string what)>;

  // Reads the first `count` entries in order: the good ones go to `visit`, the place of each bad one to
  // `damaged`. Errors: truncated, io.
  [[nodiscard]] Result<void> read(std::uint64_t count, const EntryVisitor& visit,
                                  const DamageVisitor& damaged) const;

  // The parts of `read`, for who reads in an order of its own.
  // Errors: truncated, if `count` entries do not fit in the file; io.
  [[nodiscard]] Result<void> check_length(std::uint64_t count) const;
  // The bytes of entries from `first` on, kSlotEntryBytes each. Errors: truncated, io.
  [[nodiscard]] Result<void> read_block(std::uint64_t first, std::span<std::byte> out) const;
  // False if the entry with this number is damaged; `entry` is then unspecified.
  [[nodiscard]] bool decode(std::uint64_t number, std::span<const std::byte> bytes,
                            SlotEntry& entry) const noexcept {
    return SlotEntry::decode(bytes, salt_ + number, entry);
  }

  // Takes disk space for so many entries, and some more. Another thread may append meanwhile what was reserved
  // before. Errors, nothing being changed: no_space, capacity, io.
  [[nodiscard]] Result<void> reserve(std::uint64_t count);
  // Gives back what was taken beyond `count` entries.
  [[nodiscard]] Result<void> trim(std::uint64_t count);

  // Writes entries first, first + 1, …, for which space was reserved; does not sync. Errors: no_space, io.
  [[nodiscard]] Result<void> write(std::uint64_t first, std::span<const SlotEntry> entries);
  [[nodiscard]] Result<void> sync() { return file_->sync(); }

  // Writes versions [first, end) of the catalog as entries first to end - 1, and syncs.
  // Errors: no_space, io.
  [[nodiscard]] Result<void> append(const Catalog& catalog, std::uint64_t first, std::uint64_t end);

  // True if an earlier sync of the file failed: it cannot be relied on until it is opened again.
  [[nodiscard]] bool sync_has_failed() const { return file_->sync_has_failed(); }
  // Allows syncing again: what was not durable is not among the entries that count.
  void forget_sync_failure() { file_->forget_sync_failure(); }
  const std::string& path() const noexcept { return file_->path(); }

 private:
  SlotFile(std::unique_ptr<os::File> file, std::uint64_t salt, std::uint64_t size)
      : file_(std::move(file)), salt_(salt), reserved_(size) {}

  Result<void> take_space(std::uint64_t end);

  std::unique_ptr<os::File> file_;
  std::uint64_t salt_;
  std::uint64_t reserved_;  // bytes of the file that have disk space; for who reserves
};

}  // namespace quire::vector
