#include "quire/mapped_file.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "mapped/factory.hpp"
#include "os/fault_guard.hpp"
#include "os/memory.hpp"

namespace quire {
inline namespace v0 {

namespace {

std::string_view name_of(Access access) {
  switch (access) {
    case Access::read_only:
      return "read_only";
    case Access::read_write:
      return "read_write";
    case Access::copy_on_write:
      return "copy_on_write";
  }
  return "";
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

Bytes Pin::into_bytes() && {
  const std::span<const std::byte> span = span_;
  return Bytes::borrow(span, std::make_shared<const Pin>(std::move(*this)));
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

Result<MappedFile> MappedFile::open_window(const std::string& path, Access access, ByteRange window,
                                           const MappedFileOptions& options) {
  return mapped::Factory::open_window(os::real_file_system(), path, access, window, options);
}

Result<MappedFile> MappedFile::from_descriptor(int descriptor, Access access,
                                               const MappedFileOptions& options) {
  return mapped::Factory::from_descriptor(descriptor, access, options);
}

Result<MappedFile> MappedFile::anonymous(std::uint64_t size, const MappedFileOptions& options) {
  return mapped::Factory::anonymous(size, options);
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

MappedFile MappedFile::share() const { return backing_ ? MappedFile(backing_) : MappedFile(); }

Result<void> MappedFile::close() {
  QUIRE_CHECK(check_open("close"));
  Result<void> result;
  if (access_ == Access::read_write && !backing_->is_memory()) {
    backing_->end_background_flushes();
    result = backing_->flush();
    if (auto trimmed = backing_->trim(); result) result = std::move(trimmed);
  }
  *this = MappedFile();
  return result;
}

Result<int> MappedFile::unmap() {
  QUIRE_CHECK(check_open("unmap"));
  // What runs in the background holds the backing too.
  backing_->end_background_flushes();
  if (backing_.use_count() != 1) {
    backing_->resume_background_flushes();
    return std::unexpected(backing_->named(
        Error(ErrorCode::busy, "unmap").with_detail("pins or other handles of the file live")));
  }
  auto descriptor = backing_->name_error(backing_->file().duplicate_descriptor());
  if (descriptor) {
    *this = MappedFile();
  } else {
    backing_->resume_background_flushes();
  }
  return descriptor;
}

const std::string& MappedFile::path() const noexcept {
  static const std::string kNone;
  return backing_ ? backing_->path() : kNone;
}

std::uint64_t MappedFile::reserved() const noexcept { return backing_ ? backing_->reserved() : 0; }

FlushPolicy MappedFile::flush_policy() const noexcept {
  return backing_ ? backing_->account().policy() : FlushPolicy::manual();
}

int MappedFile::descriptor() const noexcept {
  return backing_ ? backing_->file().descriptor() : -1;
}

std::string MappedFile::description() const {
  if (!backing_) return "closed";
  std::string line = path() + " (";
  line += name_of(access_);
  line += ", " + std::to_string(size()) + " of " + std::to_string(reserved()) + " bytes)";
  return line;
}

PendingWrites MappedFile::pending() const noexcept {
  return backing_ ? backing_->account().pending() : PendingWrites{};
}

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

Result<Bytes> MappedFile::read(std::uint64_t offset, std::uint64_t length) const {
  const ByteRange range{offset, length};
  if (!is_inside(range)) return refuse("read", range);
  std::vector<std::byte> copy(length);
  QUIRE_CHECK(read_into(offset, copy));
  return Bytes::own(std::move(copy));
}

Result<void> MappedFile::write(std::uint64_t offset, std::span<const std::byte> in) {
  const ByteRange range{offset, in.size()};
  QUIRE_CHECK(check_change("write", range));
  QUIRE_CHECK(backing_->store(range, in.data()));
  return backing_->count_change(range);
}

Result<void> MappedFile::fill(std::uint64_t offset, std::uint64_t length, std::byte value) {
  const ByteRange range{offset, length};
  QUIRE_CHECK(check_change("fill", range));
  QUIRE_CHECK(backing_->fill(range, value));
  return backing_->count_change(range);
}

Result<void> MappedFile::copy_within(ByteRange from, std::uint64_t to) {
  const ByteRange target{to, from.length};
  if (!is_inside(from)) return refuse("copy_within", from);
  QUIRE_CHECK(check_change("copy_within", target));
  const std::byte* const source = base_ + from.offset;
  // One guard around both.
  const std::uint64_t first = std::min(from.offset, to);
  const ByteRange both{first, std::max(from.end(), target.end()) - first};
  const auto copy = [&]() noexcept { std::memmove(base_ + to, source, from.length); };
  const std::byte* const fault = os::guarded(base_ + both.offset, both.length, copy);
  if (fault != nullptr) {
    const bool in_target = fault >= base_ + to && fault < base_ + target.end();
    return std::unexpected(backing_->fault("copy_within", in_target ? target : from));
  }
  return backing_->count_change(target);
}

Result<void> MappedFile::mark_dirty(ByteRange range) {
  QUIRE_CHECK(check_change("mark_dirty", range));
  return backing_->count_change(range);
}

Result<void> MappedFile::count_change(ByteRange range) { return backing_->count_change(range); }

Result<void> MappedFile::run_guarded(ByteRange range, void (*call)(void*) noexcept,
                                     void* argument) const {
  if (os::guarded(base_ + range.offset, range.length, [=]() noexcept { call(argument); }) ==
      nullptr) {
    return {};
  }
  return std::unexpected(backing_->fault("guarded", range));
}

Result<void> MappedFile::grow(std::uint64_t new_size) {
  QUIRE_CHECK(check_file_change("grow"));
  return backing_->grow(new_size);
}

Result<void> MappedFile::shrink(std::uint64_t new_size) {
  QUIRE_CHECK(check_file_change("shrink"));
  return backing_->shrink(new_size);
}

Result<std::uint64_t> MappedFile::append(std::span<const std::byte> in) {
  QUIRE_CHECK(check_file_change("append"));
  QUIRE_TRY(const std::uint64_t offset, backing_->append(in));
  QUIRE_CHECK(backing_->count_change({offset, in.size()}));
  return offset;
}

Result<void> MappedFile::trim() {
  QUIRE_CHECK(check_file_change("trim"));
  return backing_->trim();
}

Result<void> MappedFile::punch_hole(ByteRange range) {
  QUIRE_CHECK(check_change("punch_hole", range));
  if (access_ != Access::read_write) return not_for("punch_hole", "the file is not written to");
  return backing_->punch_hole(range);
}

Result<std::uint64_t> MappedFile::refresh() {
  QUIRE_CHECK(check_open("refresh"));
  return backing_->refresh();
}

Result<void> MappedFile::flush() {
  QUIRE_CHECK(check_flush("flush"));
  return backing_->flush();
}

Result<void> MappedFile::flush_range(ByteRange range) {
  if (!is_inside(range)) return refuse("flush_range", range);
  QUIRE_CHECK(check_flush("flush_range"));
  return backing_->flush_range(range);
}

Result<void> MappedFile::start_writeback(ByteRange range) {
  if (!is_inside(range)) return refuse("start_writeback", range);
  QUIRE_CHECK(check_flush("start_writeback"));
  return backing_->start_writeback(range);
}

std::optional<Error> MappedFile::last_flush_error() const {
  return backing_ ? backing_->last_flush_error() : std::nullopt;
}

Result<std::vector<ByteRange>> MappedFile::changed_ranges() const {
  QUIRE_CHECK(check_private("changed_ranges"));
  return backing_->name_error(backing_->private_copy().changed_ranges());
}

Result<void> MappedFile::commit() {
  QUIRE_CHECK(check_private("commit"));
  return backing_->name_error(backing_->private_copy().commit());
}

Result<void> MappedFile::discard() {
  QUIRE_CHECK(check_private("discard"));
  return backing_->name_error(backing_->private_copy().discard());
}

Result<void> MappedFile::advise(ByteRange range, AccessHint access) const {
  if (!is_inside(range)) return refuse("advise", range);
  backing_->mapping().advise(range, access);
  return {};
}

Result<void> MappedFile::advise(ByteRange range, MemoryAdvice advice) const {
  if (!is_inside(range)) return refuse("advise", range);
  return with_range(os::advise(base_ + range.offset, range.length, advice), range);
}

Result<void> MappedFile::prefault(ByteRange range, Prefault how) const {
  if (!is_inside(range)) return refuse("prefault", range);
  if (how == Prefault::write && !can_store()) return not_for("prefault", "the file is read-only");
  return backing_->prefault(range, how);
}

Result<void> MappedFile::lock_in_memory(ByteRange range) const {
  if (!is_inside(range)) return refuse("lock_in_memory", range);
  auto locked = os::lock_memory(base_ + range.offset, range.length);
  if (!locked && locked.error().code() == ErrorCode::io) {
    return std::unexpected(backing_->fault("lock_in_memory", range));
  }
  return with_range(std::move(locked), range);
}

Result<void> MappedFile::unlock_in_memory(ByteRange range) const {
  if (!is_inside(range)) return refuse("unlock_in_memory", range);
  return with_range(os::unlock_memory(base_ + range.offset, range.length), range);
}

Result<Residency> MappedFile::residency(ByteRange range) const {
  if (!is_inside(range)) return refuse("residency", range);
  return with_range(
      os::residency(base_ + range.offset, range.length, descriptor(), backing_->in_file(range)),
      range);
}

Result<HugePageReport> MappedFile::huge_page_report() const {
  QUIRE_CHECK(check_open("huge_page_report"));
  return backing_->name_error(os::huge_page_report(base_, backing_->mapping().size()));
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
  if (!can_store() || !is_inside(range)) return refuse_change(operation, range);
  if (!backing_->sync_failed()) return {};
  return std::unexpected(backing_->refusal(operation, range));
}

// For what changes the size of the file.
Result<void> MappedFile::check_file_change(const char* operation) const {
  QUIRE_CHECK(check_change(operation, {}));
  if (!backing_->has_fixed_size()) return {};
  return not_for(operation, access_ == Access::copy_on_write ? "copy_on_write has a fixed size"
                                                             : "a window has a fixed size");
}

Result<void> MappedFile::check_flush(const char* operation) const {
  QUIRE_CHECK(check_open(operation));
  if (access_ == Access::copy_on_write) {
    return not_for(operation, "its stores are private: commit writes them to the file");
  }
  if (!backing_->is_memory()) return {};
  return std::unexpected(backing_->named(Error(ErrorCode::unsupported, operation)
                                             .with_detail("memory without a file is not durable")));
}

Result<void> MappedFile::check_private(const char* operation) const {
  QUIRE_CHECK(check_open(operation));
  if (access_ == Access::copy_on_write) return {};
  return not_for(operation, "the file was not opened copy_on_write");
}

template <class T>
Result<T> MappedFile::with_range(Result<T> result, ByteRange range) const {
  if (result) return result;
  return std::unexpected(backing_->named(std::move(result).error().with_range(range)));
}

std::unexpected<Error> MappedFile::not_for(const char* operation, const char* why) const {
  return std::unexpected(backing_->named(Error(ErrorCode::wrong_mode, operation).with_detail(why)));
}

std::unexpected<Error> MappedFile::refuse(const char* operation, ByteRange range) const {
  if (auto open = check_open(operation); !open) return std::unexpected(std::move(open).error());
  return std::unexpected(
      backing_->named(Error(ErrorCode::out_of_range, operation)
                          .with_range(range)
                          .with_detail("the file has " + std::to_string(size()) + " bytes")));
}

std::unexpected<Error> MappedFile::refuse_change(const char* operation, ByteRange range) const {
  if (base_ == nullptr || can_store()) return refuse(operation, range);
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
