#include "mapped/new_file.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"

namespace quire::mapped {

namespace {

constexpr int kAttempts = 100;

// A name that no other thread or process has, or will have soon; `create_new` makes sure. It does
// not contain the target's, which may be as long as names can be.
std::string name_beside(const std::string& target) {
  static std::atomic<std::uint64_t> counter = 0;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  const std::uint64_t count = counter.fetch_add(1, std::memory_order_relaxed);
  // The address tells processes apart that come at the same moment.
  const auto address = reinterpret_cast<std::uintptr_t>(&counter);
  const std::string unique = std::to_string(now) + "-" +
                             std::to_string(address / 4096 % 1'000'000) + "-" +
                             std::to_string(count);
  return os::join_path(os::parent_directory(target), ".quire-" + unique + ".partial");
}

Result<std::unique_ptr<os::File>> open_beside(os::FileSystem& file_system,
                                              const std::string& target,
                                              std::uint32_t permissions) {
  for (int attempt = 1;; ++attempt) {
    auto file = file_system.open(name_beside(target), os::OpenMode::create_new, permissions);
    const bool taken = !file && file.error().code() == ErrorCode::exists;
    if (!taken || attempt == kAttempts) return file;
  }
}

// Gives back what the umask took. The file-system seam has no call for it.
Result<void> set_permissions(os::File& file, std::uint32_t wanted) {
  QUIRE_TRY(const os::FileInfo info, file.info());
  if (info.permissions == wanted) return {};
  std::error_code failure;
  std::filesystem::permissions(file.path(), std::filesystem::perms(wanted), failure);
  if (!failure) return {};
  return std::unexpected(Error(ErrorCode::permission, "create", failure.value())
                             .with_detail("the permissions of the old file could not be kept"));
}

}  // namespace

NewFile::NewFile(os::FileSystem& file_system, std::string target, std::unique_ptr<os::File> file)
    : file_system_(&file_system),
      target_(std::move(target)),
      beside_(file->path()),
      file_(std::move(file)) {}

NewFile::NewFile(NewFile&& other) noexcept
    : file_system_(other.file_system_),
      target_(std::move(other.target_)),
      beside_(std::exchange(other.beside_, {})),
      file_(std::move(other.file_)) {}

NewFile::~NewFile() {
  if (!beside_.empty()) ignore_error(file_system_->remove(beside_));
}

Result<NewFile> NewFile::build(os::FileSystem& file_system, std::string target,
                               const Shape& shape) {
  QUIRE_TRY(auto file, open_beside(file_system, target, shape.permissions));
  NewFile fresh(file_system, std::move(target), std::move(file));
  if (shape.exact_permissions) QUIRE_CHECK(set_permissions(*fresh.file_, shape.permissions));
  QUIRE_CHECK(lengthen(*fresh.file_, 0, shape.size, shape.sparse));
  QUIRE_CHECK(fresh.file_->sync());
  return fresh;
}

Result<void> NewFile::put_in_place(os::IfExists if_exists) {
  QUIRE_CHECK(file_system_->rename(beside_, target_, if_exists));
  beside_.clear();
  if (auto synced = file_system_->sync_directory(os::parent_directory(target_)); !synced) {
    return std::unexpected(
        Error(ErrorCode::outcome_unknown, "create", synced.error().system_code())
            .with_detail("the file is in place, but its directory could not be synced: a power cut "
                         "may undo it"));
  }
  return {};
}

}  // namespace quire::mapped
