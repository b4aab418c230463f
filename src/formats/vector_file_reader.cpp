#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/try.hpp"
#include "formats/injection.hpp"
#include "formats/npy_header.hpp"
#include "formats/row_layout.hpp"
#include "formats/row_stream.hpp"
#include "formats/texmex.hpp"
#include "os/file_system.hpp"
#include "quire/vector_files.hpp"

namespace quire {

namespace formats {

namespace {

struct Opened {
  ElementType element_type = ElementType::f32;
  RowLayout layout;  // rows are not counted yet
};

std::unexpected<Error> refuse(ErrorCode code, const std::string& path, std::string sentence) {
  return std::unexpected(Error(code, "open").with_path(path).with_detail(std::move(sentence)));
}

Result<VectorFormat> guess_format(Input& file, std::uint64_t file_size) {
  const std::string& path = file.path();
  // Behind what a URL names stands what it asks for.
  const bool is_url = path.contains("://");
  if (const auto format =
          vector_format_from_path(path.substr(0, is_url ? path.find('?') : path.npos))) {
    return *format;
  }
  if (path.ends_with(".ivecs")) {
    return refuse(ErrorCode::unsupported, path,
                  "ivecs files hold rows of int32, not vectors: read_ivecs reads them");
  }
  QUIRE_CHECK(refuse_empty(file_size, path));
  std::array<std::byte, kNpyMagic.size()> first{};
  const auto available = static_cast<std::size_t>(std::min<std::uint64_t>(file_size, first.size()));
  QUIRE_CHECK(file.read_exactly(0, std::span(first).first(available)));
  if (std::memcmp(first.data(), kNpyMagic.data(), first.size()) == 0) return VectorFormat::npy;
  return refuse(ErrorCode::invalid_argument, path,
                "the extension names no format; give one: fvecs, bvecs, npy or raw");
}

Result<Opened> raw_layout(const std::string& path, std::uint64_t file_size,
                          const VectorFileOptions& options) {
  if (!options.dimension || !options.element_type) {
    return refuse(ErrorCode::invalid_argument, path,
                  "raw files do not say what they hold; give dimension and element type");
  }
  QUIRE_CHECK(refuse_empty(file_size, path));
  Opened opened;
  opened.element_type = *options.element_type;
  opened.layout.columns = *options.dimension;
  opened.layout.element_bits = element_bits(opened.element_type);
  return opened;
}

Result<Opened> open_as(VectorFormat format, Input& file, std::uint64_t file_size,
                       const VectorFileOptions& options) {
  switch (format) {
    case VectorFormat::fvecs:
    case VectorFormat::bvecs: {
      const auto type = format == VectorFormat::fvecs ? ElementType::f32 : ElementType::u8;
      QUIRE_TRY(const RowLayout layout, texmex_layout(file, file_size, element_bits(type)));
      return Opened{type, layout};
    }
    case VectorFormat::npy: {
      QUIRE_TRY(const NpyHeader header, read_npy_header(file, file_size));
      return Opened{header.element_type, header.layout};
    }
    case VectorFormat::raw:
      return raw_layout(file.path(), file_size, options);
  }
  return refuse(ErrorCode::invalid_argument, file.path(), "options.format is no VectorFormat");
}

Result<void> check_options(const VectorFileOptions& options, const std::string& path) {
  if (options.dimension &&
      (*options.dimension < 1 || *options.dimension > kMaxVectorFileDimension)) {
    return refuse(ErrorCode::invalid_argument, path,
                  "dimension " + std::to_string(*options.dimension) + " was asked for, not 1 to " +
                      std::to_string(kMaxVectorFileDimension));
  }
  if (options.element_type && element_bits(*options.element_type) == 0) {
    return refuse(ErrorCode::invalid_argument, path, "options.element_type is no ElementType");
  }
  return {};
}

// The file against what the caller knows of it.
Result<void> compare(const Opened& opened, const VectorFileOptions& options,
                     const std::string& path) {
  if (options.element_type && *options.element_type != opened.element_type) {
    return refuse(ErrorCode::mismatch, path,
                  "the file has " + std::string(to_string(opened.element_type)) + " elements, " +
                      std::string(to_string(*options.element_type)) + " was asked for");
  }
  if (options.dimension && *options.dimension != opened.layout.columns) {
    return refuse(ErrorCode::mismatch, path,
                  "the file has vectors of dimension " + std::to_string(opened.layout.columns) +
                      ", " + std::to_string(*options.dimension) + " was asked for");
  }
  return {};
}

}  // namespace

Result<VectorFileReader> Injection::open(std::unique_ptr<Input> input,
                                         const VectorFileOptions& options,
                                         std::size_t block_bytes) {
  const std::string path = input->path();
  QUIRE_CHECK(check_options(options, path));
  QUIRE_TRY(const std::uint64_t size, input->size());
  VectorFormat format{};
  if (options.format) {
    format = *options.format;
  } else {
    QUIRE_TRY(format, guess_format(*input, size));
  }
  QUIRE_TRY(Opened opened, open_as(format, *input, size, options));
  QUIRE_CHECK(compare(opened, options, path));
  QUIRE_TRY(opened.layout, count_rows(opened.layout, size, path));
  return VectorFileReader(
      format, opened.element_type,
      std::make_unique<RowStream>(std::move(input), opened.layout, block_bytes));
}

Result<VectorFileReader> Injection::open(std::unique_ptr<os::File> file,
                                         const VectorFileOptions& options,
                                         std::size_t block_bytes) {
  return open(input_from(std::move(file)), options, block_bytes);
}

}  // namespace formats

inline namespace v0 {

Result<VectorFileReader> VectorFileReader::open(const std::string& path,
                                                const VectorFileOptions& options) {
  QUIRE_TRY(auto file, os::real_file_system().open(path, os::OpenMode::read));
  return formats::Injection::open(std::move(file), options);
}

Result<VectorFileReader> VectorFileReader::open(std::shared_ptr<const ByteSource> source,
                                                const VectorFileOptions& options) {
  return formats::Injection::open(formats::input_from(std::move(source)), options);
}

VectorFileReader::VectorFileReader(VectorFormat format, ElementType element_type,
                                   std::unique_ptr<formats::RowStream> stream) noexcept
    : format_(format),
      element_type_(element_type),
      dimension_(stream->layout().columns),
      rows_(stream->layout().rows),
      stream_(std::move(stream)) {}

VectorFileReader::VectorFileReader(VectorFileReader&& other) noexcept = default;
VectorFileReader& VectorFileReader::operator=(VectorFileReader&& other) noexcept = default;
VectorFileReader::~VectorFileReader() = default;

std::uint64_t VectorFileReader::position() const noexcept {
  return stream_ ? stream_->position() : rows_;
}

Result<std::span<const std::byte>> VectorFileReader::next(std::size_t max_rows) {
  if (!stream_) return std::unexpected(Error(ErrorCode::closed, "read"));
  return stream_->next(max_rows);
}

Result<void> VectorFileReader::seek(std::uint64_t row) {
  if (!stream_) return std::unexpected(Error(ErrorCode::closed, "seek"));
  return stream_->seek(row);
}

}  // namespace v0
}  // namespace quire
