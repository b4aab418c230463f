#include "formats/texmex.hpp"

#include <array>
#include <string>

#include "base/little_endian.hpp"
#include "base/try.hpp"
#include "quire/vector_files.hpp"

namespace quire::formats {

Result<RowLayout> texmex_layout(Input& file, std::uint64_t file_size, std::size_t element_bits) {
  QUIRE_CHECK(refuse_empty(file_size, file.path()));
  if (file_size < kTexmexPrefixBytes) {
    return std::unexpected(Error(ErrorCode::truncated, "open")
                               .with_path(file.path())
                               .with_range({0, file_size})
                               .with_detail("row 0 at byte 0 ends within its dimension"));
  }
  std::array<std::byte, kTexmexPrefixBytes> prefix;
  QUIRE_CHECK(file.read_exactly(0, prefix));
  const auto columns = base::load_le<std::int32_t>(prefix, 0);
  if (columns < 1 || columns > std::int32_t{kMaxVectorFileDimension}) {
    return std::unexpected(Error(ErrorCode::corrupt, "open")
                               .with_path(file.path())
                               .with_range({0, kTexmexPrefixBytes})
                               .with_detail("row 0 at byte 0 has dimension " +
                                            std::to_string(columns) + ", not 1 to " +
                                            std::to_string(kMaxVectorFileDimension)));
  }
  RowLayout layout;
  layout.prefix_bytes = kTexmexPrefixBytes;
  layout.columns = static_cast<std::uint32_t>(columns);
  layout.element_bits = element_bits;
  return layout;
}

Result<void> append_texmex_rows(os::AtomicFile& file, std::uint32_t columns, std::size_t row_bytes,
                                std::span<const std::byte> rows) {
  std::array<std::byte, kTexmexPrefixBytes> prefix;
  base::store_le(std::span<std::byte>(prefix), 0, static_cast<std::int32_t>(columns));
  for (; !rows.empty(); rows = rows.subspan(row_bytes)) {
    QUIRE_CHECK(file.append(prefix));
    QUIRE_CHECK(file.append(rows.first(row_bytes)));
  }
  return {};
}

}  // namespace quire::formats
