#include "vector/id_index.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <unordered_map>

#include "vector/version_table.hpp"

namespace quire::vector {
namespace {

TEST(IdIndex, FindsWhatWasSetThroughEverySplit) {
  Epochs epochs;
  IdIndex index(epochs);
  std::mt19937_64 random(1);
  std::unordered_map<std::uint64_t, std::uint64_t> model;
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    // Dense, strided and random ids, and updates.
    const std::uint64_t id = i % 4 == 0   ? i
                             : i % 4 == 1 ? i << 32
                             : i % 4 == 2 ? random()
                                          : random() % 1000;
    model[id] = i;
    index.set(id, i);
  }
  for (const auto& [id, head] : model) ASSERT_EQ(index.find(id), head);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t id = random();
    if (!model.contains(id)) {
      ASSERT_EQ(index.find(id), 0U);
    }
  }
}

TEST(IdIndex, EverySplitRetiresTheSegmentItReplaces) {
  // A segment that is freed and not retired is pulled from under a reader.
  Epochs epochs;
  IdIndex index(epochs);
  std::uint64_t retiring = 0;
  auto epoch = epochs.current();
  for (std::uint64_t id = 0; id < 200'000; ++id) {
    index.set(id, id + 1);
    auto now = epochs.current();
    retiring += now != epoch ? 1 : 0;
    epoch = std::move(now);
  }
  EXPECT_GE(retiring, 200'000U / 512 / 2) << "of more than 390 segments";
}

TEST(IdIndex, EveryIdIsAnId) {
  Epochs epochs;
  IdIndex index(epochs);
  EXPECT_EQ(index.find(0), 0U);
  index.set(0, 1);
  index.set(std::numeric_limits<std::uint64_t>::max(), 2);
  EXPECT_EQ(index.find(0), 1U);
  EXPECT_EQ(index.find(std::numeric_limits<std::uint64_t>::max()), 2U);
}

TEST(Epochs, GarbageLivesAsLongAsAViewThatMaySeeIt) {
  Epochs epochs;
  const auto garbage = [&](std::weak_ptr<int>& watch) {
    auto value = std::make_shared<int>(1);
    watch = value;
    epochs.retire(std::move(value));
  };
  std::weak_ptr<int> before;
  std::weak_ptr<int> during;
  std::weak_ptr<int> later;
  garbage(before);
  EXPECT_TRUE(before.expired()) << "no view: freed at once";
  auto view = epochs.current();
  garbage(during);
  garbage(later);
  EXPECT_FALSE(during.expired());
  EXPECT_FALSE(later.expired()) << "an older view may still come to it";
  auto young = epochs.current();
  view.reset();
  EXPECT_TRUE(during.expired());
  EXPECT_TRUE(later.expired());
  garbage(later);
  EXPECT_FALSE(later.expired());
}

TEST(Epochs, ALongChainIsLetGoWithoutDeepRecursion) {
  Epochs epochs;
  auto view = epochs.current();
  for (int i = 0; i < 1'000'000; ++i) epochs.retire(nullptr);
  view.reset();
}

Version version_of(std::uint64_t id) {
  return {.id = id, .lsn = 1, .row = id, .row_checksum = 0, .older = 0, .superseded = 0};
}

TEST(VersionTable, NumbersLeadToVersionsThatDoNotMove) {
  const auto heap = std::make_unique<VersionTable>();
  VersionTable& table = *heap;
  table.append(version_of(0));
  const Version* first = &table[0];
  for (std::uint64_t i = 1; i < 100'000; ++i) ASSERT_EQ(table.append(version_of(i)), i);
  EXPECT_EQ(&table[0], first);
  for (std::uint64_t i = 0; i < 100'000; ++i) ASSERT_EQ(table[i].id, i);
}

}  // namespace
}  // namespace quire::vector
