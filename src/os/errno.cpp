#include "os/errno.hpp"

#include <cerrno>
#include <utility>

namespace quire::os {

ErrorCode code_of_errno(int errno_value) noexcept {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorCode::exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      return ErrorCode::busy;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::no_space;
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EMLINK:
      return ErrorCode::capacity;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:
      return ErrorCode::invalid_argument;
    case EBADF:
      return ErrorCode::wrong_mode;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::unsupported;
    case ETIMEDOUT:
      return ErrorCode::timeout;
    default:
      return ErrorCode::io;
  }
}

Error errno_error(const char* operation, int errno_value, std::string path) {
  return Error(code_of_errno(errno_value), operation, errno_value).with_path(std::move(path));
}

Error errno_error(const char* operation, int errno_value, std::string path, ByteRange range) {
  return errno_error(operation, errno_value, std::move(path)).with_range(range);
}

Error read_error(int errno_value, std::string path, ByteRange range) {
  if (errno_value != ETIMEDOUT) {
    return errno_error("read", errno_value, std::move(path), range);
  }
  return Error(ErrorCode::io, "read", errno_value).with_path(std::move(path)).with_range(range);
}

}  // namespace quire::os
