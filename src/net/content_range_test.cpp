#include "net/content_range.hpp"

#include <gtest/gtest.h>

#include <string>

namespace quire::net {
namespace {

std::string parsed(std::string_view text) {
  const auto result = ContentRange::parse(text);
  if (!result) return "-";
  std::string shown;
  if (result->range) {
    shown += std::to_string(result->range->offset) + "+" + std::to_string(result->range->length);
  }
  return shown + "/" + (result->size ? std::to_string(*result->size) : "*");
}

TEST(ContentRangeTest, ReadsWhatServersSend) {
  EXPECT_EQ(parsed("bytes 0-9/100"), "0+10/100");
  EXPECT_EQ(parsed("Bytes 99-99/100"), "99+1/100");
  EXPECT_EQ(parsed("bytes 5-9/*"), "5+5/*");
  EXPECT_EQ(parsed("bytes */0"), "/0");
  EXPECT_EQ(parsed("bytes 18446744073709551614-18446744073709551614/18446744073709551615"),
            "18446744073709551614+1/18446744073709551615");
}

TEST(ContentRangeTest, RefusesWhatCannotBe) {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "bytes */*",
                           "bytes 0-9",
                           "bytes 0-9/",
                           "bytes 9-0/100",
                           "bytes 0-100/100",
                           "bytes 100-100/100",
                           "bytes -9/100",
                           "bytes 0-/100",
                           "bytes +0-9/100",
                           "bytes 0-9/+100",
                           "bytes 0-9/100 ",
                           "bytes  0-9/100",
                           "bytes 0-9/100,",
                           "bytes=0-9/100",
                           "items 0-9/100",
                           "bytes 0x0-9/100",
                           "bytes 0-9/1e2",
                           "bytes 0-18446744073709551615/*",
                           "bytes 0-18446744073709551616/*",
                           "bytes 0-9/18446744073709551616",
                           "bytes 0 -9/100"}) {
    EXPECT_EQ(parsed(text), "-") << text;
  }
}

}  // namespace
}  // namespace quire::net
