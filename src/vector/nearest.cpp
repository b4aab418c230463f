#include "vector/nearest.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.hpp"
#include "base/try.hpp"
#include "os/fault_guard.hpp"
#include "vector/candidates.hpp"
#include "vector/distance.hpp"
#include "vector/screen.hpp"
#include "vector/stray_bits.hpp"

namespace quire::vector {

namespace {

// Queries that share one pass over the rows. Bounds the memory of the result heaps, too.
constexpr std::size_t kGroup = 256;

// One pass over all rows for a group of queries, by several threads that take portions in turn.
class Scan {
 public:
  Scan(const RowSupply& supply, ElementType type, std::uint32_t dimension,
       std::span<const Query> queries, std::size_t k, const NearestOptions& options)
      : supply_(supply),
        type_(type),
        dimension_(dimension),
        stride_(row_bytes(type, dimension)),
        queries_(queries),
        filter_(options.filter),
        distances_(fastest_kernels().distance(type, options.metric)),
        portions_(supply.portions()),
        merged_(queries.size(), Candidates(k)),
        empty_(k) {
    if (!is_worth_a_screen(type, options.metric, queries.size())) return;
    screened_.emplace(queries, dimension, options.metric);
    distance_to_floats_ = fastest_kernels().distance(ElementType::f32, options.metric);
  }

  // Runs on the calling thread and `helpers` more; `on_portion` is called on the calling thread only,
  // with the number of portions taken so far.
  Result<void> run(std::size_t helpers, const std::function<void(std::uint64_t)>& on_portion) {
    {
      std::vector<std::jthread> threads;
      threads.reserve(helpers);
      try {
        for (std::size_t i = 0; i < helpers; ++i) {
          threads.emplace_back([this] { work_or_keep_exception({}); });
        }
      } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        // No more threads to be had: those that run, and this one, do the work.
      }
      work_or_keep_exception(on_portion);
    }
    const base::MutexLock lock(mutex_);
    if (exception_) std::rethrow_exception(exception_);
    if (failure_) return std::unexpected(*std::move(failure_));
    return {};
  }

  std::vector<Neighbour> take(std::size_t query) {
    const base::MutexLock lock(mutex_);
    return merged_[query].take_sorted();
  }

 private:
  // An exception must not leave a thread: run() throws it again. The others stop.
  void work_or_keep_exception(const std::function<void(std::uint64_t)>& on_portion) noexcept {
    try {
      work(on_portion);
    } catch (...) {
      next_.store(portions_, std::memory_order_relaxed);
      const base::MutexLock lock(mutex_);
      exception_ = std::current_exception();
    }
  }

  void work(const std::function<void(std::uint64_t)>& on_portion) {
    std::vector<Candidates> best(queries_.size(), empty_);
    std::optional<Screen> screen;
    if (screened_) screen.emplace(fastest_kernels(), *screened_);
    RowPortion portion;
    while (true) {
      const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
      if (number >= portions_) break;
      if (auto met = meet(number, portion, screen, best); !met) {
        next_.store(portions_, std::memory_order_relaxed);
        const base::MutexLock lock(mutex_);
        failure_ = std::move(met).error();
        return;
      }
      if (on_portion) on_portion(number + 1);
    }
    const base::MutexLock lock(mutex_);
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      for (const Neighbour& one : best[query].unordered()) merged_[query].offer(one);
    }
  }

  // Compares every query with every row of the portion.
  Result<void> meet(std::uint64_t number, RowPortion& portion, std::optional<Screen>& screen,
                    std::vector<Candidates>& best) {
    QUIRE_CHECK(supply_.fill(number, portion));
    if (filter_) keep_wanted(portion);
    const auto rows = std::span<const std::byte* const>(portion.rows).first(portion.count);
    if (rows.empty()) return {};
    const auto [low, high] = std::ranges::minmax(rows);
    const Extent extent{low, static_cast<std::size_t>(high - low) + stride_};
    const std::byte* fault =
        screen ? meet_screened(portion, extent, *screen, best) : meet_all(portion, extent, best);
    if (fault != nullptr) return std::unexpected(supply_.fault(number, fault));
    return {};
  }

