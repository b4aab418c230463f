// Churns a store for long, and holds what must stay bounded against its bounds: memory, open files and maps,
// names in the directory, bytes on disk. Only the library's public interface.
//
//   store_soak DIR SECONDS
//
// One thread puts, removes, loads in bulk, checkpoints, compacts, closes and opens again; two others take views
// and read. Status 1 and a line on standard error if a bound breaks.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "quire/bulk_loader.hpp"
#include "quire/vector_store.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kDimension = 256;
constexpr std::uint64_t kIds = 20'000;
constexpr std::uint64_t kRowBytes = kDimension * sizeof(float);
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "store_soak: %s\n", why.c_str());
  std::_Exit(1);
}

template <class T>
T expect(quire::Result<T> result) {
  if (!result) die(result.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

struct Usage {
  std::uint64_t memory = 0;  // anonymous: pages of files come and go with the cache
  std::uint64_t open_files = 0;
  std::uint64_t maps = 0;
  std::uint64_t names = 0;  // in the store's directory
  std::uint64_t disk = 0;   // allocated
};

std::uint64_t entries_of(const std::filesystem::path& directory) {
  return static_cast<std::uint64_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

Usage usage_of(const quire::VectorStore& store, const std::filesystem::path& directory) {
  Usage usage;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) usage.memory = std::stoull(line.substr(8)) << 10U;
  }
  usage.open_files = entries_of("/proc/self/fd");
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++usage.maps;
  usage.names = entries_of(directory);
  usage.disk = expect(store.info()).bytes_on_disk;
  return usage;
}

class Soak {
 public:
  Soak(std::filesystem::path directory, double seconds)
      : directory_(std::move(directory)),
        end_(Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}

  void run() {
    open();
    std::vector<std::jthread> readers;
    readers.reserve(2);
    for (int i = 0; i < 2; ++i) readers.emplace_back([this, i] { read(static_cast<unsigned>(i)); });
    for (std::uint64_t round = 1; Clock::now() < end_; ++round) {
      churn(2000);
      expect(store_->checkpoint());
      if (round % 3 == 0) {
        expect(store_->compact());
        look(round);
      }
      if (round % 10 == 0) open();
    }
    stop_ = true;
    readers.clear();
    std::printf("%llu writes, %llu reads; memory %llu MiB, %llu names, disk %llu MiB\n",
                static_cast<unsigned long long>(writes_),
                static_cast<unsigned long long>(reads_.load()),
                static_cast<unsigned long long>(last_.memory / kMiB),
                static_cast<unsigned long long>(last_.names),
                static_cast<unsigned long long>(last_.disk / kMiB));
  }

 private:
  // Closes what is open, if anything.
  void open() {
    const std::scoped_lock lock(mutex_);
    if (store_) {
      expect(store_->close());
      store_.reset();
    }
    quire::VectorStoreOptions made_with{.dimension = kDimension};
    made_with.durability = quire::Durability::process_crash;
    store_.emplace(expect(quire::VectorStore::open_or_create(directory_, made_with,
                                                             {.checkpoint_log_bytes = 8 * kMiB})));
  }

  void churn(int steps) {
    std::vector<float> rows;
    for (int step = 0; step < steps; ++step, ++writes_) {
      const std::uint64_t id = random_() % kIds;
      const std::uint64_t kind = random_() % 100;
      if (kind < 60) {
        const std::vector<float> row(kDimension, static_cast<float>(id));
        expect(store_->put(id, row));
      } else if (kind < 90) {
        expect(store_->remove(id));
      } else if (kind < 97) {
        std::vector<std::uint64_t> ids(16);
        rows.clear();
        for (auto& each : ids) {
          each = random_() % kIds;
          rows.insert(rows.end(), kDimension, static_cast<float>(each));
        }
        expect(store_->put_batch(ids, rows));
      } else {
        load(id);
      }
    }
  }

  void load(std::uint64_t first) {
    quire::BulkLoader loader = expect(store_->bulk_load());
    quire::BulkRows claimed = expect(loader.claim(64));
    for (std::uint64_t id = first; id < first + 32; ++id) {
      const std::vector<float> row(kDimension, static_cast<float>(id));
      expect(claimed.append(std::span(&id, 1), row));
    }
    if (random_() % 4 != 0) expect(loader.commit(std::move(claimed)));
  }

  void read(unsigned seed) {
    std::mt19937_64 random(seed);
    while (!stop_) {
      std::optional<quire::ReadView> view;
      {
        const std::scoped_lock lock(mutex_);
        view.emplace(store_->view());
      }
      for (int i = 0; i < 2000; ++i, ++reads_) {
        const std::uint64_t id = random() % kIds;
        const auto row = view->find<float>(id);
        if (!row) continue;
        const auto is_right = [&](float element) { return element == static_cast<float>(id); };
        if (!std::ranges::all_of(*row, is_right)) die("id " + std::to_string(id) + " is torn");
      }
    }
  }

  // Bounds: the live rows and what batches of some rounds leave, not how long it has been going on.
  void look(std::uint64_t round) {
    last_ = usage_of(*store_, directory_);
    if (!settled_) settled_ = last_;
    const auto bound = [&](const char* what, std::uint64_t is, std::uint64_t most) {
      if (is > most) {
        die(std::string(what) + " is " + std::to_string(is) + " in round " + std::to_string(round) +
            ", more than " + std::to_string(most));
      }
    };
    bound("disk", last_.disk, 4 * kIds * (kRowBytes + 48) + 192 * kMiB);
    bound("memory", last_.memory, 128 * kMiB);
    bound("the number of open files", last_.open_files, settled_->open_files + 16);
    bound("the number of maps", last_.maps, settled_->maps + 64);
    bound("the number of names", last_.names, 16);
  }

  const std::filesystem::path directory_;
  const Clock::time_point end_;
  std::mutex mutex_;  // of store_ against its replacement
  std::optional<quire::VectorStore> store_;
  std::mt19937_64 random_{1};
  std::uint64_t writes_ = 0;
  std::optional<Usage> settled_;
  Usage last_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> reads_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count != 3) die("store_soak DIR SECONDS");
  Soak(words[1], std::strtod(words[2], nullptr)).run();
  return 0;
}
