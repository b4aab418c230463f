#include "ranged/interval_set.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

TEST(IntervalSet, JoinsWhatOverlapsOrTouches) {
  IntervalSet set;
  set.add({10, 10});
  set.add({30, 10});
  EXPECT_EQ(list(set.ranges()), "10+10 30+10");
  set.add({20, 10});
  EXPECT_EQ(list(set.ranges()), "10+30");
  set.add({5, 100});
  set.add({0, 5});
  set.add({7, 0});
  EXPECT_EQ(list(set.ranges()), "0+105");
  EXPECT_EQ(set.total(), 105U);
}

TEST(IntervalSet, RemovesFromTheMiddleAndTheEnds) {
  IntervalSet set;
  set.add({0, 100});
  set.remove({40, 20});
  set.remove({0, 10});
  set.remove({90, 50});
  EXPECT_EQ(list(set.ranges()), "10+30 60+30");
  EXPECT_EQ(list(set.inside({35, 30})), "35+5 60+5");
  EXPECT_EQ(list(set.missing({0, 100})), "0+10 40+20 90+10");
}

TEST(IntervalSet, ReachesToTheLastNumber) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  IntervalSet set;
  set.add({kMax - 10, 10});
  set.add({0, 1});
  EXPECT_EQ(set.total(), 11U);
  EXPECT_EQ(list(set.missing({0, kMax})), "1+18446744073709551604");
}

TEST(IntervalSet, AgreesWithATable) {
  std::mt19937_64 random(7);
  for (int history = 0; history < 200; ++history) {
    std::vector<bool> table(100);
    IntervalSet set;
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t offset = random() % table.size();
      const ByteRange range{offset, random() % (table.size() - offset + 1)};
      const bool adds = random() % 2 == 0;
      adds ? set.add(range) : set.remove(range);
      for (std::uint64_t i = range.offset; i < range.end(); ++i) table[i] = adds;
      std::vector<bool> found(table.size());
      std::uint64_t last_end = 0;
      bool first = true;
      const auto ranges = set.ranges();
      for (const ByteRange each : ranges) {
        ASSERT_TRUE(first || each.offset > last_end);
        ASSERT_FALSE(each.empty());
        first = false;
        last_end = each.end();
        for (std::uint64_t i = each.offset; i < each.end(); ++i) found[i] = true;
      }
      ASSERT_EQ(found, table);
    }
  }
}

}  // namespace
}  // namespace quire::ranged
