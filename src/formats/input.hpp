// Input: what the rows of a vector file are read from: a file, or any byte source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "quire/byte_source.hpp"
#include "quire/error.hpp"

namespace quire::formats {

// Thread-compatible.
class Input {
 public:
  virtual ~Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // For messages, and to guess a format from.
  const std::string& path() const noexcept { return path_; }
  // Bytes, now.
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
  // All of `out`. Errors: truncated (it ends before), changed, and those of reading.
  [[nodiscard]] virtual Result<void> read_exactly(std::uint64_t offset,
                                                  std::span<std::byte> out) = 0;

 protected:
  explicit Input(std::string path) : path_(std::move(path)) {}

 private:
  const std::string path_;
};

[[nodiscard]] std::unique_ptr<Input> input_from(std::unique_ptr<os::File> file);
[[nodiscard]] std::unique_ptr<Input> input_from(std::shared_ptr<const ByteSource> source);

}  // namespace quire::formats
