#include "os/new_file.hpp"

#include <optional>
#include <utility>

#include "base/try.hpp"

namespace quire::os {

namespace {

constexpr std::uint32_t kPermissionBits = 07777;
constexpr std::size_t kMostOfName = 200;  // so that a long name with the ending fits

std::unexpected<Error> not_a_file_name(const std::string& path, const char* sentence) {
  return std::unexpected(
      Error(ErrorCode::invalid_argument, "create").with_path(path).with_detail(sentence));
}

// The permissions of the file that is to be replaced, if there is one.
Result<std::optional<std::uint32_t>> permissions_of(FileSystem& file_system,
                                                    const std::string& path) {
  auto info = file_system.info(path);
  if (!info && info.error().code() == ErrorCode::not_found) return std::nullopt;
  if (!info) return std::unexpected(std::move(info).error());
  switch (info->kind) {
    case FileKind::regular:
      return info->permissions & kPermissionBits;
    case FileKind::directory:
      return not_a_file_name(path, "this is a directory, not a file");
    case FileKind::other:
      break;
  }
  return not_a_file_name(path, "this is a special file, not a regular one");
}

std::string name_beside(const std::string& target, int number) {
  const std::string directory = parent_directory(target);
  const std::string name = target.substr(target.find_last_of('/') + 1).substr(0, kMostOfName);
  std::string ending = ".partial";
  if (number > 0) {
    ending += '-';
    ending += std::to_string(number);
  }
  return join_path(directory, name + ending);
}

bool leads_to(FileSystem& file_system, const std::string& path, const File& file) {
  const auto info = file_system.info(path);
  return info && info->id == file.id();
}

// Makes and locks the file; nothing if the name is somebody else's.
Result<std::unique_ptr<File>> make(FileSystem& file_system, const std::string& path,
                                   std::uint32_t permissions) {
  auto file = file_system.open(path, OpenMode::create_new, permissions);
  if (!file) {
    if (file.error().code() == ErrorCode::exists) return nullptr;
    return std::unexpected(std::move(file).error());
  }
  if (auto locked = (*file)->try_lock(LockKind::exclusive); !locked) {
    // Busy: somebody takes it for a leftover, and removes it. Else locks do not work here.
    if (locked.error().code() == ErrorCode::busy) return nullptr;
    return file;
  }
  if (!leads_to(file_system, path, **file)) return nullptr;
  return file;
}

// Removes the file at `path` if its maker is dead. True if it did.
bool remove_leftover(FileSystem& file_system, const std::string& path) {
  const auto file = file_system.open(path, OpenMode::read_write);
  if (!file || !(*file)->try_lock(LockKind::exclusive)) return false;
  // With the lock, nobody else may remove it or put it in place; it may have happened before.
  return leads_to(file_system, path, **file) && file_system.remove(path).has_value();
}

Result<std::unique_ptr<File>> make_beside(FileSystem& file_system, const std::string& target,
                                          std::uint32_t permissions) {
  for (int number = 0; number < NewFile::kMostBeside; ++number) {
    const std::string path = name_beside(target, number);
    QUIRE_TRY(auto file, make(file_system, path, permissions));
    if (!file && remove_leftover(file_system, path)) {
      QUIRE_TRY(file, make(file_system, path, permissions));
    }
    if (file) return file;
  }
  return std::unexpected(Error(ErrorCode::exists, "create")
                             .with_path(target)
                             .with_detail("too many unfinished files lie beside it"));
}

}  // namespace

NewFile::NewFile(FileSystem& file_system, std::string target, IfExists if_exists,
                 std::unique_ptr<File> file)
    : file_system_(&file_system),
      target_(std::move(target)),
      if_exists_(if_exists),
      beside_(file->path()),
      file_(std::move(file)),
      open_(file_.get()) {}

NewFile::NewFile(NewFile&& other) noexcept
    : file_system_(other.file_system_),
      target_(std::move(other.target_)),
      if_exists_(other.if_exists_),
      beside_(std::exchange(other.beside_, {})),
      file_(std::move(other.file_)),
      open_(other.open_) {}

NewFile::~NewFile() {
  if (!beside_.empty()) ignore_error(file_system_->remove(beside_));
}

Result<NewFile> NewFile::create(FileSystem& file_system, const std::string& path,
                                IfExists if_exists, std::uint32_t permissions) {
  if (path.empty() || path.ends_with('/')) return not_a_file_name(path, "this names no file");
  std::string target = path;
  if (if_exists == IfExists::replace) {
    QUIRE_TRY(target, file_system.resolve(path));
  } else if (file_system.info(path)) {  // found early, to spare the work; the rename decides
    return std::unexpected(Error(ErrorCode::exists, "create").with_path(path));
  }
  QUIRE_TRY(const auto old_permissions, permissions_of(file_system, target));
  QUIRE_TRY(auto file, make_beside(file_system, target, old_permissions.value_or(permissions)));
  NewFile fresh(file_system, std::move(target), if_exists, std::move(file));
  if (old_permissions) {
    // What the umask took.
    QUIRE_TRY(const FileInfo info, fresh.file().info());
    if (info.permissions != *old_permissions) {
      QUIRE_CHECK(fresh.file().set_permissions(*old_permissions));
    }
  }
  return fresh;
}

Result<void> NewFile::put_in_place() {
  QUIRE_CHECK(open_->sync());
  QUIRE_CHECK(file_system_->rename(beside_, target_, if_exists_));
  beside_.clear();
  ignore_error(open_->unlock());
  if (auto synced = file_system_->sync_directory(parent_directory(target_)); !synced) {
    return std::unexpected(
        Error(ErrorCode::outcome_unknown, "create", synced.error().system_code())
            .with_path(target_)
            .with_detail("the file is in place, but its directory could not be synced: a power cut "
                         "may bring back what was there before"));
  }
  return {};
}

}  // namespace quire::os
