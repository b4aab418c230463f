#include <cstddef>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "mapped/factory.hpp"
#include "quire/local_source.hpp"
#include "source/source_access.hpp"

namespace quire {

namespace {

class MapSource final : public ByteSource {
 public:
  // REQUIRES: `file` is open and has at least `size` bytes.
  MapSource(MappedFile file, std::uint64_t size)
      : ByteSource(file.path(), size, {IdentityStrength::size_only, std::to_string(size)}),
        file_(std::move(file)) {
    offer_view(file_.bytes(0, 0)->data());
  }

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    const auto bytes = file_.bytes(range.offset, range.length);
    if (!bytes) return cut(range);  // seen by an earlier read_into
    return Bytes::borrow(*bytes, shared_from_this());
  }

  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& /*options*/) const override {
    const ByteRange range{offset, out.size()};
    const auto copied = file_.read_into(offset, out);
    if (copied) {
      // Pages that were cut off fault; the one in which the file now ends does not, and shows zeros. The
      // size is smaller before they can be seen.
      const auto now = file_.refresh();
      return now && *now < range.end() ? cut(range) : Result<void>();
    }
    const ErrorCode code = copied.error().code();
    // Out of range: an earlier read has seen the cut.
    return code == ErrorCode::truncated || code == ErrorCode::out_of_range ? cut(range) : copied;
  }

  void do_hint(ByteRange range, AccessHint access) const override {
    ignore_error(file_.advise(range, access));
  }

  std::unexpected<Error> cut(ByteRange range) const {
    std::string what = "the file was cut since it was opened";
    if (const auto now = file_.refresh()) {
      what = "the file had " + std::to_string(size()) + " bytes when it was opened, and has ";
      what += std::to_string(*now);
    }
    return std::unexpected(Error(ErrorCode::changed, "read")
                               .with_path(name())
                               .with_range(range)
                               .with_detail(std::move(what)));
  }

  mutable MappedFile file_;  // refresh() takes over the size that others gave the file
};

}  // namespace

namespace source {

Result<std::shared_ptr<const ByteSource>> open_map_source(os::FileSystem& file_system,
                                                          const std::string& path) {
  MappedFileOptions options;
  if (const auto info = file_system.info(path)) options.reserve = info->size;
  auto file = mapped::Factory::open(file_system, path, Access::read_only, options);
  if (!file && file.error().code() == ErrorCode::invalid_argument) {
    // It may have grown since: then with room for more.
    file = mapped::Factory::open(file_system, path, Access::read_only, {});
  }
  if (!file) return std::unexpected(std::move(file).error());
  return map_source(*std::move(file));
}

}  // namespace source

inline namespace v0 {

Result<std::shared_ptr<const ByteSource>> open_map_source(const std::string& path) {
  return source::open_map_source(os::real_file_system(), path);
}

Result<std::shared_ptr<const ByteSource>> map_source(MappedFile file) {
  if (!file.is_open()) return std::unexpected(Error(ErrorCode::closed, "map_source"));
  const std::uint64_t size = file.size();
  return std::make_shared<const MapSource>(std::move(file), size);
}

}  // namespace v0
}  // namespace quire
