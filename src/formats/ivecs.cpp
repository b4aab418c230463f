#include <cstring>
#include <utility>

#include "base/try.hpp"
#include "formats/injection.hpp"
#include "formats/row_stream.hpp"
#include "formats/texmex.hpp"
#include "os/atomic_file.hpp"
#include "os/file_system.hpp"
#include "quire/vector_files.hpp"

namespace quire {

namespace formats {

Result<Int32Rows> Injection::read_ivecs(std::unique_ptr<os::File> file, const IvecsOptions& options,
                                        std::size_t block_bytes) {
  QUIRE_TRY(const os::FileInfo info, file->info());
  if (info.size > options.max_bytes) {
    return std::unexpected(Error(ErrorCode::capacity, "open")
                               .with_path(file->path())
                               .with_detail("the file has " + std::to_string(info.size) +
                                            " bytes; at most " + std::to_string(options.max_bytes) +
                                            " are read into memory"));
  }
  auto input = input_from(std::move(file));
  QUIRE_TRY(const RowLayout claimed, texmex_layout(*input, info.size, 8 * sizeof(std::int32_t)));
  QUIRE_TRY(const RowLayout layout, count_rows(claimed, info.size, input->path()));
  RowStream stream(std::move(input), layout, block_bytes);

  Int32Rows result;
  result.rows = layout.rows;
  result.columns = layout.columns;
  result.data.resize(static_cast<std::size_t>(layout.rows) * layout.columns);
  auto left = std::as_writable_bytes(std::span(result.data));
  while (!left.empty()) {
    QUIRE_TRY(const auto rows, stream.next(static_cast<std::size_t>(layout.rows)));
    std::memcpy(left.data(), rows.data(), rows.size());
    left = left.subspan(rows.size());
  }
  return result;
}

}  // namespace formats

inline namespace v0 {

Result<Int32Rows> read_ivecs(const std::string& path, const IvecsOptions& options) {
  QUIRE_TRY(auto file, os::real_file_system().open(path, os::OpenMode::read));
  return formats::Injection::read_ivecs(std::move(file), options);
}

Result<void> write_ivecs(const std::string& path, std::span<const std::int32_t> data,
                         std::uint32_t columns) {
  const bool columns_fit = columns >= 1 && columns <= kMaxVectorFileDimension;
  if (!columns_fit || data.empty() || data.size() % columns != 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "create")
                               .with_path(path)
                               .with_detail(std::to_string(data.size()) +
                                            " numbers are no rows of " + std::to_string(columns)));
  }
  QUIRE_TRY(auto file,
            os::AtomicFile::create(os::real_file_system(), path, VectorFileWriter::kBlockBytes));
  QUIRE_CHECK(formats::append_texmex_rows(*file, columns, columns * sizeof(std::int32_t),
                                          std::as_bytes(data)));
  return file->finish();
}

}  // namespace v0
}  // namespace quire
