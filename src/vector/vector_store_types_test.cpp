// Stores of every element type, and stores that convert.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "quire/bulk_loader.hpp"
#include "quire/convert.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

constexpr std::uint32_t kDimension = 13;  // no multiple of 8 or 4

// Elements that every type has.
std::vector<float> ones_at(std::uint64_t mark) {
  std::vector<float> row(kDimension);
  for (std::uint32_t i = 0; i < kDimension; ++i) row[i] = (mark >> i & 1) != 0 ? 1.0F : 0.0F;
  return row;
}

class TypedStoreTest : public ::testing::TestWithParam<ElementType> {
 protected:
  VectorStore make(const OpenStoreOptions& options = {}) {
    return *StoreAccess::create(disk_, kStorePath,
                                {.dimension = kDimension, .element_type = GetParam()}, options);
  }
  VectorStore open(const OpenStoreOptions& options = {}) {
    return *StoreAccess::open(disk_, kStorePath, StoreMode::read_write, options);
  }
  static std::vector<std::byte> row_of(const std::vector<float>& elements) {
    std::vector<std::byte> row(row_bytes(GetParam(), kDimension));
    EXPECT_TRUE(succeeded(convert(elements, kDimension, GetParam(), row)));
    return row;
  }
  static bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
    return std::ranges::equal(a, b);
  }

  os::SimulatedFileSystem disk_;
};

TEST_P(TypedStoreTest, KeepsItsRowsThroughLogCheckpointAndReopening) {
  const auto first = row_of(ones_at(0x155));
  const auto second = row_of(ones_at(0x1FFF));
  {
    auto store = make();
    ASSERT_TRUE(succeeded(store.put(1, VectorRef(GetParam(), first))));
    ASSERT_TRUE(succeeded(store.checkpoint()));
    ASSERT_TRUE(succeeded(store.put(2, VectorRef(GetParam(), second))));
  }
  auto store = open({.element_type = GetParam()});
  EXPECT_EQ(store.element_type(), GetParam());
  const ReadView view = store.view();
  EXPECT_TRUE(same(*view.find_bytes(1), first));
  EXPECT_TRUE(same(*view.find_bytes(2), second));
  std::vector<std::byte> copy(first.size());
  ASSERT_TRUE(succeeded(store.get(2, copy)));
  EXPECT_TRUE(same(copy, second));
  EXPECT_TRUE(store.verify()->ok());
}

TEST_P(TypedStoreTest, RefusesEveryOtherTypeUnlessAskedToConvert) {
  auto store = make();
  for (const ElementType type : kElementTypes) {
    if (type == GetParam()) continue;
    const std::vector<std::byte> row(row_bytes(type, kDimension));
    EXPECT_TRUE(failed_with(ErrorCode::mismatch, store.put(1, VectorRef(type, row))));
    WriteBatch batch;
    batch.put(1, VectorRef(type, row));
    EXPECT_TRUE(failed_with(ErrorCode::mismatch, store.write(batch)));
  }
  EXPECT_EQ(store.view().size(), 0U);
}

TEST_P(TypedStoreTest, ConvertsWhereAsked) {
  auto store = make({.convert = true});
  const auto one = ones_at(0x0F1);
  const auto two = ones_at(0x30F);
  std::vector<std::uint8_t> bytes(two.begin(), two.end());
  ASSERT_TRUE(succeeded(store.put(1, one)));
  WriteBatch batch;
  batch.put(2, bytes);
  batch.put(3, one);
  ASSERT_TRUE(succeeded(store.write(batch)));
  {
    auto loader = *store.bulk_load();
    auto rows = *loader.claim(1);
    const std::vector<std::uint64_t> ids = {4};
    ASSERT_TRUE(succeeded(rows.append(ids, two)));
    ASSERT_TRUE(succeeded(loader.commit(std::move(rows))));
  }
  const ReadView view = store.view();
  for (const std::uint64_t id : {1U, 3U}) {
    EXPECT_TRUE(same(*view.find_bytes(id), row_of(one))) << id;
  }
  for (const std::uint64_t id : {2U, 4U}) {
    EXPECT_TRUE(same(*view.find_bytes(id), row_of(two))) << id;
  }
  EXPECT_EQ(*store.get<float>(4), two);
  EXPECT_EQ(*store.get<std::uint8_t>(2), bytes);
  EXPECT_EQ((*store.get<Float16>(1))[0].bits, Float16(one[0]).bits);
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, store.put(1, std::vector<float>(kDimension - 1))));
  EXPECT_TRUE(store.verify()->ok());
}

TEST_P(TypedStoreTest, ANaNGoesWhereThereIsOneAndIsRefusedElsewhere) {
  auto store = make({.convert = true});
  std::vector<float> row(kDimension, 1);
  row[3] = std::numeric_limits<float>::quiet_NaN();
  const auto put = store.put(1, row);
  if (GetParam() == ElementType::u8 || GetParam() == ElementType::i8) {
    EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, put));
    EXPECT_EQ(store.view().size(), 0U);
    return;
  }
  ASSERT_TRUE(succeeded(put));
  const float got = (*store.get<float>(1))[3];
  EXPECT_TRUE(GetParam() == ElementType::b1 ? got == 0 : std::isnan(got));
}

INSTANTIATE_TEST_SUITE_P(Types, TypedStoreTest, ::testing::ValuesIn(kElementTypes),
                         [](const auto& type) { return std::string(to_string(type.param)); });

template <Element T>
void expect_found_as_elements(T first, T last) {
  os::SimulatedFileSystem disk;
  VectorStore store = *StoreAccess::create(
      disk, kStorePath, {.dimension = kDimension, .element_type = element_type_of<T>});
  std::vector<T> row(kDimension);
  row.front() = first;
  row.back() = last;
  ASSERT_TRUE(succeeded(store.put(9, row)));
  const ReadView view = store.view();
  const auto found = view.find<T>(9);
  ASSERT_TRUE(succeeded(found));
  EXPECT_EQ(static_cast<float>(found->front()), static_cast<float>(first));
  EXPECT_EQ(static_cast<float>(found->back()), static_cast<float>(last));
  EXPECT_EQ(static_cast<float>(store.get<T>(9)->back()), static_cast<float>(last));
}

TEST(TypedStore, FindsElementsInPlace) {
  expect_found_as_elements<float>(1.5F, -2);
  expect_found_as_elements<Float16>(Float16(1.5F), Float16(-65'504.0F));
  expect_found_as_elements<BFloat16>(BFloat16(1.5F), BFloat16(-1e30F));
  expect_found_as_elements<std::int8_t>(-128, 127);
  expect_found_as_elements<std::uint8_t>(0, 255);
}

TEST(TypedStore, BitsBehindTheLastElementAreRefused) {
  os::SimulatedFileSystem disk;
  auto store = *StoreAccess::create(disk, kStorePath,
                                    {.dimension = kDimension, .element_type = ElementType::b1});
  const std::vector<std::byte> good = {std::byte{0xFF}, std::byte{0x1F}};
  const std::vector<std::byte> stray = {std::byte{0xFF}, std::byte{0x20}};
  ASSERT_TRUE(succeeded(store.put(1, VectorRef(ElementType::b1, good))));
  EXPECT_TRUE(
      failed_with(ErrorCode::invalid_argument, store.put(2, VectorRef(ElementType::b1, stray))));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                          store.view().nearest(VectorRef(ElementType::b1, stray), 1)));
}

}  // namespace
}  // namespace quire::vector
