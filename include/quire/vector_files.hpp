// Vector files: reading and writing the files in which vectors travel between programs.
//
// | format | what it is                                                          | extension |
// |--------|---------------------------------------------------------------------|-----------|
// | fvecs  | each row: its dimension as int32, then that many f32                 | .fvecs    |
// | bvecs  | each row: its dimension as int32, then that many u8                  | .bvecs    |
// | npy    | NumPy array file: f32, f16, i8 or u8, one or two axes, C order       | .npy      |
// | raw    | rows and nothing else; dimension and element type come from you      | .raw      |
//
// All are little-endian. docs/formats/vector-files.md has each byte by byte, with what is checked.
// Rows are handed out and taken dense: `row_bytes(type, dimension)` bytes each, without headers or
// gaps.
//
//     quire::Result<void> convert(const std::string& from, const std::string& to) {
//       auto reader = quire::VectorFileReader::open(from);
//       if (!reader) return std::unexpected(reader.error());
//       auto writer = quire::VectorFileWriter::create(to, quire::VectorFormat::npy,
//                                                     reader->dimension(), reader->element_type());
//       if (!writer) return std::unexpected(writer.error());
//       while (reader->position() < reader->rows()) {
//         auto rows = reader->next();                   // a few MiB at most, however large the
//         file if (!rows) return std::unexpected(rows.error()); if (auto done =
//         writer->append(*rows); !done) return done;
//       }
//       return writer->finish();                        // only now `to` exists
//     }
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quire/byte_source.hpp"
#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {

namespace os {
class AtomicFile;
}
namespace formats {
class RowStream;
struct Injection;
}  // namespace formats

