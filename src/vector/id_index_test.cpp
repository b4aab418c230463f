#include "vector/id_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vector/catalog.hpp"
#include "vector/format.hpp"
#include "vector/index_word.hpp"
#include "vector/version_table.hpp"

namespace quire::vector {
namespace {

// Ids of many shapes, a batch of each in turn, with updates of what is there.
class Shapes {
 public:
  explicit Shapes(std::uint64_t seed) : random_(seed) {}

  std::uint64_t next() {
    ++made_;
    switch (random_() % 8) {
      case 0:  // dense, ascending
        return ascending_++;
      case 1:  // dense, descending from the last id
        return std::numeric_limits<std::uint64_t>::max() - descending_++;
      case 2:  // dense, in any order
        return (std::uint64_t{1} << 40U) + random_() % 20'000;
      case 3:  // every third
        return (std::uint64_t{1} << 41U) + 3 * (random_() % 10'000);
      case 4:  // ranges that just do not become pages, or just do
        return (std::uint64_t{1} << 42U) + (random_() % 200) * 256 + random_() % 97;
      case 5:  // low bits that are all the same
        return made_ << 32U;
      case 6:  // one in each range
        return (std::uint64_t{1} << 50U) + made_ * 256;
      default:
        return random_();
    }
  }

 private:
  std::mt19937_64 random_;
  std::uint64_t made_ = 0;
  std::uint64_t ascending_ = 0;
  std::uint64_t descending_ = 0;
};

using IdModel = std::unordered_map<std::uint64_t, std::uint64_t>;

void expect_equal(const IdIndex& index, const IdModel& model) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, word] : model) {
    ASSERT_EQ(index.find(id), word) << id;
    ids.push_back(id);
    if (!model.contains(id + 1)) {
      ASSERT_EQ(index.find(id + 1), 0U);
      ids.push_back(id + 1);
    }
  }
  std::vector<std::uint64_t> words(ids.size());
  index.find(ids, words);
  for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(words[i], index.find(ids[i]));
}

TEST(IdIndex, FindsWhatWasSetWhateverTheIds) {
  Epochs epochs;
  IdIndex index(epochs);
  Shapes shapes(1);
  IdModel model;
  for (std::uint64_t i = 1; i <= 400'000; ++i) {
    const std::uint64_t id = shapes.next();
    auto& word = model[id];
    ASSERT_EQ(index.set(id, i), word) << "the word before";
    word = i;
    ASSERT_EQ(index.find(id), i);
    if (i == 1'000 || i == 30'000) expect_equal(index, model);
  }
  expect_equal(index, model);
}

TEST(IdIndex, FindsWhatWasLoadedAndGrowsOn) {
  for (const std::size_t count : {1U, 100U, 5'000U, 300'000U}) {
    Epochs epochs;
    IdIndex index(epochs);
    Shapes shapes(count);
    IdModel model;
    std::map<std::size_t, std::vector<IdWord>> shards;
    IdModel wanted_before;
    for (std::uint64_t i = 1; i <= count; ++i) {
      const std::uint64_t id = shapes.next();
      shards[index.shard_of(id)].push_back({.id = id, .word = i});
      auto& word = model[id];
      if (word != 0) wanted_before[i] = word;
      word = i;
    }
    IdModel before_of;
    for (const auto& [shard, words] : shards) {
      index.load(shard, words, words.size() / 2 + 1,
                 [&](std::uint64_t before, std::uint64_t after) { before_of[after] = before; });
    }
    EXPECT_EQ(before_of, wanted_before);
    expect_equal(index, model);
    for (std::uint64_t i = count + 1; i <= count + 50'000; ++i) {
      const std::uint64_t id = shapes.next();
      index.set(id, i);
      model[id] = i;
    }
    expect_equal(index, model);
  }
}

TEST(IdIndex, WhatAnOlderViewMaySeeStaysUntilItIsGone) {
  // A segment that is freed and not retired is pulled from under a reader.
  Epochs epochs;
  IdIndex index(epochs);
  std::mt19937_64 random(5);
  std::uint64_t retiring = 0;
  auto epoch = epochs.current();
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    index.set(random(), i);
    auto now = epochs.current();
    retiring += now != epoch ? 1 : 0;
    epoch = std::move(now);
  }
  // 256 shards of 781 ids each: a dozen sizes up to that.
  EXPECT_GE(retiring, 256U * 10);
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

