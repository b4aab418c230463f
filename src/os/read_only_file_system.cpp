#include "os/read_only_file_system.hpp"

namespace quire::os {

namespace {

std::unexpected<Error> refuse(const char* operation, const std::string& path) {
  return std::unexpected(Error(ErrorCode::unsupported, operation).with_path(path));
}

}  // namespace

Result<void> ReadOnlyFileSystem::check_reads(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::read || mode == OpenMode::read_direct) return {};
  return refuse("open", path);
}

Result<void> ReadOnlyFileSystem::rename(const std::string& /*from*/, const std::string& to,
                                        IfExists /*if_exists*/) {
  return refuse("rename", to);
}

Result<void> ReadOnlyFileSystem::remove(const std::string& path) { return refuse("remove", path); }

Result<void> ReadOnlyFileSystem::make_directory(const std::string& path) {
  return refuse("make_directory", path);
}

Result<void> ReadOnlyFileSystem::sync_directory(const std::string& path) {
  return refuse("sync_directory", path);
}

Result<std::vector<std::string>> ReadOnlyFileSystem::list(const std::string& path) {
  return below_.list(path);
}

Result<FileInfo> ReadOnlyFileSystem::info(const std::string& path) { return below_.info(path); }

Result<std::string> ReadOnlyFileSystem::resolve(const std::string& path) {
  return below_.resolve(path);
}

Result<FileSystemKind> ReadOnlyFileSystem::kind_of(const std::string& path) {
  return below_.kind_of(path);
}

}  // namespace quire::os
