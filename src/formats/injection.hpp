// The way in for tests and fuzzers: readers and writers over files and file systems of their own.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "formats/input.hpp"
#include "os/file_system.hpp"
#include "quire/vector_files.hpp"

namespace quire::formats {

struct Injection {
  // VectorFileReader::open with a block of `block_bytes`.
  [[nodiscard]] static Result<VectorFileReader> open(
      std::unique_ptr<Input> input, const VectorFileOptions& options,
      std::size_t block_bytes = VectorFileReader::kBlockBytes);
  [[nodiscard]] static Result<VectorFileReader> open(
      std::unique_ptr<os::File> file, const VectorFileOptions& options,
      std::size_t block_bytes = VectorFileReader::kBlockBytes);
  // read_ivecs over an open file.
  [[nodiscard]] static Result<Int32Rows> read_ivecs(
      std::unique_ptr<os::File> file, const IvecsOptions& options,
      std::size_t block_bytes = VectorFileReader::kBlockBytes);
  // VectorFileWriter::create in `file_system`, which outlives the writer.
  [[nodiscard]] static Result<VectorFileWriter> create(
      os::FileSystem& file_system, const std::string& path, VectorFormat format,
      std::uint32_t dimension, ElementType element_type,
      std::size_t block_bytes = VectorFileWriter::kBlockBytes);
};

}  // namespace quire::formats
