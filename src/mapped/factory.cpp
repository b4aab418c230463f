#include "mapped/factory.hpp"

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "mapped/new_file.hpp"

namespace quire::mapped {

namespace {

constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
constexpr int kOpenAttempts = 16;
constexpr std::uint32_t kPermissionBits = 07777;

std::unexpected<Error> invalid(const char* operation, const std::string& path,
                               const char* sentence) {
  return std::unexpected(
      Error(ErrorCode::invalid_argument, operation).with_path(path).with_detail(sentence));
}

template <class T>
Result<T> with_path(Result<T> result, const std::string& path) {
  if (!result) return std::unexpected(std::move(result).error().with_path(path));
  return result;
}

// What can be said without touching the disk.
Result<void> check_new(const std::string& path, std::uint64_t size,
                       const MappedFileOptions& options) {
  if (path.empty() || path.ends_with('/')) return invalid("create", path, "this names no file");
  if (size > kLargestFile) return invalid("create", path, "files end at 2^63 - 1 bytes");
  if (options.reserve && *options.reserve < size) {
    return invalid("create", path, "the reservation is smaller than the file");
  }
  return {};
}

// The permissions of the file that is to be replaced, if there is one.
Result<std::optional<std::uint32_t>> old_permissions(os::FileSystem& file_system,
                                                     const std::string& path) {
  auto info = file_system.info(path);
  if (!info && info.error().code() == ErrorCode::not_found) return std::nullopt;
  if (!info) return std::unexpected(std::move(info).error());
  switch (info->kind) {
    case os::FileKind::regular:
      return info->permissions & kPermissionBits;
    case os::FileKind::directory:
      return invalid("create", path, "this is a directory, not a file");
    case os::FileKind::other:
      break;
  }
  return invalid("create", path, "this is a special file, not a regular one");
}

}  // namespace

// Where a new file goes.
struct Factory::Target {
  std::string path;      // as given
  std::string resolved;  // where its links lead
  std::optional<std::uint32_t> permissions;
};

Result<MappedFile> Factory::build(os::FileSystem& file_system, const Target& target,
                                  std::uint64_t size, const MappedFileOptions& options,
                                  os::IfExists if_exists) {
  const NewFile::Shape shape{.size = size,
                             .sparse = options.sparse,
                             .permissions = target.permissions.value_or(options.permissions),
                             .exact_permissions = target.permissions.has_value()};
  QUIRE_TRY(NewFile fresh,
            with_path(NewFile::build(file_system, target.resolved, shape), target.path));
  QUIRE_TRY(auto backing,
            Backing::make(fresh.take_file(), target.path, Access::read_write, options));
  QUIRE_CHECK(with_path(fresh.put_in_place(if_exists), target.path));
  return MappedFile(std::move(backing));
}

Result<MappedFile> Factory::create(os::FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  // Found early, to spare the work; the rename decides.
  if (file_system.info(path)) {
    return std::unexpected(Error(ErrorCode::exists, "create").with_path(path));
  }
  return build(file_system, {path, path, std::nullopt}, size, options, os::IfExists::fail);
}

Result<MappedFile> Factory::create_or_replace(os::FileSystem& file_system, const std::string& path,
                                              std::uint64_t size,
                                              const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  QUIRE_TRY(std::string resolved, with_path(file_system.resolve(path), path));
  QUIRE_TRY(auto permissions, with_path(old_permissions(file_system, resolved), path));
  return build(file_system, {path, std::move(resolved), permissions}, size, options,
               os::IfExists::replace);
}

Result<MappedFile> Factory::open_or_create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto opened = open(file_system, path, Access::read_write, options);
    if (opened || opened.error().code() != ErrorCode::not_found) return opened;
    // A dangling link is followed: the file it names is created.
    QUIRE_TRY(std::string resolved, with_path(file_system.resolve(path), path));
    auto created = build(file_system, {path, std::move(resolved), std::nullopt}, size, options,
                         os::IfExists::fail);
    if (created || created.error().code() != ErrorCode::exists) return created;
  }
  return std::unexpected(Error(ErrorCode::busy, "open_or_create")
                             .with_path(path)
                             .with_detail("others create and remove this file again and again"));
}

Result<MappedFile> Factory::open(os::FileSystem& file_system, const std::string& path,
                                 Access access, const MappedFileOptions& options) {
  if (path.empty()) return invalid("open", path, "this names no file");
  const os::OpenMode mode =
      access == Access::read_only ? os::OpenMode::read : os::OpenMode::read_write;
  QUIRE_TRY(auto file, file_system.open(path, mode));
  QUIRE_TRY(auto backing, Backing::make(std::move(file), path, access, options));
  return MappedFile(std::move(backing));
}

}  // namespace quire::mapped
