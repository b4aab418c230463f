#include "source/source_concurrency_contract.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <string_view>
#include <thread>

#include "source/local_backends_fixture.hpp"

namespace quire::source {
namespace {

using Places = testing::Types<FilePlace, MapPlace, MemoryPlace>;
INSTANTIATE_TYPED_TEST_SUITE_P(Local, SourceConcurrencyContract, Places);

// While someone cuts the file, each read gives the old bytes or `changed`: also in the page that the cut
// goes through, which the system fills with zeros while others read it.
TEST(MapSourceConcurrency, ACutIsNeverSeenAsZeros) {
  constexpr std::size_t kFrom = 30'000;
  constexpr std::size_t kLength = 1000;
  const std::string model = pattern(40'000);
  MapPlace place;
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 200; ++round) {
    const auto source = place.make(model);
    std::latch reading(2);
    const auto read = [&] {
      std::string copy(kLength, '#');
      const std::string_view right = std::string_view(model).substr(kFrom, kLength);
      reading.count_down();
      while (source->read_into(kFrom, std::as_writable_bytes(std::span(copy)))) {
        wrong += copy != right;
      }
    };
    const std::jthread first(read);
    const std::jthread second(read);
    reading.wait();
    place.cut(kFrom + kLength / 2);
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace quire::source
