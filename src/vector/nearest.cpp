#include "vector/nearest.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.hpp"
#include "os/fault_guard.hpp"
#include "vector/distance.hpp"

namespace quire::vector {

namespace {

// Versions that a thread takes at once; their rows, of common dimensions, stay in its cache while every
// query of the group meets them.
constexpr std::uint64_t kBlock = 256;
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

// One pass over all rows for a group of queries, by several threads that take blocks in turn.
class Scan {
 public:
  Scan(const ViewState& view, std::span<const Query> queries, std::size_t k, Metric metric)
      : view_(view),
        queries_(queries),
        distances_(distance_function(view.identity.element_type, metric)),
        merged_(queries.size(), Candidates(k)),
        empty_(k) {}

  // Runs on the calling thread and `helpers` more; `on_block` is called on the calling thread only.
  Result<void> run(std::size_t helpers, const std::function<void(std::uint64_t)>& on_block) {
    {
      std::vector<std::jthread> threads;
      threads.reserve(helpers);
      try {
        for (std::size_t i = 0; i < helpers; ++i) {
          threads.emplace_back([this] { work_or_keep_exception(); });
        }
      } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        // No more threads to be had: those that run, and this one, do the work.
      }
      work(on_block);
    }
    const base::MutexLock lock(mutex_);
    if (exception_) std::rethrow_exception(exception_);
    if (fault_) return std::unexpected(*std::move(fault_));
    return {};
  }

  std::vector<Neighbour> take(std::size_t query) {
    const base::MutexLock lock(mutex_);
    return merged_[query].take_sorted();
  }

 private:
  // An exception must not leave a thread: the caller throws it again.
  void work_or_keep_exception() noexcept {
    try {
      work({});
    } catch (...) {
      const base::MutexLock lock(mutex_);
      exception_ = std::current_exception();
    }
  }

  void work(const std::function<void(std::uint64_t)>& on_block) {
    std::vector<Candidates> best(queries_.size(), empty_);
    std::array<const std::byte*, kBlock> rows{};
    std::array<std::uint64_t, kBlock> ids{};
    while (true) {
      const std::uint64_t first = next_.fetch_add(kBlock, std::memory_order_relaxed);
      if (first >= view_.versions) break;
      const std::size_t count = collect(first, rows, ids);
      if (!meet(std::span(rows).first(count), std::span(ids).first(count), best)) return;
      if (on_block) on_block(std::min(first + kBlock, view_.versions));
    }
    const base::MutexLock lock(mutex_);
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      for (const Neighbour& one : best[query].unordered()) merged_[query].offer(one);
    }
  }

  // The live rows of one block of versions.
  std::size_t collect(std::uint64_t first, std::span<const std::byte*> rows,
                      std::span<std::uint64_t> ids) const {
    const VersionTable& versions = view_.catalog->versions();
    const std::uint64_t end = std::min(first + kBlock, view_.versions);
    std::size_t count = 0;
    for (std::uint64_t i = first; i < end; ++i) {
      const Version& version = versions[i];
      if (!version.is_live_at(view_.lsn)) continue;
      rows[count] = view_.rows->row(version.row);
      ids[count] = version.id;
      ++count;
    }
    return count;
  }

  // Compares every query with every row of the block; false if a page could not be read.
  bool meet(std::span<const std::byte* const> rows, std::span<const std::uint64_t> ids,
            std::vector<Candidates>& best) {
    if (rows.empty()) return true;
    const auto [low, high] = std::ranges::minmax(rows);
    const auto stride = static_cast<std::size_t>(view_.identity.stride());
    const auto extent = static_cast<std::size_t>(high - low) + stride;
    std::array<double, kBlock> distances{};
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      const std::byte* fault = os::guarded(low, extent, [&] {
        distances_(queries_[query], rows, view_.identity.dimension, distances.data());
      });
      if (fault != nullptr) {
        const auto row = static_cast<std::uint64_t>(fault - view_.rows->row(0)) / stride;
        const base::MutexLock lock(mutex_);
        fault_ = view_.rows->fault("nearest", row);
        next_.store(view_.versions, std::memory_order_relaxed);
        return false;
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!std::isnan(distances[i])) best[query].offer({.id = ids[i], .distance = distances[i]});
      }
    }
    return true;
  }

  const ViewState& view_;
  const std::span<const Query> queries_;
  const DistanceFunction distances_;
  std::atomic<std::uint64_t> next_{0};  // first version of the next block
  base::Mutex mutex_;
  std::vector<Candidates> merged_ QUIRE_GUARDED_BY(mutex_);
  const Candidates empty_;
  std::optional<Error> fault_ QUIRE_GUARDED_BY(mutex_);
  std::exception_ptr exception_ QUIRE_GUARDED_BY(mutex_);
};

// Threads beside the caller: none where the work is smaller than starting one.
std::size_t helper_count(const ViewState& view, std::size_t queries) {
  const std::uint64_t bytes = view.versions * view.identity.stride() * queries;
  const std::uint64_t blocks = (view.versions + kBlock - 1) / kBlock;
  if (bytes < (std::uint64_t{4} << 20) || blocks < 2) return 0;
  const std::uint64_t cores = std::max(1U, std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::min(cores, blocks) - 1);
}

}  // namespace

Result<std::vector<std::vector<Neighbour>>> nearest(const ViewState& view,
                                                    std::span<const std::byte> queries,
                                                    std::size_t k, Metric metric,
                                                    const ProgressCallback& progress) {
  const auto stride = static_cast<std::size_t>(view.identity.stride());
  const std::size_t total = queries.size() / stride;
  // More than the view holds makes no difference, and a huge k must not cost memory.
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(k, std::max<std::uint64_t>(view.live, 1)));
  std::vector<std::vector<Neighbour>> results;
  results.reserve(total);
  for (std::size_t first = 0; first < total; first += kGroup) {
    std::vector<Query> group;
    for (std::size_t i = first; i < std::min(first + kGroup, total); ++i) {
      const std::byte* elements = queries.data() + i * stride;
      group.push_back(
          {elements, norm_of(view.identity.element_type, elements, view.identity.dimension)});
    }
    Scan scan(view, group, wanted, metric);
    std::function<void(std::uint64_t)> on_block;
    if (progress) {
      on_block = [&](std::uint64_t versions) {
        progress(first * view.versions + versions * group.size(), total * view.versions);
      };
    }
    auto scanned = scan.run(helper_count(view, group.size()), on_block);
    if (!scanned) return std::unexpected(std::move(scanned).error());
    for (std::size_t i = 0; i < group.size(); ++i) results.push_back(scan.take(i));
  }
  return results;
}

}  // namespace quire::vector
