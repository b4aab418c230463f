// What every byte sink promises, as one suite for all of them.
//
// A backend is one struct:
//
//     struct MyPlace {
//       std::unique_ptr<ByteSink> open(IfExists if_exists);   // a sink to the one object
//       std::optional<std::string> content();                 // of the object, if it is there
//       void put(std::string_view bytes);                     // makes or replaces it, past the sinks
//       bool is_clean();                                      // nothing else was left at the place
//     };
//     INSTANTIATE_TYPED_TEST_SUITE_P(MyPlace, SinkContract, MyPlace);
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "quire/byte_sink.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {

template <class Backend>
class SinkContract : public testing::Test {
 protected:
  void open(IfExists if_exists = IfExists::replace) {
    sink_ = backend_.open(if_exists);
    ASSERT_NE(sink_, nullptr);
  }
  std::string append(std::string_view bytes) {
    return code_of(sink_->append(std::as_bytes(std::span(bytes))));
  }
  std::string commit() { return code_of(sink_->commit()); }
  std::string content() { return backend_.content().value_or("(nothing)"); }

  Backend backend_;
  std::unique_ptr<ByteSink> sink_;
};

TYPED_TEST_SUITE_P(SinkContract);

TYPED_TEST_P(SinkContract, CommitMakesTheObject) {
  this->open();
  EXPECT_FALSE(this->sink_->name().empty());
  EXPECT_EQ(this->append("one "), "ok");
  EXPECT_EQ(this->append(""), "ok");
  EXPECT_EQ(this->append("two"), "ok");
  EXPECT_EQ(this->sink_->size(), 7);
  EXPECT_EQ(this->content(), "(nothing)");
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->content(), "one two");
  this->sink_.reset();
  EXPECT_EQ(this->content(), "one two");
  EXPECT_TRUE(this->backend_.is_clean());
}

TYPED_TEST_P(SinkContract, AnEmptyObjectIsOne) {
  this->open();
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->content(), "");
}

TYPED_TEST_P(SinkContract, ADroppedSinkLeavesNothing) {
  this->open();
  EXPECT_EQ(this->append(pattern(3'000'000)), "ok");
  this->sink_.reset();
  EXPECT_EQ(this->content(), "(nothing)");
  EXPECT_TRUE(this->backend_.is_clean());
}

TYPED_TEST_P(SinkContract, ADroppedSinkLeavesTheOldObject) {
  this->backend_.put("old");
  this->open();
  EXPECT_EQ(this->append("new"), "ok");
  this->sink_.reset();
  EXPECT_EQ(this->content(), "old");
  EXPECT_TRUE(this->backend_.is_clean());
}

TYPED_TEST_P(SinkContract, CommitReplaces) {
  this->backend_.put("old and longer");
  this->open();
  EXPECT_EQ(this->append("new"), "ok");
  EXPECT_EQ(this->content(), "old and longer");
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->content(), "new");
}

TYPED_TEST_P(SinkContract, WhoMayNotReplaceDoesNot) {
  this->open(IfExists::fail);
  EXPECT_EQ(this->append("late"), "ok");
  this->backend_.put("first");
  EXPECT_EQ(this->commit(), "exists");
  EXPECT_EQ(this->commit(), "exists");
  this->sink_.reset();
  EXPECT_EQ(this->content(), "first");
  EXPECT_TRUE(this->backend_.is_clean());
}

TYPED_TEST_P(SinkContract, WhoMayNotReplaceMayMake) {
  this->open(IfExists::fail);
  EXPECT_EQ(this->append("bytes"), "ok");
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->content(), "bytes");
}

TYPED_TEST_P(SinkContract, NothingFollowsACommit) {
  this->open();
  EXPECT_EQ(this->append("bytes"), "ok");
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->append("more"), "closed");
  EXPECT_EQ(this->append(""), "closed");
  EXPECT_EQ(this->commit(), "closed");
  EXPECT_EQ(this->sink_->size(), 5);
  EXPECT_EQ(this->content(), "bytes");
}

// Two at once: each is whole, and the last to commit stays.
TYPED_TEST_P(SinkContract, TwoSinksDoNotMix) {
  this->open();
  const auto other = this->backend_.open(IfExists::replace);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(this->append("one "), "ok");
    EXPECT_EQ(code_of(other->append(std::as_bytes(std::span("other", 5)))), "ok");
  }
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_EQ(this->content(), "one one one ");
  EXPECT_EQ(code_of(other->commit()), "ok");
  EXPECT_EQ(this->content(), "otherotherother");
  EXPECT_TRUE(this->backend_.is_clean());
}

TYPED_TEST_P(SinkContract, AppendsOfAllSizesKeepTheirOrder) {
  std::mt19937_64 random(1);
  std::string all;
  this->open();
  for (int i = 0; i < 40; ++i) {
    const std::string bytes = pattern(random() % (i % 8 == 0 ? 2'500'000 : 300'000));
    EXPECT_EQ(this->append(bytes), "ok");
    all += bytes;
  }
  EXPECT_EQ(this->sink_->size(), all.size());
  EXPECT_EQ(this->commit(), "ok");
  EXPECT_TRUE(this->content() == all);
}

REGISTER_TYPED_TEST_SUITE_P(SinkContract, CommitMakesTheObject, AnEmptyObjectIsOne,
                            ADroppedSinkLeavesNothing, ADroppedSinkLeavesTheOldObject,
                            CommitReplaces, WhoMayNotReplaceDoesNot, WhoMayNotReplaceMayMake,
                            NothingFollowsACommit, TwoSinksDoNotMix,
                            AppendsOfAllSizesKeepTheirOrder);

}  // namespace quire::source
