#include "os/new_file.hpp"

#include <utility>

#include "base/try.hpp"

namespace quire::os {

namespace {

// What whoever removes a leftover needs, to open and lock it.
constexpr std::uint32_t kOwnerReadsAndWrites = 0600;
constexpr std::size_t kMostOfName = 200;  // so that a long name with the ending fits

std::unexpected<Error> cannot_create(ErrorCode code, const std::string& path,
                                     const char* sentence) {
  return std::unexpected(Error(code, "create").with_path(path).with_detail(sentence));
}

Result<void> check_name(const std::string& path) {
  // The system would end the name at a NUL, and the file beside would be another.
  if (!path.empty() && !path.ends_with('/') && !path.contains('\0')) return {};
  return cannot_create(ErrorCode::invalid_argument, path, "this names no file");
}

// What the path leads to, if anything.
Result<std::optional<FileInfo>> look(FileSystem& file_system, const std::string& path) {
  auto info = file_system.info(path);
  if (info) return *info;
  if (info.error().code() == ErrorCode::not_found) return std::nullopt;
  return std::unexpected(std::move(info).error());
}

// May this be replaced by a file?
Result<void> check_regular(const std::string& path, FileKind kind) {
  switch (kind) {
    case FileKind::regular:
      return {};
    case FileKind::directory:
      return cannot_create(ErrorCode::invalid_argument, path, "this is a directory, not a file");
    case FileKind::other:
      break;
  }
  return cannot_create(ErrorCode::invalid_argument, path,
                       "this is a special file, not a regular one");
}

std::string name_beside(const std::string& target, int number) {
  const std::string directory = parent_directory(target);
  const std::string name = target.substr(target.find_last_of('/') + 1).substr(0, kMostOfName);
  std::string ending = ".quire-partial";
  if (number > 0) {
    ending += '-';
    ending += std::to_string(number);
  }
  return join_path(directory, name + ending);
}

Result<bool> leads_to(FileSystem& file_system, const std::string& path, const FileId& id) {
  QUIRE_TRY(const auto info, look(file_system, path));
  return info && info->id == id;
}

// Step 3. True if it removed the file. Never removes that of a maker who has a lock.
bool remove_leftover(FileSystem& file_system, const std::string& path) {
  const auto file = file_system.open(path, OpenMode::read_write);
  if (!file || !(*file)->try_lock(LockKind::exclusive)) return false;
  // With the lock, nobody else may remove it or put it in place; it may have happened before.
  const auto same = leads_to(file_system, path, (*file)->id());
  return same && *same && file_system.remove(path).has_value();
}

}  // namespace

// Step 2 with one name; nothing if the name is somebody else's.
Result<std::optional<NewFile::Beside>> NewFile::make(FileSystem& file_system,
                                                     const std::string& path,
                                                     std::uint32_t permissions) {
  auto file = file_system.open(path, OpenMode::create_new, permissions);
  if (!file) {
    if (file.error().code() == ErrorCode::exists) return std::nullopt;
    return std::unexpected(std::move(file).error());
  }
  if (auto locked = (*file)->try_lock(LockKind::exclusive); !locked) {
    // Busy: somebody takes it for a leftover, and removes it. Else locks do not work here.
    if (locked.error().code() == ErrorCode::busy) return std::nullopt;
    return Beside{*std::move(file), false};
  }
  auto ours = leads_to(file_system, path, (*file)->id());
  if (!ours) {
    file->reset();
    remove_leftover(file_system, path);
    return std::unexpected(std::move(ours).error());
  }
  if (!*ours) return std::nullopt;
  return Beside{*std::move(file), true};
}

// Steps 2 and 3.
Result<NewFile::Beside> NewFile::make_beside(FileSystem& file_system, const std::string& target,
                                             std::uint32_t permissions) {
  for (int number = 0; number < kMostBeside; ++number) {
    const std::string path = name_beside(target, number);
    QUIRE_TRY(auto made, make(file_system, path, permissions));
    if (!made && remove_leftover(file_system, path)) {
      QUIRE_TRY(made, make(file_system, path, permissions));
    }
    if (made) return *std::move(made);
  }
  return cannot_create(ErrorCode::capacity, target, "too many unfinished files lie beside it");
}

NewFile::NewFile(FileSystem& file_system, std::string target, IfExists if_exists, Beside beside)
    : file_system_(&file_system),
      target_(std::move(target)),
      if_exists_(if_exists),
      beside_(beside.file->path()),
      id_(beside.file->id()),
      locked_(beside.locked),
      file_(std::move(beside.file)),
      open_(file_.get()) {}

NewFile::NewFile(NewFile&& other) noexcept
    : file_system_(other.file_system_),
      target_(std::move(other.target_)),
      if_exists_(other.if_exists_),
      old_permissions_(other.old_permissions_),
      lent_permissions_(other.lent_permissions_),
      beside_(std::exchange(other.beside_, {})),
      id_(other.id_),
      locked_(other.locked_),
      keeps_lock_(other.keeps_lock_),
      file_(std::move(other.file_)),
      open_(other.open_) {}

NewFile::~NewFile() {
  if (!beside_.empty()) remove_beside();
}

void NewFile::remove_beside() {
  if (locked_ && !file_) {
    // The lock went with the file, and now others may have taken over the name.
    remove_leftover(*file_system_, beside_);
  } else if (locked_ || check_still_ours()) {
    ignore_error(file_system_->remove(beside_));
  }
}

Result<NewFile> NewFile::create(FileSystem& file_system, const std::string& path,
                                IfExists if_exists, std::uint32_t permissions) {
  QUIRE_CHECK(check_name(path));
  std::string target = path;
  if (if_exists == IfExists::replace) {
    QUIRE_TRY(target, file_system.resolve(path));
  }
  QUIRE_TRY(const auto old, look(file_system, target));
  // Found early, to spare the work; the rename decides.
  if (old && if_exists == IfExists::fail) {
    return cannot_create(ErrorCode::exists, path, "there is something of this name");
  }
  if (old) QUIRE_CHECK(check_regular(path, old->kind));
  const std::uint32_t asked = old ? old->permissions : permissions;
  QUIRE_TRY(Beside beside, make_beside(file_system, target, asked | kOwnerReadsAndWrites));
  NewFile fresh(file_system, std::move(target), if_exists, std::move(beside));
  if (old) fresh.old_permissions_ = old->permissions;
  fresh.lent_permissions_ = kOwnerReadsAndWrites & ~asked;
  return fresh;
}

// Late, because writing takes the set-user-id bit away.
Result<void> NewFile::give_permissions() {
  if (!old_permissions_ && lent_permissions_ == 0) return {};
  QUIRE_TRY(const FileInfo info, open_->info());
  const std::uint32_t wanted = old_permissions_.value_or(info.permissions & ~lent_permissions_);
  if (wanted == info.permissions) return {};
  return open_->set_permissions(wanted);
}

Result<void> NewFile::check_still_ours() const {
  QUIRE_TRY(const bool ours, leads_to(*file_system_, beside_, id_));
  if (ours) return {};
  return cannot_create(ErrorCode::busy, target_,
                       "it could not be locked, and another took it for what a dead process left");
}

Result<void> NewFile::put_in_place() {
  QUIRE_CHECK(give_permissions());
  QUIRE_CHECK(open_->sync());
  if (!locked_) QUIRE_CHECK(check_still_ours());
  QUIRE_CHECK(file_system_->rename(beside_, target_, if_exists_));
  beside_.clear();
  if (!keeps_lock_) ignore_error(open_->unlock());
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
