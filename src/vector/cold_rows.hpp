// ColdRows: rows read from the device past the page cache, for verification.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "os/cold_file_system.hpp"
#include "os/file_system.hpp"
#include "vector/format.hpp"

namespace quire::vector {

// Single-thread. Reads 1 MiB ahead, so rows are best asked for in ascending order.
class ColdRows {
 public:
  // Syncs the rows file first, so what was written to it before is there.
  [[nodiscard]] static Result<ColdRows> open(os::ColdFileSystem& cold, const std::string& directory,
                                             const Manifest& manifest);

  // The row's checksum. Errors: truncated, io: the row cannot be read.
  [[nodiscard]] Result<std::uint64_t> checksum(std::uint64_t row);

 private:
  ColdRows(std::unique_ptr<os::File> file, std::uint64_t stride, std::uint64_t rows)
      : file_(std::move(file)), stride_(stride), rows_(rows) {}

  Result<void> fill(std::uint64_t first, std::uint64_t count);

  std::unique_ptr<os::File> file_;
  std::uint64_t stride_;
  std::uint64_t rows_;  // that the file has room for
  std::vector<std::byte> window_;
  std::uint64_t first_ = 0;  // row of the window
  // Rows below it are read one by one: one near them could not be read.
  std::uint64_t careful_until_ = 0;
};

}  // namespace quire::vector
