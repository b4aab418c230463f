#include "formats/row_layout.hpp"

#include <limits>
#include <utility>

namespace quire::formats {

namespace {

std::unexpected<Error> bad_size(ErrorCode code, const std::string& path, ByteRange range,
                                std::string sentence) {
  return std::unexpected(
      Error(code, "open").with_path(path).with_range(range).with_detail(std::move(sentence)));
}

}  // namespace

Result<RowLayout> count_rows(RowLayout layout, std::uint64_t file_size, const std::string& path) {
  const std::uint64_t available = file_size - layout.first_row_offset;
  const std::uint64_t whole = available / layout.stride();
  const std::uint64_t rest = available % layout.stride();
  if (!layout.rows_claimed) layout.rows = whole;

  if (layout.rows > std::numeric_limits<std::uint64_t>::max() / layout.stride()) {
    return bad_size(ErrorCode::corrupt, path, {0, layout.first_row_offset},
                    "the header claims " + std::to_string(layout.rows) + " rows of " +
                        std::to_string(layout.stride()) + " bytes, more than any file holds");
  }
  const std::uint64_t cut_at = layout.first_row_offset + whole * layout.stride();
  if (layout.rows > whole || (!layout.rows_claimed && rest != 0)) {
    return bad_size(
        ErrorCode::truncated, path, {cut_at, rest},
        "row " + std::to_string(whole) + " at byte " + std::to_string(cut_at) + " has " +
            std::to_string(rest) + " of " + std::to_string(layout.stride()) + " bytes" +
            (layout.rows_claimed ? "; the header claims " + std::to_string(layout.rows) + " rows"
                                 : std::string()));
  }
  const std::uint64_t used = layout.rows * layout.stride();
  if (used != available) {
    return bad_size(ErrorCode::corrupt, path, {layout.first_row_offset + used, available - used},
                    std::to_string(available - used) + " bytes follow the last of " +
                        std::to_string(layout.rows) + " rows");
  }
  return layout;
}

Result<void> refuse_empty(std::uint64_t file_size, const std::string& path) {
  if (file_size != 0) return {};
  return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                             .with_path(path)
                             .with_detail("the file is empty: it has no vectors"));
}

}  // namespace quire::formats
