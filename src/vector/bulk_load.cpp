#include "vector/bulk_load.hpp"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "vector/check_rows.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kWritebackBytes = std::uint64_t{8} << 20;

}  // namespace

BulkLoad::BulkLoad(std::shared_ptr<StoreCore> core, const BulkLoadOptions& options)
    : core_(std::move(core)),
      block_rows_(std::max<std::uint64_t>(options.block_bytes / core_->identity().stride(), 1)),
      next_grant_(options.expected_rows > 0 ? options.expected_rows : block_rows_) {}

Result<std::shared_ptr<BulkLoad>> BulkLoad::begin(std::shared_ptr<StoreCore> core,
                                                  const BulkLoadOptions& options) {
  std::shared_ptr<BulkLoad> load(new BulkLoad(std::move(core), options));
  QUIRE_TRY(load->row_file_, load->core_->begin_bulk_load());
  return load;
}

BulkLoad::~BulkLoad() {
  if (!row_file_) return;
  const std::uint64_t next = rows_.next();
  core_->end_bulk_load({next, rows_.size() - next});
}

Result<ByteRange> BulkLoad::claim(std::uint64_t rows) {
  if (rows == 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "claim")
                               .with_path(core_->directory())
                               .with_detail("a claim is of at least one row"));
  }
  const base::MutexLock lock(mutex_);
  if (auto claimed = rows_.allocate(rows)) return claimed;
  QUIRE_CHECK(grow(rows));
  return rows_.allocate(rows);
}

Result<void> BulkLoad::grow(std::uint64_t rows) {
  const std::uint64_t end = rows_.size();
  QUIRE_TRY(const ByteRange granted, core_->grant_rows(rows, std::max(rows, next_grant_)));
  next_grant_ = block_rows_;
  QUIRE_CHECK(rows_.grow(granted.end()));
  if (granted.offset == end) return {};
  return rows_.allocate_at({end, granted.offset - end});
}

void BulkLoad::give_back(ByteRange rows) noexcept {
  if (rows.empty()) return;
  const base::MutexLock lock(mutex_);
  try {
    ignore_error(rows_.free(rows));
  } catch (const std::bad_alloc&) {
    return;  // they are nobody's, which is safe
  }
}

ClaimedRows::~ClaimedRows() {
  const std::uint64_t written = operations_.size();
  load_->give_back({rows_.offset + written, rows_.length - written});
}

Result<void> ClaimedRows::append(std::span<const std::uint64_t> ids, VectorRef rows) {
  const StoreCore& core = load_->core();
  std::vector<std::byte> converted;
  QUIRE_TRY(const auto bytes, rows_for_store(core, "append", rows, ids.size(), converted));
  const std::uint64_t left = rows_.length - operations_.size();
  if (ids.size() > left) {
    return std::unexpected(Error(ErrorCode::out_of_range, "append")
                               .with_path(core.directory())
                               .with_detail(std::to_string(ids.size()) + " rows, but " +
                                            std::to_string(left) + " of the " +
                                            std::to_string(rows_.length) + " claimed are left"));
  }
  make_room(ids.size());
  QUIRE_CHECK(load_->row_file().write_granted(rows_.offset + operations_.size(), bytes));
  remember(ids, bytes);
  start_writeback();
  return {};
}

// The disk works while threads write, and the commit's sync has the rest to wait for.
void ClaimedRows::start_writeback() {
  const std::uint64_t waiting = operations_.size() - started_;
  if (waiting * load_->core().identity().stride() < kWritebackBytes) return;
  load_->row_file().start_writeback({rows_.offset + started_, waiting});
  started_ += waiting;
}

// Before the rows are written, so that remembering them cannot fail.
void ClaimedRows::make_room(std::size_t rows) {
  const std::size_t before = operations_.size();
  const std::size_t needed = before + rows;
  if (needed <= operations_.capacity()) return;
  operations_.reserve(static_cast<std::size_t>(
      std::min<std::uint64_t>(rows_.length, std::max(needed, 2 * before))));
}

void ClaimedRows::remember(std::span<const std::uint64_t> ids, std::span<const std::byte> rows) {
  const std::size_t before = operations_.size();
  const auto stride = static_cast<std::size_t>(load_->core().identity().stride());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    operations_.push_back({.kind = OperationKind::put,
                           .id = ids[i],
                           .row = rows_.offset + before + i,
                           .row_checksum = base::checksum(rows.subspan(i * stride, stride))});
  }
}

}  // namespace quire::vector
