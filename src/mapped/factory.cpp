#include "mapped/factory.hpp"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"
#include "mapped/backing.hpp"
#include "mapped/with_path.hpp"
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

os::OpenMode mode_for(Access access) {
  return access == Access::read_write ? os::OpenMode::read_write : os::OpenMode::read;
}

// What can be said of options without opening anything.
Result<void> check_options(const Opening& opening, const MappedFileOptions& options) {
  const auto refuse = [&opening](ErrorCode code, const char* sentence) {
    return std::unexpected(Error(code, "open").with_path(opening.path).with_detail(sentence));
  };
  const FlushPolicy policy = options.flush_policy;
  const bool counts = policy != FlushPolicy::manual();
  if (counts && policy != FlushPolicy::always() && policy.amount() == 0) {
    return refuse(ErrorCode::invalid_argument, "a flush policy of no bytes, writes or time");
  }
  if (counts && opening.is_memory) {
    return refuse(ErrorCode::invalid_argument, "memory without a file is never flushed");
  }
  if (options.lock == FileLock::exclusive && opening.access != Access::read_write) {
    return refuse(ErrorCode::wrong_mode, "an exclusive lock needs a file opened for writing");
  }
  if (options.prefault == Prefault::write && opening.access == Access::read_only) {
    return refuse(ErrorCode::wrong_mode, "the file is opened read-only");
  }
  return {};
}

}  // namespace

Result<MappedFile> Factory::map(std::unique_ptr<os::File> file, Opening opening,
                                const MappedFileOptions& options) {
  QUIRE_TRY(auto backing, Backing::make(std::move(file), std::move(opening), options));
  return MappedFile(std::move(backing));
}

// `path` is what the user gave, `target` where it leads.
Result<MappedFile> Factory::build(os::FileSystem& file_system, const std::string& path,
                                  const std::string& target, std::uint64_t size,
                                  const MappedFileOptions& options, IfExists if_exists,
                                  const WhileBeside& while_beside) {
  QUIRE_CHECK(check_options({.path = path}, options));
  QUIRE_TRY(
      os::NewFile fresh,
      with_path(os::NewFile::create(file_system, target, if_exists, options.permissions), path));
  QUIRE_CHECK(with_path(lengthen(fresh.file(), 0, size, options.sparse), path));
  // Mapped before it is in place: what can fail has then been tried.
  if (options.lock != FileLock::none) fresh.keep_locked();
  QUIRE_TRY(MappedFile mapped, map(fresh.take_file(), {.path = path}, options));
  if (while_beside) QUIRE_CHECK(while_beside(fresh.file()));
  QUIRE_CHECK(with_path(fresh.put_in_place(), path));
  return mapped;
}

Result<MappedFile> Factory::create(os::FileSystem& file_system, const std::string& path,
                                   const std::string& target, std::uint64_t size,
                                   const MappedFileOptions& options, IfExists if_exists,
                                   const WhileBeside& while_beside) {
  QUIRE_CHECK(check_new(path, size, options));
  return build(file_system, path, target, size, options, if_exists, while_beside);
}

Result<MappedFile> Factory::create(os::FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  return build(file_system, path, path, size, options, IfExists::fail);
}

Result<MappedFile> Factory::create_or_replace(os::FileSystem& file_system, const std::string& path,
                                              std::uint64_t size,
                                              const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  return build(file_system, path, path, size, options, IfExists::replace);
}

Result<MappedFile> Factory::open_or_create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const MappedFileOptions& options) {
  QUIRE_CHECK(check_new(path, size, options));
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto opened = open(file_system, path, Access::read_write, options);
    if (opened || opened.error().code() != ErrorCode::not_found) return opened;
    // A dangling link is followed: the file it names is created.
    QUIRE_TRY(const std::string target, with_path(file_system.resolve(path), path));
    auto created = build(file_system, path, target, size, options, IfExists::fail);
    if (created || created.error().code() != ErrorCode::exists) return created;
  }
  return std::unexpected(Error(ErrorCode::busy, "open_or_create")
                             .with_path(path)
                             .with_detail("others create and remove this file again and again"));
}

Result<MappedFile> Factory::open(os::FileSystem& file_system, Opening opening,
                                 const MappedFileOptions& options) {
  if (opening.path.empty()) return invalid("open", opening.path, "this names no file");
  QUIRE_CHECK(check_options(opening, options));
  QUIRE_TRY(auto file, file_system.open(opening.path, mode_for(opening.access)));
  return map(std::move(file), std::move(opening), options);
}

Result<MappedFile> Factory::open(os::FileSystem& file_system, const std::string& path,
                                 Access access, const MappedFileOptions& options) {
  return open(file_system, {.path = path, .access = access}, options);
}

Result<MappedFile> Factory::open_window(os::FileSystem& file_system, const std::string& path,
                                        Access access, ByteRange window,
                                        const MappedFileOptions& options) {
  return open(file_system, {.path = path, .access = access, .window = window}, options);
}

Result<MappedFile> Factory::from_descriptor(int descriptor, Access access,
                                            const MappedFileOptions& options) {
  QUIRE_TRY(auto file, os::open_descriptor(descriptor, mode_for(access)));
  Opening opening{.path = file->path(), .access = access};
  QUIRE_CHECK(check_options(opening, options));
  return map(std::move(file), std::move(opening), options);
}

Result<MappedFile> Factory::anonymous(std::uint64_t size, const MappedFileOptions& options) {
  Opening opening{.path = "anonymous memory", .is_memory = true};
  QUIRE_CHECK(check_options(opening, options));
  if (size > kLargestFile) return invalid("create", opening.path, "files end at 2^63 - 1 bytes");
  QUIRE_TRY(auto file, os::create_memory_file(size));
  return map(std::move(file), std::move(opening), options);
}

}  // namespace quire::mapped
