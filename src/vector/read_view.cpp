#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "quire/mapped_memory.hpp"
#include "quire/vector_store.hpp"
#include "vector/nearest.hpp"
#include "vector/row_order.hpp"
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
    const std::byte* const rows = view_.rows->row(0);
    const std::uint64_t stride = view_.rows->stride();
    std::size_t count = 0;
    versions.for_each_live(first, end, view_.lsn, [&](std::uint64_t id, std::uint64_t row) {
      portion.rows[count] = rows + row * stride;
      portion.ids[count] = id;
      ++count;
    });
    portion.count = count;
    return {};
  }

  Error fault(std::uint64_t /*number*/, const std::byte* address) const override {
    const auto offset = static_cast<std::uint64_t>(address - view_.rows->row(0));
    return view_.rows->fault("nearest", offset / view_.rows->stride());
  }

 private:
  const ViewState& view_;
};

// Rows from it on are not shown.
std::uint64_t row_limit(const ViewState& view) noexcept {
  const VersionTable& versions = view.catalog->versions();
  std::uint64_t limit = 0;
  versions.for_each_live(0, view.versions, view.lsn, [&](std::uint64_t, std::uint64_t row) {
    limit = std::max(limit, row + 1);
  });
  return limit;
}

std::span<const std::byte> row_bytes(const ViewState& view, std::uint64_t row) noexcept {
  return {view.rows->row(row), static_cast<std::size_t>(view.rows->stride())};
}

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

Result<std::span<const std::byte>> ReadView::find_bytes(std::uint64_t id) const& noexcept {
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
  versions.for_each_live(0, state_->versions, state_->lsn,
                         [&](std::uint64_t id, std::uint64_t) { ids.push_back(id); });
  std::ranges::sort(ids);
  return ids;
}

Result<std::size_t> ReadView::get_many(std::span<const std::uint64_t> ids,
                                       std::span<std::span<const std::byte>> out) const& noexcept {
  if (ids.size() != out.size()) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "get_many"));
  }
  constexpr std::size_t kTogether = 64;
  std::array<std::uint64_t, kTogether> rows{};
  std::size_t found = 0;
  for (std::size_t first = 0; first < ids.size(); first += kTogether) {
    const auto some = ids.subspan(first, std::min(kTogether, ids.size() - first));
    state_->catalog->find_rows(state_->versions, some, std::span(rows).first(some.size()));
    for (std::size_t i = 0; i < some.size(); ++i) {
      out[first + i] = {};
      if (rows[i] == vector::kNoRow) continue;
      out[first + i] = vector::row_bytes(*state_, rows[i]);
      // So that the caller does not wait for it.
      __builtin_prefetch(out[first + i].data());
      ++found;
    }
  }
  return found;
}

void ReadView::scan(const RowVisitor& visit) const {
  const vector::VersionTable& versions = state_->catalog->versions();
  vector::RowOrder order(*state_);
  for (vector::RowOrder::Next at{}; order.next(at);) {
    const bool goes_on = visit({.id = versions.id(at.version),
                                .lsn = versions.lsn(at.version),
                                .row = at.row,
                                .bytes = vector::row_bytes(*state_, at.row)});
    if (!goes_on) return;
  }
}

RowMatrix ReadView::rows() const& {
  RowMatrix matrix;
  matrix.element_type = element_type();
  matrix.stride = static_cast<std::size_t>(state_->identity.stride());
  const vector::VersionTable& versions = state_->catalog->versions();
  const std::uint64_t limit = vector::row_limit(*state_);
  matrix.ids.resize(static_cast<std::size_t>(limit));
  matrix.live.resize(static_cast<std::size_t>((limit + 7) / 8));
  versions.for_each_live(
      0, state_->versions, state_->lsn, [&](std::uint64_t id, std::uint64_t place) {
        const auto row = static_cast<std::size_t>(place);
        matrix.ids[row] = id;
        matrix.live[row / 8] = static_cast<std::uint8_t>(matrix.live[row / 8] | 1U << row % 8);
      });
  if (limit > 0) matrix.bytes = {state_->rows->row(0), matrix.size() * matrix.stride};
  return matrix;
}

Result<std::uint64_t> ReadView::lsn_of(std::uint64_t id) const noexcept {
  const auto version = state_->catalog->find_in_first(state_->versions, id);
  if (!version) return std::unexpected(Error(ErrorCode::not_found, "lsn_of"));
  return version->lsn;
}

std::uint64_t ReadView::history_lsn() const noexcept { return state_->history_lsn; }

Result<std::vector<IdChange>> ReadView::changes(std::uint64_t since_lsn) const {
  if (since_lsn < state_->history_lsn) {
    return std::unexpected(Error(ErrorCode::out_of_range, "changes")
                               .with_detail("the store knows every change after batch " +
                                            std::to_string(state_->history_lsn) +
                                            ", not all since " + std::to_string(since_lsn)));
  }
  const vector::VersionTable& versions = state_->catalog->versions();
  std::uint64_t first = 0;
  for (std::uint64_t end = state_->versions; first < end;) {
    const std::uint64_t middle = first + (end - first) / 2;
    if (versions.lsn(middle) <= since_lsn) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  std::vector<IdChange> changes;
  for (std::uint64_t i = first; i < state_->versions; ++i) {
    if (versions.superseded(i) <= state_->lsn) continue;
    changes.push_back({.id = versions.id(i),
                       .lsn = versions.lsn(i),
                       .removed = versions.row(i) == vector::kNoRow});
  }
  return changes;
}

Result<void> ReadView::prefault() const {
  const std::uint64_t limit = vector::row_limit(*state_);
  return limit == 0 ? Result<void>() : state_->rows->prefault({0, limit});
}

Result<void> ReadView::prefault(std::span<const std::uint64_t> ids) const {
  std::vector<std::uint64_t> rows(ids.size());
  state_->catalog->find_rows(state_->versions, ids, rows);
  std::erase(rows, vector::kNoRow);
  std::ranges::sort(rows);
  // One call for rows that share a page or lie in neighbouring ones.
  const std::uint64_t near = page_size() / state_->identity.stride() + 1;
  for (std::size_t i = 0; i < rows.size();) {
    const std::uint64_t first = rows[i];
    std::uint64_t last = first;
    for (++i; i < rows.size() && rows[i] - last <= near; ++i) last = rows[i];
    QUIRE_CHECK(state_->rows->prefault({first, last + 1 - first}));
  }
  return {};
}

Result<void> ReadView::evict() const {
  const std::uint64_t limit = vector::row_limit(*state_);
  return limit == 0 ? Result<void>() : state_->rows->evict({0, limit});
}

Result<std::vector<std::vector<Neighbour>>> ReadView::nearest(VectorRef queries, std::size_t k,
                                                              const NearestOptions& options) const {
  return vector::nearest(vector::ViewRows(*state_), element_type(), dimension(), queries, k,
                         options);
}

}  // namespace v0
}  // namespace quire
