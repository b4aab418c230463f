#include "vector/screen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quire::vector {

namespace {

constexpr double kUnit = 0x1p-24;
constexpr double kSlack = 1'000;
// Squares of lengths outside of these could overflow or lose their precision in between.
constexpr double kLeastSquare = 1e-30;
constexpr double kMostSquare = 1e+36;
// Fewer queries than this are faster by themselves.
constexpr std::size_t kLeastQueries = 6;
// What stays in a core's nearer caches, beside a panel.
constexpr std::size_t kRowBytes = std::size_t{64} << 10;

bool is_tame(double square) noexcept { return square >= kLeastSquare && square <= kMostSquare; }

// What of the terms is the same for queries and rows; `slack` is 1 for a query.
RowTerms terms_of(Metric metric, double square, double slack) noexcept {
  RowTerms terms;
  if (!is_tame(square)) {
    terms.base = std::numeric_limits<float>::quiet_NaN();
    return terms;
  }
  switch (metric) {
    case Metric::l2:
      terms.base = static_cast<float>(square);
      terms.factor = 1;
      break;
    case Metric::inner_product:
      terms.factor = 1;
      terms.slack = static_cast<float>(std::sqrt(square) * slack);
      break;
    default:
      terms.factor = static_cast<float>(1 / std::sqrt(square));
      terms.slack = static_cast<float>(slack);
      break;
  }
  return terms;
}

// The float that is not less.
float upper(double value) noexcept {
  constexpr double kMost = std::numeric_limits<float>::max();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (value > kMost) return kInfinity;
  if (value < -kMost) return std::isinf(value) ? -kInfinity : static_cast<float>(-kMost);
  const auto near = static_cast<float>(value);
  return static_cast<double>(near) >= value ? near : std::nextafter(near, kInfinity);
}

}  // namespace

bool is_worth_a_screen(ElementType type, Metric metric, std::size_t queries) noexcept {
  return is_decoded(type) && metric != Metric::hamming && queries >= kLeastQueries;
}

ScreenQueries::ScreenQueries(std::span<const Query> queries, std::size_t dimension, Metric metric)
    : metric_(metric),
      dimension_(dimension),
      slack_(static_cast<float>((static_cast<double>(dimension) + kSlack) * kUnit)),
      terms_((queries.size() + kScreenQueries - 1) / kScreenQueries) {
  elements_.resize(terms_.size() * kScreenQueries * dimension);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::size_t panel = i / kScreenQueries;
    const std::size_t place = i % kScreenQueries;
    const auto* elements = reinterpret_cast<const float*>(queries[i].elements);
    float* const out = elements_.data() + panel * kScreenQueries * dimension + place;
    for (std::size_t j = 0; j < dimension; ++j) out[j * kScreenQueries] = elements[j];
    const RowTerms terms = terms_of(metric, queries[i].norm * queries[i].norm, 1);
    QueryTerms& all = terms_[panel];
    // base (1 - slack) of l2 is part of the base.
    all.base[place] = metric == Metric::l2 ? terms.base * (1 - slack_) : terms.base;
    // 1 - cosine, and twice the inner product in a squared difference.
    if (metric == Metric::cosine) all.base[place] += 1;
    all.factor[place] = metric == Metric::l2 ? 2 * terms.factor : terms.factor;
    all.slack[place] = terms.slack;
  }
}

Screen::Screen(const DistanceKernels& kernels, const ScreenQueries& queries)
    : kernels_(kernels), queries_(queries) {
  const std::size_t fit = kRowBytes / (queries.dimension() * sizeof(float));
  capacity_ = std::max<std::size_t>(fit / kScreenRows, 1) * kScreenRows;
  rows_.resize(capacity_ * queries.dimension());
  terms_.resize(capacity_);
  squares_.resize(capacity_);
  passed_.resize(capacity_);
  row_at_.resize(capacity_);
  for (std::size_t i = 0; i < capacity_; ++i) row_at_[i] = row(i);
}

void Screen::load(ElementType type, std::span<const std::byte* const> rows) noexcept {
  count_ = rows.size();
  const std::size_t dimension = queries_.dimension();
  for (std::size_t i = 0; i < count_; ++i) {
    kernels_.decode(type, rows[i], dimension, rows_.data() + i * dimension);
  }
}

void Screen::measure() noexcept {
  const std::size_t dimension = queries_.dimension();
  const auto inner_product = kernels_.distance(ElementType::f32, Metric::inner_product);
  for (std::size_t i = 0; i < count_; ++i) {
    inner_product({row(i), 0}, {&row_at_[i], 1}, dimension, &squares_[i]);
    terms_[i] = terms_of(queries_.metric(), -squares_[i], static_cast<double>(queries_.slack()));
    if (queries_.metric() == Metric::l2) terms_[i].base *= 1 - queries_.slack();
  }
}

std::span<const std::uint16_t> Screen::pass(std::size_t panel,
                                            std::span<const double> worst) noexcept {
  QueryTerms terms = queries_.terms(panel);
  std::ranges::transform(worst, terms.worst.begin(), upper);
  // Rows behind the last are of an earlier load, or zeros.
  const std::size_t whole = (count_ + kScreenRows - 1) / kScreenRows * kScreenRows;
  kernels_.screen(queries_.panel(panel), terms, rows_.data(), terms_.data(), queries_.dimension(),
                  whole, passed_.data());
  return std::span(passed_).first(count_);
}

}  // namespace quire::vector
