#include "quire/mapped_file.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "mapped/factory.hpp"
#include "os/fault_guard.hpp"

namespace quire {
inline namespace v0 {

namespace {

constexpr std::size_t kLargeFill = std::size_t{1} << 20;

// Fills from a buffer, by copies large enough to work without the guard's handler.
const std::byte* fill_by_copies(std::byte* to, std::size_t length, std::byte value) {
  const std::vector<std::byte> block(kLargeFill, value);
  for (std::size_t done = 0; done < length;) {
    // The last block ends with the range and may overlap the one before.
    const std::size_t at = std::min(done, length - kLargeFill);
    if (const auto* fault = os::guarded_copy_to(to + at, block.data(), kLargeFill)) return fault;
    done = at + kLargeFill;
  }
  return nullptr;
}

}  // namespace

Pin::Pin(std::shared_ptr<mapped::Backing> backing, std::span<const std::byte> span) noexcept
    : backing_(std::move(backing)), span_(span) {}

Pin::Pin(Pin&& other) noexcept
    : backing_(std::move(other.backing_)), span_(std::exchange(other.span_, {})) {}

Pin& Pin::operator=(Pin&& other) noexcept {
  if (this != &other) {
    release();
    backing_ = std::move(other.backing_);
    span_ = std::exchange(other.span_, {});
  }
  return *this;
}

Pin::~Pin() { release(); }

void Pin::release() noexcept {
  if (!backing_ || span_.empty()) return;
  const std::byte* const end = span_.data() + span_.size();
  backing_->remove_pin(static_cast<std::uint64_t>(end - backing_->base()));
}

Result<MappedFile> MappedFile::create(const std::string& path, std::uint64_t size,
                                      const MappedFileOptions& options) {
  return mapped::Factory::create(os::real_file_system(), path, size, options);
}

Result<MappedFile> MappedFile::create_or_replace(const std::string& path, std::uint64_t size,
                                                 const MappedFileOptions& options) {
  return mapped::Factory::create_or_replace(os::real_file_system(), path, size, options);
}

Result<MappedFile> MappedFile::open_or_create(const std::string& path, std::uint64_t size,
                                              const MappedFileOptions& options) {
  return mapped::Factory::open_or_create(os::real_file_system(), path, size, options);
}

Result<MappedFile> MappedFile::open(const std::string& path, Access access,
                                    const MappedFileOptions& options) {
  return mapped::Factory::open(os::real_file_system(), path, access, options);
}

MappedFile::MappedFile(std::shared_ptr<mapped::Backing> backing) noexcept
    : base_(backing->base()),
      size_(&backing->size()),
      access_(backing->access()),
      backing_(std::move(backing)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    base_ = std::exchange(other.base_, nullptr);
    size_ = std::exchange(other.size_, nullptr);
    access_ = other.access_;
    backing_ = std::move(other.backing_);
  }
  return *this;
}

Result<void> MappedFile::close() {
  QUIRE_CHECK(check_open("close"));
  Result<void> result;
  if (access_ == Access::read_write) result = flush();
  *this = MappedFile();
  return result;
}

const std::string& MappedFile::path() const noexcept {
  static const std::string kNone;
  return backing_ ? backing_->path() : kNone;
}

std::uint64_t MappedFile::reserved() const noexcept { return backing_ ? backing_->reserved() : 0; }

bool MappedFile::allocation_guaranteed() const noexcept {
  return backing_ && backing_->has_space();
}

Result<Pin> MappedFile::pin(std::uint64_t offset, std::uint64_t length) const {
  QUIRE_CHECK(check_open("pin"));
  QUIRE_CHECK(backing_->add_pin({offset, length}));
  return Pin(backing_, {base_ + offset, length});
}

Result<void> MappedFile::read_into(std::uint64_t offset, std::span<std::byte> out) const {
  const ByteRange range{offset, out.size()};
  if (!is_inside(range)) return refuse("read", range);
  if (os::guarded_copy_from(out.data(), base_ + offset, out.size()) == nullptr) return {};
  return std::unexpected(backing_->fault("read", range));
}

Result<void> MappedFile::write(std::uint64_t offset, std::span<const std::byte> in) {
  const ByteRange range{offset, in.size()};
  QUIRE_CHECK(check_change("write", range));
  if (os::guarded_copy_to(base_ + offset, in.data(), in.size()) == nullptr) return {};
  return std::unexpected(backing_->fault("write", range));
}

Result<void> MappedFile::fill(std::uint64_t offset, std::uint64_t length, std::byte value) {
  const ByteRange range{offset, length};
  QUIRE_CHECK(check_change("fill", range));
  std::byte* const to = base_ + offset;
  const std::byte* const fault = length >= kLargeFill && !os::fault_guard_installed()
                                     ? fill_by_copies(to, length, value)
                                     : os::guarded(to, length, [=]() noexcept {
                                         std::memset(to, std::to_integer<int>(value), length);
                                       });
  if (fault == nullptr) return {};
  return std::unexpected(backing_->fault("fill", range));
}

Result<void> MappedFile::run_guarded(ByteRange range, void (*call)(void*) noexcept,
                                     void* argument) const {
  if (os::guarded(base_ + range.offset, range.length, [=]() noexcept { call(argument); }) ==
      nullptr) {
    return {};
  }
  return std::unexpected(backing_->fault("guarded", range));
}

Result<void> MappedFile::grow(std::uint64_t new_size) {
  QUIRE_CHECK(check_change("grow", {}));
  return backing_->grow(new_size);
}

Result<void> MappedFile::shrink(std::uint64_t new_size) {
  QUIRE_CHECK(check_change("shrink", {}));
  return backing_->shrink(new_size);
}

Result<std::uint64_t> MappedFile::refresh() {
  QUIRE_CHECK(check_open("refresh"));
  return backing_->refresh();
}

Result<void> MappedFile::flush() {
  QUIRE_CHECK(check_open("flush"));
  return backing_->flush();
}

Result<void> MappedFile::flush_range(ByteRange range) {
  if (!is_inside(range)) return refuse("flush_range", range);
  return backing_->flush_range(range);
}

Result<void> MappedFile::start_writeback(ByteRange range) {
  if (!is_inside(range)) return refuse("start_writeback", range);
  return backing_->start_writeback(range);
}

Result<void> MappedFile::advise(ByteRange range, AccessHint access) const {
  if (!is_inside(range)) return refuse("advise", range);
  backing_->advise(range, access);
  return {};
}

Result<void> MappedFile::reopen_after_error() {
  QUIRE_CHECK(check_open("reopen_after_error"));
  backing_->reopen_after_error();
  return {};
}

Result<void> MappedFile::check_open(const char* operation) const {
  if (base_ != nullptr) return {};
  return std::unexpected(Error(ErrorCode::closed, operation));
}

Result<void> MappedFile::check_change(const char* operation, ByteRange range) const {
  if (access_ != Access::read_write || !is_inside(range)) return refuse_change(operation, range);
  if (!backing_->sync_failed()) return {};
  return std::unexpected(
      backing_->named(Error(ErrorCode::read_only_after_error, operation)
                          .with_range(range)
                          .with_detail("a flush failed; what it did not write may be lost")));
}

std::unexpected<Error> MappedFile::refuse(const char* operation, ByteRange range) const {
  if (auto open = check_open(operation); !open) return std::unexpected(std::move(open).error());
  return std::unexpected(
      backing_->named(Error(ErrorCode::out_of_range, operation)
                          .with_range(range)
                          .with_detail("the file has " + std::to_string(size()) + " bytes")));
}

std::unexpected<Error> MappedFile::refuse_change(const char* operation, ByteRange range) const {
  if (base_ == nullptr || access_ == Access::read_write) return refuse(operation, range);
  return std::unexpected(backing_->named(Error(ErrorCode::wrong_mode, operation)
                                             .with_range(range)
                                             .with_detail("the file was opened read-only")));
}

std::unexpected<Error> MappedFile::misaligned(const char* operation, ByteRange range,
                                              std::size_t alignment) const {
  return std::unexpected(backing_->named(
      Error(ErrorCode::misaligned, operation)
          .with_range(range)
          .with_detail("the offset must be a multiple of " + std::to_string(alignment))));
}

}  // namespace v0
}  // namespace quire
