#include "quire/byte_source.hpp"

#include <new>
#include <utility>

#include "base/try.hpp"
#include "quire/executor.hpp"

namespace quire {
inline namespace v0 {

namespace {

// On the executor nobody catches: there it is an error that memory ran out.
template <class Read>
auto without_exceptions(Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error(ErrorCode::capacity, "read"));
  }
}

}  // namespace

std::string_view to_string(IdentityStrength strength) noexcept {
  switch (strength) {
    case IdentityStrength::size_only:
      return "size_only";
    case IdentityStrength::compared:
      return "compared";
    case IdentityStrength::strong:
      return "strong";
  }
  return "?";
}

ByteSource::ByteSource(std::string name, std::uint64_t size, SourceIdentity identity)
    : name_(std::move(name)), size_(size), identity_(std::move(identity)) {}

ByteSource::~ByteSource() = default;

Result<void> ByteSource::check_time(const char* operation, ByteRange range,
                                    const ReadOptions& options) const {
  ErrorCode code = ErrorCode::cancelled;
  if (!options.stop.stop_requested()) {
    if (!options.deadline || std::chrono::steady_clock::now() < *options.deadline) return {};
    code = ErrorCode::timeout;
  }
  return std::unexpected(Error(code, operation).with_path(name_).with_range(range));
}

Result<void> ByteSource::check(const char* operation, ByteRange range,
                               const ReadOptions& options) const {
  if (!range.fits(size_)) {
    return std::unexpected(Error(ErrorCode::out_of_range, operation)
                               .with_path(name_)
                               .with_range(range)
                               .with_detail("the object has " + std::to_string(size_) + " bytes"));
  }
  return range.empty() ? Result<void>() : check_time(operation, range, options);
}

std::unexpected<Error> ByteSource::refuse_view(ByteRange range) const {
  auto inside = check("view", range, {});
  if (!inside) return std::unexpected(std::move(inside).error());
  return std::unexpected(Error(ErrorCode::unsupported, "view")
                             .with_path(name_)
                             .with_detail("this source is not memory: read it"));
}

Result<Bytes> ByteSource::read(std::uint64_t offset, std::uint64_t length,
                               const ReadOptions& options) const {
  const ByteRange range{offset, length};
  QUIRE_CHECK(check("read", range, options));
  return range.empty() ? Result<Bytes>() : do_read(range, options);
}

Result<void> ByteSource::read_into(std::uint64_t offset, std::span<std::byte> out,
                                   const ReadOptions& options) const {
  QUIRE_CHECK(check("read", {offset, out.size()}, options));
  return out.empty() ? Result<void>() : do_read_into(offset, out, options);
}

Result<std::vector<Bytes>> ByteSource::read_many(std::span<const ByteRange> ranges,
                                                 const ReadOptions& options) const {
  bool has_empty = false;
  for (const ByteRange& range : ranges) {
    QUIRE_CHECK(check("read", range, options));
    has_empty = has_empty || range.empty();
  }
  if (ranges.empty()) return std::vector<Bytes>();
  if (!has_empty) return do_read_many(ranges, options);

  std::vector<ByteRange> wanted;
  for (const ByteRange& range : ranges) {
    if (!range.empty()) wanted.push_back(range);
  }
  std::vector<Bytes> results(ranges.size());
  if (wanted.empty()) return results;
  QUIRE_TRY(std::vector<Bytes> read, do_read_many(wanted, options));
  auto next = read.begin();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (!ranges[i].empty()) results[i] = std::move(*next++);
  }
  return results;
}

Result<std::vector<Bytes>> ByteSource::do_read_many(std::span<const ByteRange> ranges,
                                                    const ReadOptions& options) const {
  std::vector<Bytes> results;
  results.reserve(ranges.size());
  for (const ByteRange& range : ranges) {
    QUIRE_CHECK(check_time("read", range, options));
    QUIRE_TRY(Bytes bytes, do_read(range, options));
    results.push_back(std::move(bytes));
  }
  return results;
}

void ByteSource::hint(ByteRange range, AccessHint access) const {
  const ByteRange inside = range.intersect({0, size_});
  if (!inside.empty()) do_hint(inside, access);
}

void ByteSource::do_hint(ByteRange /*range*/, AccessHint /*access*/) const {}

void ByteSource::read_async(std::uint64_t offset, std::uint64_t length, ReadCallback done,
                            const ReadOptions& options) const {
  default_executor()->submit(
      [self = shared_from_this(), offset, length, options, done = std::move(done)]() mutable {
        done(without_exceptions([&] { return self->read(offset, length, options); }));
      });
}

void ByteSource::read_into_async(std::uint64_t offset, std::span<std::byte> out,
                                 ReadIntoCallback done, const ReadOptions& options) const {
  default_executor()->submit(
      [self = shared_from_this(), offset, out, options, done = std::move(done)]() mutable {
        done(without_exceptions([&] { return self->read_into(offset, out, options); }));
      });
}

}  // namespace v0
}  // namespace quire
