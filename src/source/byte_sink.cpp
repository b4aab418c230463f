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
  // Should memory run out in the middle, nobody knows how much was taken.
  failure_ = Error(ErrorCode::capacity, "append");
  auto done = do_append(bytes);
  failure_.reset();
  QUIRE_CHECK(remember(std::move(done)));
  size_ += bytes.size();
  return {};
}

Result<void> ByteSink::commit() {
  QUIRE_CHECK(check_open("commit"));
  failure_ = Error(ErrorCode::outcome_unknown, "commit");
  auto done = do_commit();
  failure_.reset();
  QUIRE_CHECK(remember(std::move(done)));
  is_committed_ = true;
  return {};
}

}  // namespace v0
}  // namespace quire
