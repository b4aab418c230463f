// Writing a snapshot: the rows in ascending order of ids, block by block; then, from a second pass over
// the ids alone, the id pages; then root and tail. So no more than a block of rows, a page of ids and the
// checksums of the blocks are held.
#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "quire/snapshot.hpp"
#include "snapshot/format.hpp"
#include "snapshot/id_page.hpp"
#include "vector/ordered_rows.hpp"
#include "vector/store_access.hpp"

namespace quire {

namespace snapshot {
namespace {

constexpr std::uint32_t kMostBlockRows = 4096;  // bounds the ids of a page to 2 MiB

class Writer {
 public:
  Writer(const vector::ViewState& state, ByteSink& sink, const WriteSnapshotOptions& options)
      : state_(state), sink_(sink), options_(options), rows_(state) {}

  Result<SnapshotInfo> run() {
    QUIRE_CHECK(describe());
    QUIRE_CHECK(sink_.append(encode_header(description_)));
    QUIRE_CHECK(write_blocks());
    const std::uint64_t pages_offset = sink_.size();
    QUIRE_CHECK(write_pages());
    QUIRE_CHECK(write_root_and_tail(pages_offset));
    QUIRE_CHECK(check_stop());
    QUIRE_CHECK(sink_.commit());
    return info();
  }