inline namespace v0 {

enum class VectorFormat : std::uint8_t { fvecs, bvecs, npy, raw };

// The format's name as it is spelled above. "?" for a number that is no VectorFormat.
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(VectorFormat format) noexcept;
// The format of that name, exactly as to_string spells it; nothing for every other string.
[[nodiscard]] QUIRE_EXPORT std::optional<VectorFormat> vector_format_from_string(
    std::string_view name) noexcept;
// The format that the path's extension stands for (see the table above; lower case); nothing for
// every other path. Looks at no file.
[[nodiscard]] QUIRE_EXPORT std::optional<VectorFormat> vector_format_from_path(
    std::string_view path) noexcept;

// Whether files of `format` hold elements of `type`: raw all types, npy all but bf16 and b1. What the others
// do not hold can be converted (quire/convert.hpp), to f32 without loss.
[[nodiscard]] QUIRE_EXPORT bool can_hold(VectorFormat format, ElementType type) noexcept;

// The largest dimension of a vector that is read or written; the smallest is 1.
inline constexpr std::uint32_t kMaxVectorFileDimension = 65'536;

// What the caller knows of a file. Given values are checked against the file; raw files, which say
// nothing of themselves, need dimension and element_type.
struct VectorFileOptions {
  // Else guessed: by the extension, then by the first bytes (npy).
  std::optional<VectorFormat> format = std::nullopt;
  std::optional<std::uint32_t> dimension = std::nullopt;
  std::optional<ElementType> element_type = std::nullopt;
};

// Reads a vector file from its first row to its last, a block of rows at a time.
//
// Move-only and thread-compatible. Holds the file open and at most kBlockBytes of it in memory.
// What the file says of its size is believed only as far as its real size bears it out.
class QUIRE_EXPORT VectorFileReader {
 public:
  // The memory that a reader's block takes at most; reads of the file are this large.
  static constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

  // Opens a file and checks its header, its size and, in fvecs and bvecs, its first row.
  // Errors, besides those of the file system (not_found, permission, io):
  //   invalid_argument  the file is empty, or a directory or special file; the format cannot be
  //                     guessed; raw without dimension or element type, or a dimension in `options`
  //                     outside 1 to kMaxVectorFileDimension
  //   truncated         the size is no whole number of rows, or less than an npy header says: names
  //                     the row that is cut, and its bytes
  //   corrupt           an npy header that cannot be one, bytes behind the last row of an npy file,
  //                     a dimension in fvecs or bvecs outside 1 to kMaxVectorFileDimension
  //   mismatch          the file's dimension or element type is not that of `options`
  //   unsupported       an npy file of another version, element type, order or number of axes, or a
  //                     dimension outside 1 to kMaxVectorFileDimension; an ivecs file (read_ivecs)
  [[nodiscard]] static Result<VectorFileReader> open(const std::string& path,
                                                     const VectorFileOptions& options = {});
  // The same of an object that is anywhere, which the reader keeps. It is read in order, a block at a time: before a source
  // that is slow to answer put a BlockCache, which reads ahead. Errors also: changed, and those of the source.
  [[nodiscard]] static Result<VectorFileReader> open(std::shared_ptr<const ByteSource> source,
                                                     const VectorFileOptions& options = {});

  VectorFileReader(VectorFileReader&& other) noexcept;
  VectorFileReader& operator=(VectorFileReader&& other) noexcept;
  VectorFileReader(const VectorFileReader&) = delete;
  VectorFileReader& operator=(const VectorFileReader&) = delete;
  ~VectorFileReader();

  VectorFormat format() const noexcept { return format_; }
  ElementType element_type() const noexcept { return element_type_; }
  // Elements of each row.
  std::uint32_t dimension() const noexcept { return dimension_; }
  // Bytes of each row as next() returns it.
  std::size_t row_bytes() const noexcept { return quire::row_bytes(element_type_, dimension_); }
  // Rows in the file, by its size when it was opened. 0 only for an npy array without rows.
  std::uint64_t rows() const noexcept { return rows_; }
  // The number, from 0, of the row that next() returns first; rows() at the end.
  std::uint64_t position() const noexcept;

  // The next rows, dense: the least of `max_rows`, what fits kBlockBytes (at least 15 rows) and
  // what is left. Empty at the end of the file, and only there. The bytes stay valid until the next
  // call of a non-const function. After an error the position is what it was. Errors:
  // invalid_argument (max_rows is 0), corrupt (a row of another dimension than the first; names
  // row, byte offset and both dimensions), truncated (the file was cut since it was opened), io,
  // closed (moved from).
  [[nodiscard]] Result<std::span<const std::byte>> next(
      std::size_t max_rows = std::numeric_limits<std::size_t>::max());

  // Goes to row `row`; rows() is the end. Errors: out_of_range, closed (moved from).
  [[nodiscard]] Result<void> seek(std::uint64_t row);

 private:
  friend struct formats::Injection;
  VectorFileReader(VectorFormat format, ElementType element_type,
                   std::unique_ptr<formats::RowStream> stream) noexcept;

  VectorFormat format_;
  ElementType element_type_;
  std::uint32_t dimension_;
  std::uint64_t rows_;
  std::unique_ptr<formats::RowStream> stream_;
};

// Writes a vector file. Nothing appears under its name before finish(): rows go to a file beside
// it, `<path>.quire-partial` (or .quire-partial-1, … while others write the same path), which finish() puts in
// place, replacing what was there. A writer destroyed without finish() removes it. What a killed
// process left is removed by the next writer to the same path, on file systems that have locks: a
// file of that name that nobody has locked is taken for such, so keep no other file there.
//
// Move-only and thread-compatible. Holds kBlockBytes in memory.
//
// After an error of the file system every later call returns that error, and the name is untouched;
// see finish() for the one exception.
class QUIRE_EXPORT VectorFileWriter {
 public:
  // Writes to the file are this large, but for the last.
  static constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

  // Begins a file. `path` may be a symbolic link: the file it leads to is replaced. A replaced
  // file's permissions are kept. Errors, besides those of the file
  // system (not_found, permission, no_space, io):
  //   invalid_argument  dimension outside 1 to kMaxVectorFileDimension; an element type that the
  //                     format cannot hold; `path` is a directory or special file
  [[nodiscard]] static Result<VectorFileWriter> create(const std::string& path, VectorFormat format,
                                                       std::uint32_t dimension,
                                                       ElementType element_type);

  VectorFileWriter(VectorFileWriter&& other) noexcept;
  VectorFileWriter& operator=(VectorFileWriter&& other) noexcept;
  VectorFileWriter(const VectorFileWriter&) = delete;
  VectorFileWriter& operator=(const VectorFileWriter&) = delete;
  ~VectorFileWriter();

  // Bytes of each row as append() takes it.
  std::size_t row_bytes() const noexcept { return quire::row_bytes(element_type_, dimension_); }
  // Rows appended so far.
  std::uint64_t rows() const noexcept { return rows_; }

  // Adds dense rows: a whole number of row_bytes(); none is fine.
  // Errors: invalid_argument (no whole number of rows; nothing was added), no_space, io,
  // closed (finished or moved from).
  [[nodiscard]] Result<void> append(std::span<const std::byte> rows);

  // Puts the file in place, atomically and durably: after a power cut the name leads to the old
  // file (or none) or to the whole new one, and once finish() returned, to the new one. Errors:
  // invalid_argument (no rows in a format other than npy: such a file would be empty, which no
  // reader takes; more rows may still be appended), no_space, io, closed (finished or moved from),
  // outcome_unknown (the file is in place, but syncing its directory failed: a power cut may undo
  // it).
  [[nodiscard]] Result<void> finish();

 private:
  friend struct formats::Injection;
  VectorFileWriter(VectorFormat format, std::uint32_t dimension, ElementType element_type,
                   std::unique_ptr<os::AtomicFile> file) noexcept;

  VectorFormat format_;
  std::uint32_t dimension_;
  ElementType element_type_;
  std::uint64_t rows_ = 0;
  std::unique_ptr<os::AtomicFile> file_;
};

// Rows of int32, all of one length: the true neighbours of each query, as files of test data give
// them. A value type.
struct Int32Rows {
  std::uint64_t rows = 0;
  std::uint32_t columns = 0;
  std::vector<std::int32_t> data;  // rows * columns, row after row

  // REQUIRES: index < rows.
  std::span<const std::int32_t> row(std::uint64_t index) const noexcept {
    return std::span(data).subspan(static_cast<std::size_t>(index) * columns, columns);
  }
};

struct IvecsOptions {
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  // of the file, which is read into memory whole
};

// Reads an ivecs file: each row its length as int32, then that many int32.
// Errors: capacity (the file has more than options.max_bytes), and those of VectorFileReader::open
// and next for a file of fvecs. Thread-safe.
[[nodiscard]] QUIRE_EXPORT Result<Int32Rows> read_ivecs(const std::string& path,
                                                        const IvecsOptions& options = {});

// Writes an ivecs file of `data`, rows of `columns` numbers, in place as VectorFileWriter does.
// Errors: invalid_argument (`columns` outside 1 to kMaxVectorFileDimension, no rows, no whole
// number of rows), and those of VectorFileWriter. Thread-safe.
[[nodiscard]] QUIRE_EXPORT Result<void> write_ivecs(const std::string& path,
                                                    std::span<const std::int32_t> data,
                                                    std::uint32_t columns);

}  // namespace v0
}  // namespace quire
