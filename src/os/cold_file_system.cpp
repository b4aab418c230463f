#include "os/cold_file_system.hpp"

#include "base/try.hpp"

namespace quire::os {

namespace {

std::unexpected<Error> refuse(const char* operation, const std::string& path) {
  return std::unexpected(Error(ErrorCode::unsupported, operation).with_path(path));
}

}  // namespace

Result<std::unique_ptr<File>> open_cold(FileSystem& file_system, const std::string& path) {
  QUIRE_TRY(auto file, file_system.open(path, OpenMode::read_direct));
  QUIRE_CHECK(file->sync());
  return file;
}

Result<std::unique_ptr<File>> ColdFileSystem::open(const std::string& path, OpenMode mode,
                                                   std::uint32_t /*permissions*/) {
  if (mode != OpenMode::read && mode != OpenMode::read_direct) return refuse("open", path);
  return open_cold(below_, path);
}

Result<void> ColdFileSystem::rename(const std::string& /*from*/, const std::string& to,
                                    IfExists /*if_exists*/) {
  return refuse("rename", to);
}

Result<void> ColdFileSystem::remove(const std::string& path) { return refuse("remove", path); }

Result<void> ColdFileSystem::make_directory(const std::string& path) {
  return refuse("make_directory", path);
}

Result<void> ColdFileSystem::sync_directory(const std::string& path) {
  return refuse("sync_directory", path);
}

Result<std::vector<std::string>> ColdFileSystem::list(const std::string& path) {
  return below_.list(path);
}

Result<FileInfo> ColdFileSystem::info(const std::string& path) { return below_.info(path); }

Result<std::string> ColdFileSystem::resolve(const std::string& path) {
  return below_.resolve(path);
}

Result<FileSystemKind> ColdFileSystem::kind_of(const std::string& path) {
  return below_.kind_of(path);
}

}  // namespace quire::os
