#include "vector/published_metrics.hpp"

#include <utility>

#include "base/try.hpp"
#include "vector/control_page.hpp"
#include "vector/store_core.hpp"

namespace quire {

namespace vector {

Result<PublishedMetrics> published_metrics(os::FileSystem& file_system,
                                           const std::string& directory) {
  QUIRE_CHECK(read_manifest(file_system, directory));
  auto lock = file_system.open(os::join_path(directory, kLockName), os::OpenMode::read);
  if (!lock && lock.error().code() == ErrorCode::not_found) return PublishedMetrics{};
  if (!lock) return std::unexpected(std::move(lock).error());
  QUIRE_TRY(const bool has_writer, (*lock)->is_locked_exclusively());
  if (!has_writer) return PublishedMetrics{};
  QUIRE_TRY(auto json, read_metrics_block(**lock));
  return PublishedMetrics{.has_writer = true, .json = std::move(json)};
}

}  // namespace vector

inline namespace v0 {

Result<PublishedMetrics> published_metrics(const std::filesystem::path& directory) {
  return vector::published_metrics(os::real_file_system(), directory.native());
}

}  // namespace v0
}  // namespace quire
