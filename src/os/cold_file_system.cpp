#include "os/cold_file_system.hpp"

#include "base/try.hpp"

namespace quire::os {

namespace {

Result<std::unique_ptr<File>> open_synced(FileSystem& file_system, const std::string& path) {
  QUIRE_TRY(auto file, file_system.open(path, OpenMode::read_direct));
  QUIRE_CHECK(file->sync());
  return file;
}

// For file systems that take direct reads and answer them through the cache. A wish: what cannot be had goes unsaid.
void forget_cached(File& file) { ignore_error(file.advise({}, AccessHint::dont_need)); }

}  // namespace

Result<std::unique_ptr<File>> open_cold(FileSystem& file_system, const std::string& path) {
  QUIRE_TRY(auto file, open_synced(file_system, path));
  forget_cached(*file);
  return file;
}

Result<std::unique_ptr<File>> ColdFileSystem::open(const std::string& path, OpenMode mode,
                                                   std::uint32_t /*permissions*/) {
  QUIRE_CHECK(check_reads(path, mode));
  QUIRE_TRY(auto file, open_synced(below(), path));
  if (is_first_opening(file->id())) forget_cached(*file);
  return file;
}

bool ColdFileSystem::is_first_opening(const FileId& file) {
  const base::MutexLock lock(mutex_);
  return opened_.insert(file).second;
}

}  // namespace quire::os
