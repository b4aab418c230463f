#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "quire/vector_store.hpp"
#include "vector/distance.hpp"
#include "vector/nearest.hpp"
#include "vector/view_state.hpp"

namespace quire {
inline namespace v0 {

ReadView::ReadView(std::shared_ptr<const vector::ViewState> state) noexcept
    : state_(std::move(state)) {}
ReadView::ReadView(const ReadView&) = default;
ReadView& ReadView::operator=(const ReadView&) = default;
ReadView::ReadView(ReadView&&) noexcept = default;
ReadView& ReadView::operator=(ReadView&&) noexcept = default;
ReadView::~ReadView() = default;

std::uint64_t ReadView::size() const noexcept { return state_->live; }
std::uint32_t ReadView::dimension() const noexcept { return state_->identity.dimension; }
ElementType ReadView::element_type() const noexcept { return state_->identity.element_type; }
std::uint64_t ReadView::lsn() const noexcept { return state_->lsn; }

Result<std::span<const std::byte>> ReadView::find_bytes(std::uint64_t id) const noexcept {
  const vector::Version* version = state_->catalog->find(id, state_->lsn);
  // Without details, so that nothing is allocated.
  if (version == nullptr) return std::unexpected(Error(ErrorCode::not_found, "find"));
  return std::span(state_->rows->row(version->row),
                   static_cast<std::size_t>(state_->rows->stride()));
}

std::vector<std::uint64_t> ReadView::ids() const {
  std::vector<std::uint64_t> ids;
  ids.reserve(static_cast<std::size_t>(state_->live));
  const vector::VersionTable& versions = state_->catalog->versions();
  for (std::uint64_t i = 0; i < state_->versions; ++i) {
    if (versions[i].is_live_at(state_->lsn)) ids.push_back(versions[i].id);
  }
  std::ranges::sort(ids);
  return ids;
}

Result<std::vector<std::vector<Neighbour>>> ReadView::nearest(
    VectorRef queries, std::size_t k, Metric metric, const ProgressCallback& progress) const {
  const auto refuse = [](ErrorCode code, std::string why) {
    return std::unexpected(Error(code, "nearest").with_detail(std::move(why)));
  };
  if (queries.element_type() != element_type()) {
    return refuse(ErrorCode::mismatch,
                  "the queries are " + std::string(to_string(queries.element_type())) +
                      ", the store's vectors " + std::string(to_string(element_type())));
  }
  if (k == 0) return refuse(ErrorCode::invalid_argument, "k is 0");
  const std::size_t bytes = queries.bytes().size();
  const auto stride = static_cast<std::size_t>(state_->identity.stride());
  if (bytes % stride != 0) {
    return refuse(ErrorCode::invalid_argument, "the queries have " + std::to_string(bytes) +
                                                   " bytes, no multiple of the " +
                                                   std::to_string(stride) + " of a vector");
  }
  if (vector::has_nan(queries.element_type(), queries.bytes())) {
    return refuse(ErrorCode::invalid_argument, "a query holds a NaN");
  }
  const auto address = reinterpret_cast<std::uintptr_t>(queries.bytes().data());
  if (address % element_size(element_type()) == 0) {
    return vector::nearest(*state_, queries.bytes(), k, metric, progress);
  }
  const std::vector<std::byte> aligned(queries.bytes().begin(), queries.bytes().end());
  return vector::nearest(*state_, aligned, k, metric, progress);
}

}  // namespace v0
}  // namespace quire
