#include "vector/writer_lock.hpp"

#include <array>
#include <utility>

#include "vector/control_page.hpp"
#include "vector/format.hpp"

namespace quire::vector {

Result<std::unique_ptr<os::File>> take_writer_lock(os::FileSystem& file_system,
                                                   const std::string& directory) {
  const std::string path = os::join_path(directory, kLockName);
  auto file = file_system.open(path, os::OpenMode::create_new);
  if (file) {
    // Space for the control page, which is written over from then on.
    ignore_error((*file)->write_all(0, std::array<std::byte, kControlPageBytes>{}));
  } else if (file.error().code() == ErrorCode::exists) {
    file = file_system.open(path, os::OpenMode::read_write);
  }
  if (!file) return file;
  if (auto locked = (*file)->try_lock(os::LockKind::exclusive); !locked) {
    if (locked.error().code() != ErrorCode::busy) return std::unexpected(locked.error());
    return std::unexpected(
        Error(ErrorCode::busy, "open")
            .with_path(directory)
            .with_detail("another process or handle has the store open for writing"));
  }
  return file;
}

}  // namespace quire::vector