  void keep_wanted(RowPortion& portion) const {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < portion.count; ++i) {
      if (!filter_(portion.ids[i])) continue;
      portion.rows[kept] = portion.rows[i];
      portion.ids[kept] = portion.ids[i];
      ++kept;
    }
    portion.count = kept;
  }

  // The memory that rows lie in.
  struct Extent {
    const std::byte* begin;
    std::size_t size;
  };

  // Returns where a row faulted, or null.
  const std::byte* meet_all(const RowPortion& portion, Extent extent,
                            std::vector<Candidates>& best) const {
    const auto rows = std::span<const std::byte* const>(portion.rows).first(portion.count);
    std::array<double, RowPortion::kMostRows> distances;
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      const std::byte* fault = os::guarded(extent.begin, extent.size, [&] {
        distances_(queries_[query], rows, dimension_, distances.data());
      });
      if (fault != nullptr) return fault;
      double worst = best[query].worst();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!(distances[i] <= worst)) continue;
        best[query].offer({.id = portion.ids[i], .distance = distances[i]});
        worst = best[query].worst();
      }
    }
    return nullptr;
  }

  // The same, but only with the pairs that pass the screen.
  const std::byte* meet_screened(const RowPortion& portion, Extent extent, Screen& screen,
                                 std::vector<Candidates>& best) const {
    const auto rows = std::span<const std::byte* const>(portion.rows).first(portion.count);
    for (std::size_t first = 0; first < rows.size(); first += screen.capacity()) {
      const auto some = rows.subspan(first, std::min(screen.capacity(), rows.size() - first));
      const std::byte* fault =
          os::guarded(extent.begin, extent.size, [&] { screen.load(type_, some); });
      if (fault != nullptr) return fault;
      screen.measure();
      const auto ids = std::span(portion.ids).subspan(first, some.size());
      for (std::size_t panel = 0; panel < screened_->panels(); ++panel) {
        const std::size_t query = panel * kScreenQueries;
        meet_panel(ids, screen, panel,
                   std::span(best).subspan(query, std::min(kScreenQueries, best.size() - query)));
      }
    }
    return nullptr;
  }

  void meet_panel(std::span<const std::uint64_t> ids, Screen& screen, std::size_t panel,
                  std::span<Candidates> best) const {
    std::array<double, kScreenQueries> worst{};
    std::ranges::transform(best, worst.begin(), &Candidates::worst);
    const auto passed = screen.pass(panel, std::span(worst).first(best.size()));
    const std::uint32_t all = (std::uint32_t{1} << best.size()) - 1;
    for (std::size_t i = 0; i < passed.size(); ++i) {
      for (std::uint32_t left = passed[i] & all; left != 0; left &= left - 1) {
        const auto place = static_cast<std::size_t>(std::countr_zero(left));
        const std::byte* const row = screen.row(i);
        double distance = 0;
        distance_to_floats_(queries_[panel * kScreenQueries + place], {&row, 1}, dimension_,
                            &distance);
        best[place].offer({.id = ids[i], .distance = distance});
      }
    }
  }

  const RowSupply& supply_;
  const ElementType type_;
  const std::uint32_t dimension_;
  const std::size_t stride_;
  const std::span<const Query> queries_;
  const std::function<bool(std::uint64_t)>& filter_;
  const DistanceFunction distances_;
  std::optional<ScreenQueries> screened_;  // if a screen is worth it
  DistanceFunction distance_to_floats_ = nullptr;
  const std::uint64_t portions_;
  std::atomic<std::uint64_t> next_{0};
  base::Mutex mutex_;
  std::vector<Candidates> merged_ QUIRE_GUARDED_BY(mutex_);
  const Candidates empty_;
  std::optional<Error> failure_ QUIRE_GUARDED_BY(mutex_);
  std::exception_ptr exception_ QUIRE_GUARDED_BY(mutex_);
};

