#include "vector/check_rows.hpp"

#include <string>
#include <utility>

#include "quire/convert.hpp"
#include "vector/stray_bits.hpp"

namespace quire::vector {

namespace {

Error refused(const StoreCore& core, ErrorCode code, const char* operation, std::string why) {
  return Error(code, operation).with_path(core.directory()).with_detail(std::move(why));
}

}  // namespace

Result<std::span<const std::byte>> rows_for_store(const StoreCore& core, const char* operation,
                                                  VectorRef rows, std::size_t count,
                                                  std::vector<std::byte>& converted) {
  const auto [id, dimension, type] = core.identity();
  const ElementType given = rows.element_type();
  if (given != type && !core.converts()) {
    return std::unexpected(refused(core, ErrorCode::mismatch, operation,
                                   std::string("the store's vectors are ") +
                                       std::string(to_string(type)) + ", this one is " +
                                       std::string(to_string(given))));
  }
  const std::span<const std::byte> bytes = rows.bytes();
  const std::size_t stride = row_bytes(given, dimension);
  // By division: count * stride could overflow.
  if (stride == 0 || bytes.size() % stride != 0 || bytes.size() / stride != count) {
    const std::size_t elements = stride == 0 ? 0 : bytes.size() * 8 / element_bits(given);
    return std::unexpected(refused(core, ErrorCode::mismatch, operation,
                                   std::string("expected ") + std::to_string(count) + " x " +
                                       std::to_string(dimension) + " elements, got " +
                                       std::to_string(elements)));
  }
  if (given != type) {
    converted.resize(count * row_bytes(type, dimension));
    if (auto done = convert(rows, dimension, type, converted); !done) {
      return std::unexpected(
          refused(core, done.error().code(), operation, std::string(done.error().detail())));
    }
    return converted;
  }
  if (has_stray_bits(type, dimension, bytes)) {
    return std::unexpected(refused(core, ErrorCode::invalid_argument, operation,
                                   "a vector has bits behind its last element"));
  }
  return bytes;
}

}  // namespace quire::vector
