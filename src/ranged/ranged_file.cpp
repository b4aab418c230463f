#include "quire/ranged_file.hpp"

#include <utility>

#include "base/try.hpp"
#include "ranged/core.hpp"
#include "ranged/ranged_access.hpp"

namespace quire {

namespace ranged {

Result<RangedFile> RangedAccess::create(os::FileSystem& file_system, const std::string& path,
                                        std::uint64_t size, const RangedFileOptions& options,
                                        IfExists if_exists) {
  QUIRE_TRY(auto core, Core::create(file_system, path, size, options, if_exists));
  return RangedFile(std::move(core));
}

Result<RangedFile> RangedAccess::open(os::FileSystem& file_system, const std::string& path,
                                      Access access, const RangedFileOptions& options) {
  QUIRE_TRY(auto core, Core::open(file_system, path, access, options));
  return RangedFile(std::move(core));
}

Result<RangedFile> RangedAccess::open_or_create(os::FileSystem& file_system,
                                                const std::string& path, std::uint64_t size,
                                                const RangedFileOptions& options) {
  QUIRE_TRY(auto core, Core::open_or_create(file_system, path, size, options));
  return RangedFile(std::move(core));
}

}  // namespace ranged

inline namespace v0 {

using ranged::RangedAccess;

Result<RangedFile> RangedFile::create(const std::string& path, std::uint64_t size,
                                      const RangedFileOptions& options) {
  return RangedAccess::create(os::real_file_system(), path, size, options, IfExists::fail);
}

Result<RangedFile> RangedFile::create_or_replace(const std::string& path, std::uint64_t size,
                                                 const RangedFileOptions& options) {
  return RangedAccess::create(os::real_file_system(), path, size, options, IfExists::replace);
}

Result<RangedFile> RangedFile::open(const std::string& path, Access access,
                                    const RangedFileOptions& options) {
  return RangedAccess::open(os::real_file_system(), path, access, options);
}

Result<RangedFile> RangedFile::open_or_create(const std::string& path, std::uint64_t size,
                                              const RangedFileOptions& options) {
  return RangedAccess::open_or_create(os::real_file_system(), path, size, options);
}

Result<void> RangedFile::check_open(const char* operation) const {
  if (core_) return {};
  return std::unexpected(Error(ErrorCode::closed, operation));
}

Result<void> RangedFile::check_no_ranges(const char* operation) const {
  QUIRE_CHECK(check_open(operation));
  if (core_.use_count() == 1) return {};
  return std::unexpected(
      Error(ErrorCode::busy, operation).with_path(path()).with_detail("ranges of the file live"));
}

Result<void> RangedFile::close() {
  QUIRE_CHECK(check_no_ranges("close"));
  Result<void> result;
  if (access() == Access::read_write) result = core_->sync_all();
  core_.reset();
  return result;
}

Result<void> RangedFile::finish() {
  QUIRE_CHECK(check_no_ranges("finish"));
  if (access() != Access::read_write || !core_->is_resumed()) {
    return std::unexpected(Error(ErrorCode::wrong_mode, "finish")
                               .with_path(path())
                               .with_detail("the file was not opened to be resumed"));
  }
  QUIRE_CHECK(core_->sync_all());
  QUIRE_CHECK(core_->check_whole());
  auto removed = core_->remove_journal();
  core_.reset();
  return removed;
}

const std::string& RangedFile::path() const noexcept {
  static const std::string kNone;
  return core_ ? core_->file().path() : kNone;
}

std::uint64_t RangedFile::size() const noexcept { return core_ ? core_->file().size() : 0; }

std::uint64_t RangedFile::reserved() const noexcept { return core_ ? core_->file().reserved() : 0; }

Access RangedFile::access() const noexcept {
  return core_ ? core_->file().access() : Access::read_only;
}

Result<FileRange> RangedFile::allocate(std::uint64_t length, std::uint64_t alignment) {
  QUIRE_CHECK(check_open("allocate"));
  return core_->allocate(length, alignment);
}

Result<FileRange> RangedFile::allocate_up_to(std::uint64_t length, std::uint64_t alignment) {
  QUIRE_CHECK(check_open("allocate_up_to"));
  return core_->allocate_up_to(length, alignment);
}

Result<FileRange> RangedFile::allocate_at(ByteRange range) {
  QUIRE_CHECK(check_open("allocate_at"));
  return core_->allocate_at(range);
}

std::uint64_t RangedFile::unallocated() const noexcept { return core_ ? core_->unallocated() : 0; }

Result<void> RangedFile::grow(std::uint64_t new_size) {
  QUIRE_CHECK(check_open("grow"));
  return core_->grow(new_size);
}

Result<void> RangedFile::sync(const WriteReceipt& receipt) { return sync(std::span(&receipt, 1)); }

Result<void> RangedFile::sync(std::span<const WriteReceipt> receipts) {
  QUIRE_CHECK(check_open("sync"));
  return core_->sync(receipts);
}

Result<void> RangedFile::sync_all() {
  QUIRE_CHECK(check_open("sync_all"));
  return core_->sync_all();
}

Result<void> RangedFile::start_writeback(const WriteReceipt& receipt) {
  QUIRE_CHECK(check_open("start_writeback"));
  return core_->start_writeback(receipt);
}

Result<Coverage> RangedFile::coverage() const {
  QUIRE_CHECK(check_open("coverage"));
  return core_->coverage();
}

Result<std::span<const std::byte>> RangedFile::bytes(ByteRange range) const {
  QUIRE_CHECK(check_open("bytes"));
  return core_->file().bytes(range.offset, range.length);
}

Result<void> RangedFile::read_into(std::uint64_t offset, std::span<std::byte> out) const {
  QUIRE_CHECK(check_open("read"));
  return core_->file().read_into(offset, out);
}

Result<Bytes> RangedFile::read(ByteRange range) const {
  QUIRE_CHECK(check_open("read"));
  return core_->file().read(range.offset, range.length);
}

UncheckedRanges RangedFile::unchecked() const noexcept {
  return core_ ? core_->unchecked() : UncheckedRanges();
}

Result<void> RangedFile::reopen_after_error() {
  QUIRE_CHECK(check_open("reopen_after_error"));
  return core_->reopen_after_error();
}

}  // namespace v0
}  // namespace quire