TEST(VersionTable, KeepsEveryVersionWhateverItShares) {
  const auto heap = std::make_unique<VersionTable>();
  VersionTable& table = *heap;
  std::mt19937_64 random(9);
  std::vector<Version> model;
  std::uint64_t lsn = 1;
  std::uint64_t next_row = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    // Stretches of large batches, of single puts, with removes, with updates, with rows out of order.
    const std::uint64_t style = i / 3'000 % 5;
    if (style == 1 || random() % 500 == 0) ++lsn;
    if (style == 4) next_row = random() % kMaxRows;
    const bool is_put = style != 2 || random() % 2 == 0;
    Version version{.id = random(),
                    .lsn = lsn,
                    .row = is_put ? next_row++ : kNoRow,
                    .row_checksum = is_put ? random() : 0,
                    .older = 0,
                    .superseded = kNotSuperseded};
    if (style == 3) {
      const std::uint64_t older = random() % i;
      version.older = older + 1;
      table.supersede(older, lsn);
      model[older].superseded = lsn;
    }
    model.push_back(version);
    ASSERT_EQ(table.append(version), i);
  }
  for (std::uint64_t i = 0; i < model.size(); ++i) {
    const Version& wanted = model[i];
    const Version version = table[i];
    ASSERT_EQ(version.id, wanted.id);
    ASSERT_EQ(version.lsn, wanted.lsn);
    ASSERT_EQ(version.row, wanted.row);
    ASSERT_EQ(version.row_checksum, wanted.row_checksum);
    ASSERT_EQ(version.older, wanted.older);
    ASSERT_EQ(version.superseded, wanted.superseded);
    for (const std::uint64_t view : {wanted.lsn, wanted.superseded - 1, wanted.superseded}) {
      if (view < wanted.lsn) continue;  // it has not seen the version
      ASSERT_EQ(table.is_live_at(i, view), wanted.is_live_at(view));
    }
  }
  using IdsAndRows = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  for (std::uint64_t first = 0; first < model.size(); first += 1 + first / 3) {
    const std::uint64_t view = model[first].lsn;
    std::uint64_t end = first + 1;
    while (end < model.size() && model[end].lsn <= view) ++end;
    for (const std::uint64_t begin : {std::uint64_t{0}, first / 2, first}) {
      IdsAndRows wanted;
      for (std::uint64_t i = begin; i < end; ++i) {
        if (model[i].is_live_at(view)) wanted.emplace_back(model[i].id, model[i].row);
      }
      IdsAndRows met;
      table.for_each_live(begin, end, view,
                          [&](std::uint64_t id, std::uint64_t row) { met.emplace_back(id, row); });
      ASSERT_EQ(met, wanted);
    }
  }
}

SlotEntry put_of(std::uint64_t id, std::uint64_t row, std::uint64_t lsn) {
  return {.kind = OperationKind::put, .id = id, .row = row, .lsn = lsn, .row_checksum = ~row};
}

TEST(IndexWord, TellsRowsThatAreNearTheirVersions) {
  const VersionTable none;
  constexpr std::uint64_t kNear = (std::uint64_t{1} << 23U) - 2;
  for (const std::uint64_t number : {std::uint64_t{0}, kNear, std::uint64_t{1} << 39U}) {
    for (const std::uint64_t row : {number - std::min(number, kNear), number, number + kNear + 1}) {
      const IndexWord word(number, row);
      EXPECT_EQ(word.version(), number + 1);
      EXPECT_TRUE(word.is_put());
      ASSERT_TRUE(word.tells_row());
      EXPECT_EQ(word.row(none), row);
    }
    EXPECT_FALSE(IndexWord(number, number + kNear + 2).tells_row());
    EXPECT_FALSE(IndexWord(number + kNear + 1, number).tells_row());
    EXPECT_TRUE(IndexWord(number + kNear + 1, number).is_put());
    EXPECT_EQ(IndexWord(number, kNoRow).version(), number + 1);
    EXPECT_FALSE(IndexWord(number, kNoRow).is_put());
  }
  EXPECT_FALSE(IndexWord(0).is_put());
  EXPECT_EQ(IndexWord(0).version(), 0U);
}

TEST(Catalog, FindsRowsNearAndFarFromTheirVersions) {
  Catalog catalog;
  const std::vector<std::uint64_t> rows{
      0, 5, (1U << 23U) + 1, 8'388'609, 8'388'612, kMaxRows - 1, 3, 16'777'215};
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 0; id < rows.size(); ++id) {
    catalog.apply(put_of(id, rows[id], id + 1));
    ids.push_back(id);
  }
  for (std::uint64_t id = 0; id < rows.size(); ++id) {
    EXPECT_EQ(catalog.find_row(rows.size(), id), rows[id]);
    EXPECT_EQ(catalog.find_row(id, id), kNoRow) << "a view from before";
    EXPECT_EQ(catalog.newest(id)->row, rows[id]);
    EXPECT_EQ(catalog.find(id, id + 1)->row_checksum, ~rows[id]);
    EXPECT_EQ(catalog.find_in_first(rows.size(), id)->lsn, id + 1);
  }
  std::vector<std::uint64_t> found(ids.size());
  catalog.find_rows(rows.size(), ids, found);
  EXPECT_EQ(found, rows);
  EXPECT_FALSE(catalog.newest(99).has_value());
}

TEST(Catalog, ShowsEachViewTheVersionOfItsTime) {
  Catalog catalog;
  for (std::uint64_t lsn = 1; lsn <= 100; ++lsn) {
    if (lsn % 10 == 0) {
      catalog.apply(
          {.kind = OperationKind::remove, .id = 5, .row = 0, .lsn = lsn, .row_checksum = 0});
      EXPECT_FALSE(catalog.is_live(5));
    } else {
      catalog.apply(put_of(5, lsn, lsn));
      EXPECT_TRUE(catalog.is_live(5));
    }
  }
  for (std::uint64_t lsn = 1; lsn <= 100; ++lsn) {
    const std::uint64_t row = lsn % 10 == 0 ? kNoRow : lsn;
    EXPECT_EQ(catalog.find_row(lsn, 5), row);
    EXPECT_EQ(catalog.find(5, lsn).has_value(), row != kNoRow);
    if (row != kNoRow) {
      EXPECT_EQ(catalog.find(5, lsn)->row, row);
    }
  }
}

}  // namespace
}  // namespace quire::vector
