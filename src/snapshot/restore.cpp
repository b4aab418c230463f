#include <optional>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "snapshot/scan.hpp"
#include "snapshot/snapshot_access.hpp"
#include "vector/network_refusal.hpp"
#include "vector/store_builder.hpp"

namespace quire {

namespace snapshot {

Result<RestoreReport> SnapshotAccess::restore(os::FileSystem& file_system, const Snapshot& snapshot,
                                              const std::string& directory,
                                              const RestoreSnapshotOptions& options) {
  if (!options.allow_network_file_system) {
    QUIRE_CHECK(vector::refuse_network_file_system(file_system, "restore", directory));
  }
  const SnapshotCore& core = *snapshot.core_;
  QUIRE_TRY(vector::StoreBuilder builder,
            vector::StoreBuilder::create(file_system, directory,
                                         {.dimension = core.description().dimension,
                                          .element_type = core.description().element_type,
                                          .durability = options.durability}));
  const ReadOptions read{.stop = options.stop, .deadline = std::nullopt};
  ScanPosition position{.first_id = 0, .last_id = UINT64_MAX};
  RestoreReport report;
  std::vector<std::byte> block;  // a copy: a mapped file that is cut is an error, and no signal
  while (true) {
    std::optional<SnapshotDamage> left_out;
    auto rows = next_rows(core, position, read, options.salvage ? &left_out : nullptr);
    if (left_out) {
      report.left_out.push_back(*std::move(left_out));
      continue;
    }
    if (!rows) return std::unexpected(std::move(rows).error());
    if (rows->ids.empty()) break;
    if (options.stop.stop_requested()) {
      return std::unexpected(Error(ErrorCode::cancelled, "restore").with_path(directory));
    }
    block.resize(rows->rows.size());
    QUIRE_CHECK(core.copy("restore", rows->rows.span(), block));
    QUIRE_CHECK(builder.append(rows->ids, block));
    report.rows += rows->ids.size();
    if (options.progress)
      options.progress(rows->first_row + rows->ids.size(), core.description().rows);
  }
  QUIRE_CHECK(builder.finish());
  return report;
}

}  // namespace snapshot

inline namespace v0 {

Result<RestoreReport> restore_snapshot(const Snapshot& snapshot,
                                       const std::filesystem::path& directory,
                                       const RestoreSnapshotOptions& options) {
  return snapshot::SnapshotAccess::restore(os::real_file_system(), snapshot, directory.string(),
                                           options);
}

}  // namespace v0
}  // namespace quire
