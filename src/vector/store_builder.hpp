// StoreBuilder: makes a store, empty or from rows that are all at hand. The steps:
// docs/formats/vector-store.md, "Creating".
//
// The rows go straight to their file, and count only when MANIFEST appears at the end: so a store that
// is built is there whole, or there is none.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "os/file_system.hpp"
#include "quire/vector_store.hpp"
#include "vector/format.hpp"
#include "vector/row_file.hpp"
#include "vector/slot_file.hpp"

namespace quire::vector {

// Single-thread. Holds the writer's lock.
class StoreBuilder {
 public:
  // Begins a store in `directory`, which must not exist or be empty, but for what an unfinished creation
  // left. Errors: as VectorStore::create.
  [[nodiscard]] static Result<StoreBuilder> create(os::FileSystem& file_system,
                                                   const std::string& directory,
                                                   const VectorStoreOptions& options);
  StoreBuilder(StoreBuilder&&) noexcept = default;
  StoreBuilder& operator=(StoreBuilder&&) = delete;
  StoreBuilder(const StoreBuilder&) = delete;
  StoreBuilder& operator=(const StoreBuilder&) = delete;
  // Removes the files, unless finished; the directory and LOCK stay.
  ~StoreBuilder();

  // Adds dense rows under `ids`. All rows of a builder become one batch, the store's first.
  // REQUIRES: as many rows as ids; ids ascend, over all calls. Errors: no_space, capacity (2^40 rows),
  // io.
  [[nodiscard]] Result<void> append(std::span<const std::uint64_t> ids,
                                    std::span<const std::byte> rows);

  // Makes the rows durable, then the store. Nothing may follow. Errors: no_space, io.
  [[nodiscard]] Result<void> finish();

 private:
  StoreBuilder(os::FileSystem& file_system, std::string directory, Manifest manifest,
               std::unique_ptr<os::File> lock)
      : file_system_(&file_system),
        directory_(std::move(directory)),
        manifest_(manifest),
        lock_(std::move(lock)) {}

  os::FileSystem* file_system_;
  std::string directory_;
  Manifest manifest_;               // as it will be
  std::unique_ptr<os::File> lock_;  // null in a moved-from builder
  std::unique_ptr<RowFile> rows_;
  std::unique_ptr<SlotFile> slots_;
  std::vector<SlotEntry> entries_;
  bool finished_ = false;
};

}  // namespace quire::vector
