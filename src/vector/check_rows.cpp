#include "vector/check_rows.hpp"

#include <string>
#include <utility>

namespace quire::vector {

Result<void> check_rows(const StoreCore& core, const char* operation, ElementType type,
                        std::size_t bytes, std::size_t rows) {
  const StoreIdentity& identity = core.identity();
  const auto mismatch = [&](std::string why) {
    return std::unexpected(Error(ErrorCode::mismatch, operation)
                               .with_path(core.directory())
                               .with_detail(std::move(why)));
  };
  if (type != identity.element_type) {
    return mismatch("the store's vectors are " + std::string(to_string(identity.element_type)) +
                    ", this one is " + std::string(to_string(type)));
  }
  const auto stride = static_cast<std::size_t>(identity.stride());
  // By division: rows * stride could overflow.
  if (bytes % stride == 0 && bytes / stride == rows) return {};
  const std::size_t element = element_size(identity.element_type);
  return mismatch("expected " + std::to_string(rows) + " x " + std::to_string(identity.dimension) +
                  " elements, got " + std::to_string(bytes / element));
}

}  // namespace quire::vector
