// What the tests of the vector store share: small stores on a simulated file system, and vectors that
// tell which put they came from.
#pragma once

#include <gtest/gtest.h>
#include <cerrno>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/simulated_file_system.hpp"
#include "quire/vector_store.hpp"
#include "vector/store_access.hpp"

namespace quire::vector {

inline const std::string kStorePath = "/store";

// What a store should hold.
using Model = std::map<std::uint64_t, std::vector<std::uint8_t>>;

// A vector that no other put has: its elements follow from `mark`.
inline std::vector<std::uint8_t> vector_of(std::uint64_t mark, std::size_t dimension) {
  std::vector<std::uint8_t> vector(dimension);
  std::uint64_t state = mark * 0x9e3779b97f4a7c15ULL + 1;
  for (auto& element : vector) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    element = static_cast<std::uint8_t>(state >> 56);
  }
  return vector;
}

// Everything that a view shows.
inline Model contents_of(const ReadView& view) {
  Model contents;
  for (const std::uint64_t id : view.ids()) {
    const auto row = view.find<std::uint8_t>(id);
    EXPECT_TRUE(row.has_value()) << "id " << id;
    if (row) contents.emplace(id, std::vector<std::uint8_t>(row->begin(), row->end()));
  }
  EXPECT_EQ(contents.size(), view.size());
  return contents;
}

inline Model contents_of(const VectorStore& store) { return contents_of(store.view()); }

// Checks a result in one line, with its message.
template <class T>
::testing::AssertionResult succeeded(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message();
}

template <class T>
::testing::AssertionResult failed_with(ErrorCode code, const Result<T>& result) {
  if (result) return ::testing::AssertionFailure() << "it succeeded";
  if (result.error().code() == code) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message();
}

// A store of u8 vectors on a file system that can lose power.
class StoreTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kDimension = 16;

  void create(Durability durability = Durability::power_loss,
              const OpenStoreOptions& open_options = {}) {
    auto made = StoreAccess::create(
        *disk_, kStorePath,
        {.dimension = kDimension, .element_type = ElementType::u8, .durability = durability},
        as_wanted(open_options));
    ASSERT_TRUE(succeeded(made));
    store_.emplace(*std::move(made));
  }

  Result<VectorStore> open(StoreMode mode = StoreMode::read_write,
                           const OpenStoreOptions& options = {}) {
    return StoreAccess::open(*disk_, kStorePath, mode, as_wanted(options));
  }

  OpenStoreOptions as_wanted(OpenStoreOptions options) const {
    options.background = background_;
    return options;
  }

  // The process ends when a checkpoint has begun log 2, which is empty, and has failed.
  void end_in_a_failed_checkpoint() {
    disk_->set_hook([&](const os::SimulatedCall& call) {
      const bool slots = call.path == file("gen-1.slots") && std::string(call.operation) == "write";
      return os::SimulatedOutcome{.fail_with = slots ? ENOSPC : 0};
    });
    EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->checkpoint()));
    disk_->set_hook({});
    store_.reset();
    ASSERT_TRUE(disk_->info(file("log-2.wal")).has_value());
  }

  void reopen() {
    store_.reset();
    auto opened = open(StoreMode::read_write, options_);
    ASSERT_TRUE(succeeded(opened));
    store_.emplace(*std::move(opened));
  }

  // The machine loses power; what was not synced is gone as `survivors` says.
  void lose_power(os::Survivors survivors = os::Survivors::none) {
    auto after = disk_->power_cut(survivors, random_);
    store_.reset();
    disk_ = std::move(after);
  }

  void put(std::uint64_t id, std::uint64_t mark) {
    ASSERT_TRUE(succeeded(store_->put(id, vector_of(mark, kDimension))));
    model_[id] = vector_of(mark, kDimension);
  }

  // ids first … first + count - 1, marked by themselves plus `mark`.
  Result<void> put_many(std::uint64_t first, std::uint64_t count, std::uint64_t mark = 0) {
    std::vector<std::uint64_t> ids;
    std::vector<std::uint8_t> rows;
    for (std::uint64_t id = first; id < first + count; ++id) {
      ids.push_back(id);
      const auto row = vector_of(id + mark, kDimension);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    auto result = store_->put_batch(ids, rows);
    if (result) {
      for (std::uint64_t id = first; id < first + count; ++id) {
        model_[id] = vector_of(id + mark, kDimension);
      }
    }
    return result;
  }

  std::string file(const std::string& name) const { return os::join_path(kStorePath, name); }

  os::Random random_{20'250'101};
  std::unique_ptr<os::SimulatedFileSystem> disk_ = std::make_unique<os::SimulatedFileSystem>();
  std::optional<VectorStore> store_;
  OpenStoreOptions options_;  // of reopen()
  bool background_ = false;   // the store may use a thread of its own
  Model model_;
};

}  // namespace quire::vector
