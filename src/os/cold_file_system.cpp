#include "os/cold_file_system.hpp"

#include "base/try.hpp"

namespace quire::os {

Result<std::unique_ptr<File>> open_cold(FileSystem& file_system, const std::string& path) {
  QUIRE_TRY(auto file, file_system.open(path, OpenMode::read_direct));
  QUIRE_CHECK(file->sync());
  // For file systems that take direct reads and answer them through the cache. A wish: what cannot be had goes unsaid.
  ignore_error(file->advise({}, AccessHint::dont_need));
  return file;
}

Result<std::unique_ptr<File>> ColdFileSystem::open(const std::string& path, OpenMode mode,
                                                   std::uint32_t /*permissions*/) {
  QUIRE_CHECK(check_reads(path, mode));
  return open_cold(below(), path);
}

}  // namespace quire::os
