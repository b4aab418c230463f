#include "quire/bytes.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace quire {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Bytes, AnEmptyOneHasNothing) {
  const Bytes none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(none.text(), "");
  EXPECT_TRUE(none.slice(0, 0).has_value());
}

TEST(Bytes, OwnTakesTheBufferOverWithoutACopy) {
  std::vector<std::byte> buffer(100, std::byte{7});
  const std::byte* where = buffer.data();
  EXPECT_EQ(Bytes::own(std::move(buffer)).data(), where);
}

TEST(Bytes, CopyDoesNotSeeLaterChanges) {
  std::string text = "hello";
  const Bytes copy = Bytes::copy(as_bytes(text));
  text = "later";
  EXPECT_EQ(copy.text(), "hello");
}

TEST(Bytes, ASliceSharesTheMemory) {
  const Bytes all = Bytes::copy(as_bytes("mapped storage"));
  const Result<Bytes> word = all.slice(7, 7);
  ASSERT_TRUE(word);
  EXPECT_EQ(word->text(), "storage");
  EXPECT_EQ(word->data(), all.data() + 7);
}

TEST(Bytes, ASliceKeepsTheOwnerAlive) {
  auto owner = std::make_shared<std::string>("mapped storage");
  const std::weak_ptr<std::string> watch = owner;
  Bytes slice = Bytes::borrow(as_bytes(*owner), owner).slice(0, 6).value();
  owner.reset();
  EXPECT_EQ(slice.text(), "mapped");
  slice = Bytes();
  EXPECT_TRUE(watch.expired());
}

TEST(Bytes, ASliceOfASliceCountsFromTheSlice) {
  const Bytes all = Bytes::copy(as_bytes("0123456789"));
  EXPECT_EQ(all.slice(2, 6)->slice(1, 3)->text(), "345");
  EXPECT_FALSE(all.slice(2, 6)->slice(1, 6));
}

TEST(Bytes, TheEmptySliceAtTheEndIsValid) {
  const Bytes all = Bytes::copy(as_bytes("0123456789"));
  ASSERT_TRUE(all.slice(10, 0));
  EXPECT_TRUE(all.slice(10, 0)->empty());
}

TEST(Bytes, ASlicePastTheEndSaysWhichAndWhy) {
  const Bytes all = Bytes::copy(as_bytes("0123456789"));
  const Result<Bytes> slice = all.slice(8, 3);
  ASSERT_FALSE(slice);
  EXPECT_EQ(slice.error().code(), ErrorCode::out_of_range);
  EXPECT_EQ(slice.error().range(), (ByteRange{8, 3}));
  EXPECT_EQ(slice.error().message(), "slice [8, 11): out_of_range: the slice has 10 bytes");
}

TEST(Bytes, ASliceIsNotFooledByOverflow) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  const Bytes all = Bytes::copy(as_bytes("0123456789"));
  EXPECT_FALSE(all.slice(5, kMax));
  EXPECT_FALSE(all.slice(kMax, 5));
  EXPECT_FALSE(all.slice(kMax, kMax));
}

}  // namespace
}  // namespace quire
