#include "vector/store_builder.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "vector/catalog.hpp"
#include "vector/log_writer.hpp"
#include "vector/store_core.hpp"
#include "vector/writer_lock.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kBuildLsn = 1;

Error error_at(ErrorCode code, const std::string& directory, std::string detail) {
  return Error(code, "create").with_path(directory).with_detail(std::move(detail));
}

// Makes the directory unless it is there, and empty but for what an unfinished creation leaves.
Result<void> prepare_directory(os::FileSystem& file_system, const std::string& directory) {
  auto made = file_system.make_directory(directory);
  if (made) return {};
  if (made.error().code() != ErrorCode::exists) return made;
  if (const auto info = file_system.info(directory);
      info && info->kind != os::FileKind::directory) {
    return std::unexpected(
        error_at(ErrorCode::exists, directory, "there is a file here, and no directory"));
  }
  QUIRE_TRY(const auto names, file_system.list(directory));
  const std::array<std::string, 5> ours{kLockName, kManifestTemporaryName, rows_name(1),
                                        slots_name(1), log_name(1)};
  for (const std::string& name : names) {
    if (name == kManifestName) {
      return std::unexpected(
          error_at(ErrorCode::exists, directory, "there is a vector store here already"));
    }
    if (std::ranges::find(ours, name) == ours.end()) {
      return std::unexpected(error_at(ErrorCode::exists, directory,
                                      "the directory is not empty: it has \"" + name + "\""));
    }
  }
  return {};
}

Result<void> remove_files(os::FileSystem& file_system, const std::string& directory) {
  for (const std::string& name :
       {std::string(kManifestTemporaryName), rows_name(1), slots_name(1), log_name(1)}) {
    auto removed = file_system.remove(os::join_path(directory, name));
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
  }
  return {};
}

}  // namespace

Result<StoreBuilder> StoreBuilder::create(os::FileSystem& file_system, const std::string& directory,
                                          const VectorStoreOptions& options) {
  if (options.dimension == 0 || options.dimension > kMaxDimension) {
    return std::unexpected(error_at(ErrorCode::invalid_argument, directory,
                                    "a dimension is 1 to " + std::to_string(kMaxDimension) +
                                        ", not " + std::to_string(options.dimension)));
  }
  QUIRE_CHECK(prepare_directory(file_system, directory));
  QUIRE_TRY(auto lock, take_writer_lock(file_system, directory));
  // Another creation may have finished before the lock was ours.
  QUIRE_CHECK(prepare_directory(file_system, directory));
  QUIRE_CHECK(remove_files(file_system, directory));

  Manifest manifest;
  manifest.identity = {.id = random_store_id(),
                       .dimension = options.dimension,
                       .element_type = options.element_type};
  manifest.durability = options.durability;
  StoreBuilder builder(file_system, directory, manifest, std::move(lock));
  QUIRE_TRY(builder.rows_,
            RowFile::create(file_system, directory, manifest.identity, manifest.generation));
  QUIRE_TRY(builder.slots_,
            SlotFile::create(file_system, directory, manifest.identity, manifest.generation));
  return builder;
}

StoreBuilder::~StoreBuilder() {
  if (lock_ && !finished_) ignore_error(remove_files(*file_system_, directory_));
}

Result<void> StoreBuilder::append(std::span<const std::uint64_t> ids,
                                  std::span<const std::byte> rows) {
  const std::uint64_t first = manifest_.row_limit;
  if (ids.size() > kMaxRows - first) {
    return std::unexpected(
        error_at(ErrorCode::capacity, directory_, "a store has at most 2^40 rows"));
  }
  const auto stride = static_cast<std::size_t>(manifest_.identity.stride());
  entries_.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    entries_.push_back({.kind = OperationKind::put,
                        .id = ids[i],
                        .row = first + i,
                        .lsn = kBuildLsn,
                        .row_checksum = base::checksum(rows.subspan(i * stride, stride))});
  }
  QUIRE_CHECK(rows_->write(first, rows));
  QUIRE_CHECK(slots_->write(first, entries_));
  manifest_.row_limit += ids.size();
  return {};
}

Result<void> StoreBuilder::finish() {
  QUIRE_CHECK(rows_->trim(manifest_.row_limit));
  QUIRE_CHECK(rows_->sync());
  QUIRE_CHECK(slots_->sync());
  if (manifest_.row_limit > 0) manifest_.checkpoint_lsn = kBuildLsn;
  manifest_.slot_count = manifest_.row_limit;
  manifest_.live = manifest_.row_limit;
  // Syncs the directory too, so that every file is there before the manifest says so.
  QUIRE_CHECK(LogWriter::create(*file_system_, directory_, manifest_.identity, manifest_.first_log,
                                manifest_.checkpoint_lsn + 1, 0));
  // From here on there may be a store, whatever is returned: its files stay, unless it is seen that there
  // is none.
  finished_ = true;
  if (auto made = replace_manifest(*file_system_, directory_, manifest_); !made) {
    const auto manifest = file_system_->info(os::join_path(directory_, kManifestName));
    finished_ = manifest || manifest.error().code() != ErrorCode::not_found;
    return made;
  }
  return file_system_->sync_directory(os::parent_directory(directory_));
}

}  // namespace quire::vector
