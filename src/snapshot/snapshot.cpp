#include "quire/snapshot.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "quire/local_source.hpp"
#include "snapshot/batch.hpp"
#include "snapshot/search.hpp"
#include "snapshot/snapshot_core.hpp"

namespace quire {
inline namespace v0 {

namespace {

constexpr std::string_view kNone = "none";

}  // namespace

std::string_view to_string(SnapshotCodec codec) noexcept {
  return codec == SnapshotCodec::none ? kNone : "?";
}

std::optional<SnapshotCodec> snapshot_codec_from_string(std::string_view name) noexcept {
  if (name == kNone) return SnapshotCodec::none;
  return std::nullopt;
}

Snapshot::Snapshot(std::shared_ptr<const snapshot::SnapshotCore> core) noexcept
    : core_(std::move(core)) {}

Result<Snapshot> Snapshot::open(std::shared_ptr<const ByteSource> source,
                                const OpenSnapshotOptions& options) {
  QUIRE_TRY(auto core, snapshot::SnapshotCore::open(std::move(source), options));
  return Snapshot(std::move(core));
}

Result<Snapshot> Snapshot::open(const std::filesystem::path& path,
                                const OpenSnapshotOptions& options) {
  QUIRE_TRY(auto source, open_map_source(path.string()));
  return open(std::move(source), options);
}

const SnapshotInfo& Snapshot::info() const noexcept { return core_->info(); }
const std::string& Snapshot::name() const noexcept { return core_->source().name(); }

Result<void> Snapshot::check_type(const char* operation, ElementType type) const {
  if (type == element_type()) return {};
  return std::unexpected(Error(ErrorCode::mismatch, operation)
                             .with_path(name())
                             .with_detail("the vectors are " +
                                          std::string(to_string(element_type())) + ", not " +
                                          std::string(to_string(type))));
}

Result<bool> Snapshot::contains(std::uint64_t id, const ReadOptions& options) const {
  QUIRE_TRY(const auto row, core_->find(id, options));
  return row.has_value();
}

Result<std::uint64_t> Snapshot::row_of(std::uint64_t id, const ReadOptions& options) const {
  QUIRE_TRY(const auto row, core_->find(id, options));
  if (row) return *row;
  return std::unexpected(Error(ErrorCode::not_found, "find")
                             .with_path(name())
                             .with_detail("there is no vector under id " + std::to_string(id)));
}

Result<Bytes> Snapshot::find_bytes(std::uint64_t id, const ReadOptions& options) const {
  QUIRE_TRY(const std::uint64_t row, row_of(id, options));
  return core_->row(row, options);
}

Result<void> Snapshot::get(std::uint64_t id, std::span<std::byte> out,
                           const ReadOptions& options) const {
  if (out.size() != core_->stride()) {
    return std::unexpected(Error(ErrorCode::mismatch, "get")
                               .with_path(name())
                               .with_detail("a vector has " + std::to_string(core_->stride()) +
                                            " bytes, not " + std::to_string(out.size())));
  }
  QUIRE_TRY(const Bytes row, find_bytes(id, options));
  return core_->copy("get", row.span(), out);
}

Result<std::size_t> Snapshot::get_many(std::span<const std::uint64_t> ids, std::span<Bytes> out,
                                       const ReadOptions& options) const {
  if (out.size() != ids.size()) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "get_many")
                               .with_path(name())
                               .with_detail("there is room for " + std::to_string(out.size()) +
                                            " vectors, not " + std::to_string(ids.size())));
  }
  std::ranges::fill(out, Bytes());
  auto found = snapshot::get_many(*core_, ids, out, options);
  if (!found) std::ranges::fill(out, Bytes());
  return found;
}

Result<std::vector<std::uint64_t>> Snapshot::ids(const ReadOptions& options) const {
  std::vector<std::uint64_t> all;
  // What the snapshot says of its rows was held against its size.
  all.reserve(static_cast<std::size_t>(size()));
  for (std::uint64_t block = 0; block < info().blocks; ++block) {
    QUIRE_TRY(const auto of_block, core_->ids(block, options));
    all.insert(all.end(), of_block.begin(), of_block.end());
  }
  return all;
}

Result<std::vector<std::vector<Neighbour>>> Snapshot::nearest(
    VectorRef queries, std::size_t k, const NearestOptions& options,
    const ReadOptions& read_options) const {
  return snapshot::search(*core_, queries, k, options, read_options);
}

Result<std::span<const std::byte>> Snapshot::matrix_bytes() const {
  if (!core_->is_in_place()) {
    return std::unexpected(
        Error(ErrorCode::unsupported, "matrix")
            .with_path(name())
            .with_detail("only a snapshot in memory, or mapped, is one matrix in place"));
  }
  for (std::uint64_t block = 0; block < info().blocks; ++block) {
    QUIRE_CHECK(core_->block(block, {}));
  }
  return core_->source().view(snapshot::kHeaderBytes, size() * core_->stride());
}

}  // namespace v0
}  // namespace quire
