// Errors: what went wrong, in which operation, and where.
//
// Every function of Quire that can fail returns `Result<T>`, a `std::expected<T, Error>`. The library
// throws nothing but `std::bad_alloc`, prints nothing, and never aborts on bad input.
//
//     auto file = quire::MappedFile::open("index.bin", quire::Access::read_only);
//     if (!file) {
//       std::cerr << file.error().message() << '\n';   // open index.bin: not_found: No such file or directory
//       return 1;
//     }
//
// Decide by `error.code()`, show `error.message()` to people.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "quire/byte_range.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// Why an operation failed: one table for the whole library.
enum class ErrorCode : std::uint8_t {
  invalid_argument,       // a value that no state of the system could make right
  out_of_range,           // a range past the end of a file, a map or an object
  misaligned,             // an offset or address that the type asked for cannot have
  wrong_mode,             // writing what was opened read-only, and the like
  not_found,              // no such file, id or object; a directory that holds no store
  exists,                 // what was to be created is there already
  permission,             // the operating system or the server forbids it
  busy,                   // someone else holds it: a second writer, a pinned range
  no_space,               // the disk, quota or tmpfs is full
  io,                     // the device or file system failed
  truncated,              // the file is shorter than it was or says it is
  changed,                // the object is not the version that was opened
  corrupt,                // a checksum or structure is wrong: damage was found, and not served
  format_version,         // written by a newer version of Quire
  mismatch,               // dimension, element type or identity differ from what is stored
  capacity,               // a limit of this object is reached (reserved address space, 2^40 rows)
  unsupported,            // this file system, build or format cannot do it
  read_only_after_error,  // an earlier sync failed; writing is refused until it is opened again
  outcome_unknown,        // a sync failed: the batch is whole or absent after opening again
  denied_by_policy,       // the URL policy forbids it
  unauthenticated,        // credentials are missing or refused
  timeout,                // the deadline passed
  network,                // the connection failed
  cancelled,              // the caller asked to stop
  closed,                 // the handle was closed or moved from
};

// The code's name as it is spelled above, for logs and machines. Never empty.
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(ErrorCode code) noexcept;

// An error: code, errno (or HTTP status), operation, and optionally path, byte range and a sentence.
//
// Thread-compatible; cheap to copy (the details are shared and immutable). An error without details
// never allocates.
class [[nodiscard]] QUIRE_EXPORT Error {
 public:
  // `operation` must be a string literal or otherwise outlive the error: "open", "flush", ….
  explicit Error(ErrorCode code, const char* operation, int system_code = 0) noexcept;

  // The same error with a detail added; each replaces what was there.
  Error with_path(std::string path) &&;
  Error with_range(ByteRange range) &&;
  Error with_detail(std::string sentence) &&;

  ErrorCode code() const noexcept { return code_; }
  // The errno of the failed system call or the HTTP status; 0 if there is none.
  int system_code() const noexcept { return system_code_; }
  const char* operation() const noexcept { return operation_; }
  // The path or URL (without secrets); empty if there is none.
  const std::string& path() const noexcept;
  // True if the error names a byte range, which `range()` then returns.
  bool has_range() const noexcept;
  ByteRange range() const noexcept;
  // What is wrong, in words; empty if the code says it all.
  const std::string& detail() const noexcept;

  // One line: "operation path [offset, end): code: detail (system message)".
  std::string message() const;

  // For code that speaks std::error_code. Errors without an errno map to the nearest std::errc.
  std::error_code to_error_code() const noexcept;

 private:
  struct Details;
  Details& own_details();

  ErrorCode code_;
  int system_code_;
  const char* operation_;
  std::shared_ptr<const Details> details_;
};

template <class T = void>
using Result = std::expected<T, Error>;

// Drops an error on purpose. The only way to do so, so that it can be searched for.
template <class T>
void ignore_error(const Result<T>& /*result*/) noexcept {}

}  // namespace v0
}  // namespace quire