 private:
  Result<void> describe() {
    const std::uint64_t stride = state_.identity.stride();
    if (options_.block_bytes == 0 || options_.block_bytes > kMaxBlockBytes) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "snapshot")
                                 .with_path(sink_.name())
                                 .with_detail("blocks have 1 byte to 16 MiB, not " +
                                              std::to_string(options_.block_bytes)));
    }
    if (options_.codec != SnapshotCodec::none) {
      return std::unexpected(Error(ErrorCode::unsupported, "snapshot")
                                 .with_path(sink_.name())
                                 .with_detail("this build has no such codec"));
    }
    if (sink_.size() != 0) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "snapshot")
                                 .with_path(sink_.name())
                                 .with_detail("the sink holds bytes already"));
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    description_ = {.id = vector::random_store_id(),
                    .store_id = state_.identity.id,
                    .lsn = state_.lsn,
                    .created_ns = static_cast<std::uint64_t>(
                        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()),
                    .rows = state_.live,
                    .dimension = state_.identity.dimension,
                    .element_type = state_.identity.element_type,
                    .codec = options_.codec,
                    .block_rows = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
                        options_.block_bytes / stride, 1, kMostBlockRows))};
    if (description_.pages() * kRootEntryBytes > kMaxRootBytes) {
      return std::unexpected(Error(ErrorCode::capacity, "snapshot")
                                 .with_path(sink_.name())
                                 .with_detail(std::to_string(description_.blocks()) +
                                              " blocks are too many: give larger block_bytes"));
    }
    checksums_.reserve(static_cast<std::size_t>(description_.blocks()));
    return {};
  }

  Result<void> check_stop() const {
    if (!options_.stop.stop_requested()) return {};
    return std::unexpected(Error(ErrorCode::cancelled, "snapshot").with_path(sink_.name()));
  }

  Result<void> write_blocks() {
    const auto stride = static_cast<std::size_t>(description_.stride());
    std::vector<std::byte> block(description_.block_rows * stride);
    std::size_t filled = 0;
    for (auto entries = rows_.next(); !entries.empty(); entries = rows_.next()) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        fetch_ahead(entries, i);
        QUIRE_CHECK(read_row(entries[i].version, std::span(block).subspan(filled, stride)));
        filled += stride;
        if (filled < block.size()) continue;
        QUIRE_CHECK(write_block(block));
        filled = 0;
      }
    }
    return filled == 0 ? Result<void>() : write_block(std::span(block).first(filled));
  }

  // Rows in order of ids may lie anywhere: the processor is told of those that come, first of the version
  // that says where, then of the row.
  void fetch_ahead(std::span<const vector::OrderedRows::Entry> entries, std::size_t at) const {
    constexpr std::size_t kRowAhead = 8;
    constexpr std::size_t kMostLines = 16;
    const vector::VersionTable& versions = state_.catalog->versions();
    if (at + 2 * kRowAhead < entries.size()) {
      versions.prefetch(entries[at + 2 * kRowAhead].version);
    }
    if (at + kRowAhead >= entries.size()) return;
    const std::byte* row = state_.rows->row(versions.row(entries[at + kRowAhead].version));
    const std::size_t lines = static_cast<std::size_t>(description_.stride()) / 64 + 1;
    for (std::size_t line = 0; line < std::min(lines, kMostLines); ++line) {
      __builtin_prefetch(row + line * 64);
    }
  }

  // Copies a row out of the store and compares it: damage is not handed on.
  Result<void> read_row(std::uint64_t number, std::span<std::byte> out) const {
    const vector::Version version = state_.catalog->versions()[number];
    QUIRE_CHECK(state_.rows->read(version.row, out));
    if (base::checksum(out) == version.row_checksum) return {};
    return std::unexpected(state_.rows->damage("snapshot", version.row, version.id));
  }

  Result<void> write_block(std::span<const std::byte> block) {
    QUIRE_CHECK(check_stop());
    checksums_.push_back(base::checksum(block, description_.salt() + checksums_.size()));
    QUIRE_CHECK(sink_.append(block));
    if (options_.progress) {
      const std::uint64_t rows = checksums_.size() * description_.block_rows;
      options_.progress(std::min(rows, description_.rows), description_.rows);
    }
    return {};
  }

  Result<void> write_pages() {
    rows_.rewind();
    IdPageBuilder page;
    std::uint64_t block = 0;
    std::vector<std::uint64_t> ids;
    const auto end_block = [&]() -> Result<void> {
      const ByteRange stored{kHeaderBytes + description_.first_row(block) * description_.stride(),
                             ids.size() * description_.stride()};
      page.add(ids, stored, checksums_[static_cast<std::size_t>(block)]);
      ++block;
      ids.clear();
      return page.full() ? write_page(page) : Result<void>();
    };
    for (auto entries = rows_.next(); !entries.empty(); entries = rows_.next()) {
      QUIRE_CHECK(check_stop());
      for (const auto& entry : entries) {
        ids.push_back(entry.id);
        if (ids.size() == description_.block_rows) QUIRE_CHECK(end_block());
      }
    }
    if (!ids.empty()) QUIRE_CHECK(end_block());
    return page.empty() ? Result<void>() : write_page(page);
  }

  Result<void> write_page(IdPageBuilder& page) {
    RootEntry entry;
    entry.first_id = page.first_id();
    entry.last_id = page.last_id();
    const std::vector<std::byte> bytes = page.finish(root_.size());
    entry.page = {sink_.size(), bytes.size()};
    entry.checksum = base::checksum(bytes, description_.salt() + root_.size());
    root_.push_back(entry);
    return sink_.append(bytes);
  }

  Result<void> write_root_and_tail(std::uint64_t pages_offset) {
    std::vector<std::byte> root(root_.size() * kRootEntryBytes);
    for (std::size_t i = 0; i < root_.size(); ++i) {
      root_[i].encode(std::span(root).subspan(i * kRootEntryBytes, kRootEntryBytes));
    }
    const Tail tail{.description = description_,
                    .pages_offset = pages_offset,
                    .root_offset = sink_.size(),
                    .root_length = root.size(),
                    .root_checksum = base::checksum(root, description_.salt())};
    QUIRE_CHECK(sink_.append(root));
    return sink_.append(tail.encode());
  }

  SnapshotInfo info() const {
    SnapshotInfo info = description_.info();
    info.bytes = sink_.size();
    if (!root_.empty()) {
      info.first_id = root_.front().first_id;
      info.last_id = root_.back().last_id;
    }
    return info;
  }

  const vector::ViewState& state_;
  ByteSink& sink_;
  const WriteSnapshotOptions& options_;
  vector::OrderedRows rows_;
  Description description_;
  std::vector<std::uint64_t> checksums_;  // of the blocks
  std::vector<RootEntry> root_;
};

}  // namespace
}  // namespace snapshot

inline namespace v0 {

Result<SnapshotInfo> write_snapshot(const ReadView& view, ByteSink& sink,
                                    const WriteSnapshotOptions& options) {
  const auto state = vector::StoreAccess::state(view);
  return snapshot::Writer(*state, sink, options).run();
}

Result<SnapshotInfo> create_snapshot(const ReadView& view, const std::filesystem::path& path,
                                     const WriteSnapshotOptions& options,
                                     const FileSinkOptions& file) {
  QUIRE_TRY(const auto sink, open_file_sink(path.string(), file));
  return write_snapshot(view, *sink, options);
}

}  // namespace v0
}  // namespace quire
