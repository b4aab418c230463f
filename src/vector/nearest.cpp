#include "vector/nearest.hpp"

#include <algorithm>
#include <array>
#include <atomic>
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
#include "vector/distance.hpp"

namespace quire::vector {

namespace {

// Queries that share one pass over the rows. Bounds the memory of the result heaps, too.
constexpr std::size_t kGroup = 256;

bool nearer(const Neighbour& a, const Neighbour& b) noexcept {
  return a.distance < b.distance || (a.distance == b.distance && a.id < b.id);
}

// The k nearest seen so far, as a heap with the farthest on top.
class Candidates {
 public:
  explicit Candidates(std::size_t k) : k_(k) {}

  void offer(const Neighbour& candidate) {
    if (heap_.size() == k_) {
      if (!nearer(candidate, heap_.front())) return;
      std::ranges::pop_heap(heap_, nearer);
      heap_.back() = candidate;
    } else {
      heap_.push_back(candidate);
    }
    std::ranges::push_heap(heap_, nearer);
  }

  const std::vector<Neighbour>& unordered() const noexcept { return heap_; }

  std::vector<Neighbour> take_sorted() {
    std::ranges::sort(heap_, nearer);
    return std::move(heap_);
  }

 private:
  std::size_t k_;
  std::vector<Neighbour> heap_;
};

// One pass over all rows for a group of queries, by several threads that take portions in turn.
class Scan {
 public:
  Scan(const RowSupply& supply, ElementType type, std::uint32_t dimension,
       std::span<const Query> queries, std::size_t k, Metric metric)
      : supply_(supply),
        dimension_(dimension),
        stride_(dimension * element_size(type)),
        queries_(queries),
        distances_(distance_function(type, metric)),
        portions_(supply.portions()),
        merged_(queries.size(), Candidates(k)),
        empty_(k) {}

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
    RowPortion portion;
    while (true) {
      const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
      if (number >= portions_) break;
      if (auto met = meet(number, portion, best); !met) {
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
  Result<void> meet(std::uint64_t number, RowPortion& portion, std::vector<Candidates>& best) {
    QUIRE_CHECK(supply_.fill(number, portion));
    const auto rows = std::span<const std::byte* const>(portion.rows).first(portion.count);
    if (rows.empty()) return {};
    const auto [low, high] = std::ranges::minmax(rows);
    const auto extent = static_cast<std::size_t>(high - low) + stride_;
    std::array<double, RowPortion::kMostRows> distances{};
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      const std::byte* fault = os::guarded(
          low, extent, [&] { distances_(queries_[query], rows, dimension_, distances.data()); });
      if (fault != nullptr) return std::unexpected(supply_.fault(number, fault));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (std::isnan(distances[i])) continue;
        best[query].offer({.id = portion.ids[i], .distance = distances[i]});
      }
    }
    return {};
  }

  const RowSupply& supply_;
  const std::uint32_t dimension_;
  const std::size_t stride_;
  const std::span<const Query> queries_;
  const DistanceFunction distances_;
  const std::uint64_t portions_;
  std::atomic<std::uint64_t> next_{0};
  base::Mutex mutex_;
  std::vector<Candidates> merged_ QUIRE_GUARDED_BY(mutex_);
  const Candidates empty_;
  std::optional<Error> failure_ QUIRE_GUARDED_BY(mutex_);
  std::exception_ptr exception_ QUIRE_GUARDED_BY(mutex_);
};

// Threads beside the caller: none where the work is smaller than starting one.
std::size_t helper_count(const RowSupply& supply, std::size_t stride, std::size_t queries) {
  const std::uint64_t bytes = supply.most_rows() * stride * queries;
  const std::uint64_t portions = supply.portions();
  if (bytes < (std::uint64_t{4} << 20) || portions < 2) return 0;
  const std::uint64_t cores = std::max(1U, std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::min(cores, portions) - 1);
}

Result<void> check_queries(ElementType type, std::size_t stride, VectorRef queries, std::size_t k) {
  const auto refuse = [](ErrorCode code, std::string why) {
    return std::unexpected(Error(code, "nearest").with_detail(std::move(why)));
  };
  if (queries.element_type() != type) {
    return refuse(ErrorCode::mismatch, "the queries are " +
                                           std::string(to_string(queries.element_type())) +
                                           ", the vectors " + std::string(to_string(type)));
  }
  if (k == 0) return refuse(ErrorCode::invalid_argument, "k is 0");
  const std::size_t bytes = queries.bytes().size();
  if (bytes % stride != 0) {
    return refuse(ErrorCode::invalid_argument, "the queries have " + std::to_string(bytes) +
                                                   " bytes, no multiple of the " +
                                                   std::to_string(stride) + " of a vector");
  }
  if (has_nan(type, queries.bytes())) {
    return refuse(ErrorCode::invalid_argument, "a query holds a NaN");
  }
  return {};
}

}  // namespace

Result<std::vector<std::vector<Neighbour>>> nearest(const RowSupply& supply, ElementType type,
                                                    std::uint32_t dimension, VectorRef queries,
                                                    std::size_t k, Metric metric,
                                                    const ProgressCallback& progress) {
  const std::size_t stride = dimension * element_size(type);
  QUIRE_CHECK(check_queries(type, stride, queries, k));
  std::span<const std::byte> bytes = queries.bytes();
  std::vector<std::byte> aligned;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % element_size(type) != 0) {
    aligned.assign(bytes.begin(), bytes.end());
    bytes = aligned;
  }
  const std::size_t total = bytes.size() / stride;
  const std::uint64_t portions = supply.portions();
  // More than there are makes no difference, and a huge k must not cost memory.
  const auto wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(k, std::max<std::uint64_t>(supply.most_rows(), 1)));
  std::vector<std::vector<Neighbour>> results;
  results.reserve(total);
  for (std::size_t first = 0; first < total; first += kGroup) {
    std::vector<Query> group;
    for (std::size_t i = first; i < std::min(first + kGroup, total); ++i) {
      const std::byte* elements = bytes.data() + i * stride;
      group.push_back({elements, norm_of(type, elements, dimension)});
    }
    Scan scan(supply, type, dimension, group, wanted, metric);
    std::function<void(std::uint64_t)> on_portion;
    if (progress) {
      on_portion = [&](std::uint64_t taken) {
        progress(first * portions + taken * group.size(), total * portions);
      };
    }
    QUIRE_CHECK(scan.run(helper_count(supply, stride, group.size()), on_portion));
    for (std::size_t i = 0; i < group.size(); ++i) results.push_back(scan.take(i));
  }
  return results;
}

}  // namespace quire::vector
