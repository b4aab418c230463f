#include "quire/byte_sink.hpp"

#include <utility>

#include "base/try.hpp"

namespace quire {
inline namespace v0 {

ByteSink::ByteSink(std::string name) : name_(std::move(name)) {}
ByteSink::~ByteSink() = default;

Result<void> ByteSink::check_open(const char* operation) const {
  if (failure_) return std::unexpected(*failure_);
  if (!is_committed_) return {};
  return std::unexpected(
      Error(ErrorCode::closed, operation).with_path(name_).with_detail("it was committed"));
}

Result<void> ByteSink::remember(Result<void> result) {
  if (!result) failure_ = result.error();
  return result;
}

Result<void> ByteSink::append(std::span<const std::byte> bytes) {
  QUIRE_CHECK(check_open("append"));
  if (bytes.empty()) return {};
  QUIRE_CHECK(remember(do_append(bytes)));
  size_ += bytes.size();
  return {};
}

Result<void> ByteSink::commit() {
  QUIRE_CHECK(check_open("commit"));
  QUIRE_CHECK(remember(do_commit()));
  is_committed_ = true;
  return {};
}

}  // namespace v0
}  // namespace quire
