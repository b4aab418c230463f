#include "quire/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

namespace quire {
namespace {

TEST(ErrorTest, AnHttpStatusIsNoErrno) {
  const Error error = Error(ErrorCode::network, "read", 503).with_detail("the server says 503");
  EXPECT_EQ(error.message(), "read: network: the server says 503");
  EXPECT_EQ(error.to_error_code(), Error(ErrorCode::network, "read").to_error_code());
}

constexpr auto kLastCode = static_cast<std::uint8_t>(ErrorCode::closed);

TEST(ErrorCode, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::uint8_t code = 0; code <= kLastCode; ++code) {
    const std::string_view name = to_string(static_cast<ErrorCode>(code));
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(to_string(ErrorCode::read_only_after_error), "read_only_after_error");
}

TEST(Error, ABareOneSaysOperationAndCode) {
  const Error error(ErrorCode::closed, "read");
  EXPECT_EQ(error.message(), "read: closed");
  EXPECT_EQ(error.path(), "");
  EXPECT_EQ(error.detail(), "");
  EXPECT_FALSE(error.has_range());
  EXPECT_EQ(error.system_code(), 0);
}

TEST(Error, AFullOneSaysAllInOneLine) {
  const Error error = Error(ErrorCode::io, "read", EIO)
                          .with_path("index.bin")
                          .with_range({4096, 512})
                          .with_detail("the device failed");
  EXPECT_EQ(error.message(),
            "read index.bin [4096, 4608): io: the device failed (Input/output error)");
  EXPECT_EQ(error.range(), (ByteRange{4096, 512}));
  EXPECT_EQ(error.system_code(), EIO);
  EXPECT_STREQ(error.operation(), "read");
}

TEST(Error, AnEmptyRangeAtZeroIsARangeToo) {
  const Error error = Error(ErrorCode::truncated, "open").with_range({0, 0});
  EXPECT_TRUE(error.has_range());
  EXPECT_EQ(error.message(), "open [0, 0): truncated");
}

TEST(Error, ALaterDetailReplacesAnEarlierOne) {
  const Error error = Error(ErrorCode::busy, "open").with_path("a").with_path("b");
  EXPECT_EQ(error.path(), "b");
}

TEST(Error, DetailsOfACopyAreItsOwn) {
  const Error first = Error(ErrorCode::busy, "open").with_path("a").with_detail("locked");
  const Error second = Error(first).with_path("b");
  EXPECT_EQ(first.message(), "open a: busy: locked");
  EXPECT_EQ(second.message(), "open b: busy: locked");
}

TEST(Error, SpeaksErrorCodeByErrnoIfThereIsOne) {
  const Error error(ErrorCode::no_space, "append", EDQUOT);
  EXPECT_EQ(error.to_error_code(), std::error_code(EDQUOT, std::generic_category()));
}

TEST(Error, SpeaksErrorCodeByTheNearestCondition) {
  EXPECT_EQ(Error(ErrorCode::not_found, "open").to_error_code(),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(Error(ErrorCode::cancelled, "read").to_error_code(), std::errc::operation_canceled);
  for (std::uint8_t code = 0; code <= kLastCode; ++code) {
    EXPECT_TRUE(Error(static_cast<ErrorCode>(code), "any").to_error_code());
  }
}

TEST(Result, CarriesAValueOrAnError) {
  const Result<int> good = 7;
  const Result<int> bad = std::unexpected(Error(ErrorCode::timeout, "get"));
  EXPECT_EQ(good.value(), 7);
  EXPECT_EQ(bad.error().code(), ErrorCode::timeout);
  ignore_error(bad);
}

}  // namespace
}  // namespace quire
