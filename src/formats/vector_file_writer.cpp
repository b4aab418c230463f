#include <string>
#include <utility>

#include "base/try.hpp"
#include "formats/injection.hpp"
#include "formats/npy_header.hpp"
#include "formats/texmex.hpp"
#include "os/atomic_file.hpp"
#include "os/file_system.hpp"
#include "quire/vector_files.hpp"

namespace quire {

namespace formats {

namespace {

std::string types_of(VectorFormat format) {
  std::string types;
  for (const ElementType type : kElementTypes) {
    if (!can_hold(format, type)) continue;
    if (!types.empty()) types += " or ";
    types += to_string(type);
  }
  return types;
}

Result<void> check_arguments(const std::string& path, VectorFormat format, std::uint32_t dimension,
                             ElementType element_type) {
  const auto refuse = [&](std::string sentence) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "create")
                               .with_path(path)
                               .with_detail(std::move(sentence)));
  };
  if (dimension < 1 || dimension > kMaxVectorFileDimension) {
    return refuse("dimension " + std::to_string(dimension) + " was asked for, not 1 to " +
                  std::to_string(kMaxVectorFileDimension));
  }
  if (element_bits(element_type) == 0) return refuse("element_type is no ElementType");
  if (to_string(format) == "?") return refuse("format is no VectorFormat");
  if (!can_hold(format, element_type)) {
    std::string sentence(to_string(format));
    sentence += " files hold ";
    sentence += types_of(format);
    sentence += ", not ";
    sentence += to_string(element_type);
    return refuse(std::move(sentence));
  }
  return {};
}

}  // namespace

Result<VectorFileWriter> Injection::create(os::FileSystem& file_system, const std::string& path,
                                           VectorFormat format, std::uint32_t dimension,
                                           ElementType element_type, std::size_t block_bytes) {
  QUIRE_CHECK(check_arguments(path, format, dimension, element_type));
  QUIRE_TRY(auto file, os::AtomicFile::create(file_system, path, block_bytes));
  if (format == VectorFormat::npy) {
    QUIRE_CHECK(file->append(make_npy_header(element_type, 0, dimension)));
  }
  return VectorFileWriter(format, dimension, element_type, std::move(file));
}

}  // namespace formats

inline namespace v0 {

Result<VectorFileWriter> VectorFileWriter::create(const std::string& path, VectorFormat format,
                                                  std::uint32_t dimension,
                                                  ElementType element_type) {
  return formats::Injection::create(os::real_file_system(), path, format, dimension, element_type);
}

VectorFileWriter::VectorFileWriter(VectorFormat format, std::uint32_t dimension,
                                   ElementType element_type,
                                   std::unique_ptr<os::AtomicFile> file) noexcept
    : format_(format), dimension_(dimension), element_type_(element_type), file_(std::move(file)) {}

VectorFileWriter::VectorFileWriter(VectorFileWriter&& other) noexcept = default;
VectorFileWriter& VectorFileWriter::operator=(VectorFileWriter&& other) noexcept = default;
VectorFileWriter::~VectorFileWriter() = default;

Result<void> VectorFileWriter::append(std::span<const std::byte> rows) {
  if (!file_) return std::unexpected(Error(ErrorCode::closed, "append"));
  if (rows.size() % row_bytes() != 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "append")
                               .with_path(file_->path())
                               .with_detail(std::to_string(rows.size()) +
                                            " bytes are no whole number of rows of " +
                                            std::to_string(row_bytes()) + " bytes"));
  }
  const bool prefixed = format_ == VectorFormat::fvecs || format_ == VectorFormat::bvecs;
  QUIRE_CHECK(prefixed ? formats::append_texmex_rows(*file_, dimension_, row_bytes(), rows)
                       : file_->append(rows));
  rows_ += rows.size() / row_bytes();
  return {};
}

Result<void> VectorFileWriter::finish() {
  if (!file_) return std::unexpected(Error(ErrorCode::closed, "finish"));
  if (rows_ == 0 && format_ != VectorFormat::npy) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "finish")
                               .with_path(file_->path())
                               .with_detail("no rows were appended; a " +
                                            std::string(to_string(format_)) +
                                            " file without rows says nothing"));
  }
  if (format_ == VectorFormat::npy) {
    QUIRE_CHECK(file_->overwrite_front(formats::make_npy_header(element_type_, rows_, dimension_)));
  }
  auto finished = file_->finish();
  if (finished) file_.reset();
  return finished;
}

}  // namespace v0
}  // namespace quire
