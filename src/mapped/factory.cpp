#include "mapped/factory.hpp"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"
#include "mapped/backing.hpp"
#include "os/new_file.hpp"

namespace quire::mapped {

namespace {

constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
constexpr int kOpenAttempts = 16;

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

}  // namespace

// `path` is what the user gave, `target` where it leads.
Result<MappedFile> Factory::build(os::FileSystem& file_system, const std::string& path,
                                  const std::string& target, std::uint64_t size,
                                  const MappedFileOptions& options, os::IfExists if_exists) {
  QUIRE_TRY(
      os::NewFile fresh,
      with_path(os::NewFile::create(file_system, target, if_exists, options.permissions), path));
  QUIRE_CHECK(with_path(lengthen(fresh.file(), 0, size, options.sparse), path));
  // Mapped before it is in place: what can fail has then been tried.
  QUIRE_TRY(auto backing, Backing::make(fresh.take_file(), path, Access::read_write, options));
  QUIRE_CHECK(with_path(fresh.put_in_place(), path));
  return MappedFile(std::move(backing));
}

Result<MappedFile> Factory::create(os::FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  return build(file_system, path, path, size, options, os::IfExists::fail);
}

Result<MappedFile> Factory::create_or_replace(os::FileSystem& file_system, const std::string& path,
                                              std::uint64_t size,
                                              const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  return build(file_system, path, path, size, options, os::IfExists::replace);
}

Result<MappedFile> Factory::open_or_create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto opened = open(file_system, path, Access::read_write, options);
    if (opened || opened.error().code() != ErrorCode::not_found) return opened;
    // A dangling link is followed: the file it names is created.
    QUIRE_TRY(const std::string target, with_path(file_system.resolve(path), path));
    auto created = build(file_system, path, target, size, options, os::IfExists::fail);
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
