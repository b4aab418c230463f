#include <algorithm>
#include <utility>

#include "quire/vector_store.hpp"
#include "vector/nearest.hpp"
#include "vector/view_state.hpp"

namespace quire {

namespace vector {
namespace {

// The live rows of a view, a portion for each run of versions.
class ViewRows final : public RowSupply {
 public:
  explicit ViewRows(const ViewState& view) : view_(view) {}

  std::uint64_t most_rows() const override { return view_.live; }
  std::uint64_t portions() const override {
    return (view_.versions + RowPortion::kMostRows - 1) / RowPortion::kMostRows;
  }

  Result<void> fill(std::uint64_t number, RowPortion& portion) const override {
    const VersionTable& versions = view_.catalog->versions();
    const std::uint64_t first = number * RowPortion::kMostRows;
    const std::uint64_t end = std::min(first + RowPortion::kMostRows, view_.versions);
    portion.count = 0;
    for (std::uint64_t i = first; i < end; ++i) {
      if (!versions.is_live_at(i, view_.lsn)) continue;
      portion.rows[portion.count] = view_.rows->row(versions.row(i));
      portion.ids[portion.count] = versions.id(i);
      ++portion.count;
    }
    return {};
  }

  Error fault(std::uint64_t /*number*/, const std::byte* address) const override {
    const auto offset = static_cast<std::uint64_t>(address - view_.rows->row(0));
    return view_.rows->fault("nearest", offset / view_.rows->stride());
  }

 private:
  const ViewState& view_;
};

}  // namespace
}  // namespace vector

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
  const vector::FindTimer timer(*state_->metrics);
  const std::uint64_t row = state_->catalog->find_row(state_->versions, id);
  // Without details, so that nothing is allocated.
  if (row == vector::kNoRow) return std::unexpected(Error(ErrorCode::not_found, "find"));
  return std::span(state_->rows->row(row), static_cast<std::size_t>(state_->rows->stride()));
}

std::vector<std::uint64_t> ReadView::ids() const {
  std::vector<std::uint64_t> ids;
  ids.reserve(static_cast<std::size_t>(state_->live));
  const vector::VersionTable& versions = state_->catalog->versions();
  for (std::uint64_t i = 0; i < state_->versions; ++i) {
    if (versions.is_live_at(i, state_->lsn)) ids.push_back(versions.id(i));
  }
  std::ranges::sort(ids);
  return ids;
}

Result<std::vector<std::vector<Neighbour>>> ReadView::nearest(VectorRef queries, std::size_t k,
                                                              const NearestOptions& options) const {
  return vector::nearest(vector::ViewRows(*state_), element_type(), dimension(), queries, k,
                         options);
}

}  // namespace v0
}  // namespace quire
