// NextGeneration: the rows and slots files that a compaction writes beside those in use. The steps:
// docs/formats/vector-store.md, "Compaction".
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "os/file_system.hpp"
#include "quire/progress_callback.hpp"
#include "vector/catalog.hpp"
#include "vector/format.hpp"
#include "vector/row_file.hpp"
#include "vector/slot_file.hpp"

namespace quire::vector {

// What is copied: the versions below `versions` of one generation, as they were after batch `lsn`.
struct CopySource {
  std::shared_ptr<const Catalog> catalog;
  std::shared_ptr<const RowMap> rows;
  std::uint64_t lsn = 0;
  std::uint64_t versions = 0;
};

// One thread at a time. Other threads may read and extend the generation that is copied.
class NextGeneration {
 public:
  // Makes the files; what an earlier try left is removed. Errors: no_space, io.
  [[nodiscard]] static Result<std::unique_ptr<NextGeneration>> create(os::FileSystem& file_system,
                                                                      const std::string& directory,
                                                                      const StoreIdentity& identity,
                                                                      std::uint64_t generation);
  NextGeneration(const NextGeneration&) = delete;
  NextGeneration& operator=(const NextGeneration&) = delete;
  // Removes the files, unless they are in use.
  ~NextGeneration();

  // The first call copies what is live, each further one what was put or removed since the one before. A row is
  // compared with its checksum. Errors: corrupt (a row is damaged), truncated, no_space, io; nothing can follow them.
  // Or cancelled, when `stop` asks for it.
  [[nodiscard]] Result<void> copy(const CopySource& source, const std::stop_token& stop = {},
                                  const ProgressCallback& progress = {});
  std::uint64_t unsynced_bytes() const noexcept { return unsynced_bytes_; }
  // At most so many bytes are still to be copied of a source that has `versions`.
  std::uint64_t bytes_left(std::uint64_t versions) const noexcept {
    return (versions - copied_versions_) * (stride_ + kSlotEntryBytes);
  }

  // Makes what was copied durable, and the names of the files too. Errors: io.
  [[nodiscard]] Result<void> sync();

  // From here on the files stay.
  void keep() noexcept { kept_ = true; }

  const std::shared_ptr<Catalog>& catalog() const noexcept { return catalog_; }
  const std::shared_ptr<RowFile>& rows() const noexcept { return rows_; }
  const std::shared_ptr<SlotFile>& slots() const noexcept { return slots_; }
  std::uint64_t row_count() const noexcept { return row_count_; }

 private:
  NextGeneration(os::FileSystem& file_system, std::string directory, std::uint64_t stride,
                 std::uint64_t generation)
      : file_system_(file_system),
        directory_(std::move(directory)),
        stride_(static_cast<std::size_t>(stride)),
        generation_(generation) {}

  Result<void> take(const CopySource& source, const Version& version);
  Result<void> write_out();
  void remove_files();

  os::FileSystem& file_system_;
  const std::string directory_;
  const std::size_t stride_;
  const std::uint64_t generation_;
  const std::shared_ptr<Catalog> catalog_ = std::make_shared<Catalog>();
  std::shared_ptr<RowFile> rows_;
  std::shared_ptr<SlotFile> slots_;
  std::uint64_t row_count_ = 0;
  std::uint64_t copied_versions_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  std::uint64_t entry_count_ = 0;        // written
  std::vector<std::byte> waiting_rows_;  // to be written
  std::vector<SlotEntry> waiting_;
  bool is_begun_ = false;
  bool kept_ = false;
};

}  // namespace quire::vector