// Threads beside the caller: none where the work is smaller than starting one.
std::size_t helper_count(const RowSupply& supply, std::size_t stride, std::size_t queries,
                         std::optional<unsigned> most) {
  const std::uint64_t bytes = supply.most_rows() * stride * queries;
  const std::uint64_t portions = supply.portions();
  if (bytes < (std::uint64_t{4} << 20) || portions < 2) return 0;
  const std::uint64_t threads = most.value_or(std::max(1U, std::thread::hardware_concurrency()));
  return static_cast<std::size_t>(std::min(threads, portions) - 1);
}

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return std::unexpected(Error(code, "nearest").with_detail(std::move(why)));
}

Result<void> check_arguments(ElementType type, std::uint32_t dimension, VectorRef queries,
                             std::size_t k, const NearestOptions& options) {
  if (queries.element_type() != type) {
    return refuse(ErrorCode::mismatch, std::string("the queries are ") +
                                           std::string(to_string(queries.element_type())) +
                                           ", the vectors " + std::string(to_string(type)));
  }
  if (k == 0) return refuse(ErrorCode::invalid_argument, "k is 0");
  if (options.threads == 0U) return refuse(ErrorCode::invalid_argument, "threads is 0");
  const std::size_t stride = row_bytes(type, dimension);
  const std::size_t bytes = queries.bytes().size();
  if (bytes % stride != 0) {
    return refuse(ErrorCode::invalid_argument,
                  std::string("the queries have ") + std::to_string(bytes) +
                      " bytes, no multiple of the " + std::to_string(stride) + " of a vector");
  }
  if (has_stray_bits(type, dimension, queries.bytes())) {
    return refuse(ErrorCode::invalid_argument, "a query has bits behind its last element");
  }
  return {};
}

// Queries as Query::elements has them, dense: floats, or as they are.
struct HeldQueries {
  std::vector<float> floats;
  std::span<const std::byte> bytes;
  std::size_t stride = 0;

  const std::byte* at(std::size_t i) const noexcept { return bytes.data() + i * stride; }
};

// Errors: invalid_argument (a NaN).
Result<HeldQueries> hold(ElementType type, std::uint32_t dimension,
                         std::span<const std::byte> bytes) {
  HeldQueries held{.floats = {}, .bytes = bytes, .stride = row_bytes(type, dimension)};
  if (!is_decoded(type)) return held;
  held.floats.resize(bytes.size() / held.stride * dimension);
  fastest_kernels().decode(type, bytes.data(), held.floats.size(), held.floats.data());
  if (std::ranges::any_of(held.floats, [](float element) { return std::isnan(element); })) {
    return refuse(ErrorCode::invalid_argument, "a query holds a NaN");
  }
  held.bytes = std::as_bytes(std::span(held.floats));
  held.stride = dimension * sizeof(float);
  return held;
}

}  // namespace

Result<std::vector<std::vector<Neighbour>>> nearest(const RowSupply& supply, ElementType type,
                                                    std::uint32_t dimension, VectorRef queries,
                                                    std::size_t k, const NearestOptions& options) {
  QUIRE_CHECK(check_arguments(type, dimension, queries, k, options));
  QUIRE_TRY(const HeldQueries held, hold(type, dimension, queries.bytes()));
  const std::size_t stride = row_bytes(type, dimension);
  const std::size_t total = queries.bytes().size() / stride;
  const std::uint64_t portions = supply.portions();
  // More than there are makes no difference, and a huge k must not cost memory.
  const auto wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(k, std::max<std::uint64_t>(supply.most_rows(), 1)));
  std::vector<std::vector<Neighbour>> results;
  results.reserve(total);
  for (std::size_t first = 0; first < total; first += kGroup) {
    std::vector<Query> group;
    for (std::size_t i = first; i < std::min(first + kGroup, total); ++i) {
      group.push_back({held.at(i), norm_of(type, held.at(i), dimension)});
    }
    Scan scan(supply, type, dimension, group, wanted, options);
    std::function<void(std::uint64_t)> on_portion;
    if (options.progress) {
      on_portion = [&](std::uint64_t taken) {
        options.progress(first * portions + taken * group.size(), total * portions);
      };
    }
    QUIRE_CHECK(scan.run(helper_count(supply, stride, group.size(), options.threads), on_portion));
    for (std::size_t i = 0; i < group.size(); ++i) results.push_back(scan.take(i));
  }
  return results;
}

}  // namespace quire::vector
