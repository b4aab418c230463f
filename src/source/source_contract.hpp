// What every byte source promises, as one suite for all of them. A backend plugs in as
// source_backend_fixture.hpp says:
//
//     INSTANTIATE_TYPED_TEST_SUITE_P(MyPlace, SourceContract, MyPlace);
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <latch>
#include <memory>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "quire/byte_source.hpp"
#include "quire/executor.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {

template <class Backend>
class SourceContract : public testing::Test {
 protected:
  static constexpr SourceTraits kTraits = Backend::kTraits;
  static constexpr std::uint64_t kFar = std::uint64_t{1} << 63;
  // Ranges that lie outside of an object of 100 bytes.
  static constexpr std::array kOutside{
      ByteRange{0, 101},             // one too many
      ByteRange{100, 1},             // at the end
      ByteRange{101, 0},             // empty, but behind the end
      ByteRange{kFar, 0},            //
      ByteRange{50, kFar},           // more than any memory
      ByteRange{0, kFar},            //
      ByteRange{0, UINT64_MAX},      //
      ByteRange{1, UINT64_MAX},      // offset + length is 0
      ByteRange{50, UINT64_MAX - 9}  // offset + length is 40
  };

  void open(std::string bytes) {
    model_ = std::move(bytes);
    source_ = backend_.make(model_);
    ASSERT_NE(source_, nullptr);
  }
  std::string read(std::uint64_t offset, std::uint64_t length) {
    return outcome(source_->read(offset, length));
  }
  std::string read_into(std::uint64_t offset, std::size_t length, const ReadOptions& options = {}) {
    std::string out(length, '#');
    auto done = source_->read_into(offset, std::as_writable_bytes(std::span(out)), options);
    return done ? out : code_of(done);
  }
  std::vector<std::string> read_many(std::span<const ByteRange> ranges) {
    auto result = source_->read_many(ranges);
    if (!result) return {code_of(result)};
    std::vector<std::string> texts;
    for (const Bytes& bytes : *result) texts.emplace_back(bytes.text());
    return texts;
  }
  std::vector<std::string> expected(std::span<const ByteRange> ranges) const {
    std::vector<std::string> texts;
    for (const ByteRange& range : ranges)
      texts.push_back(model_.substr(range.offset, range.length));
    return texts;
  }
  ByteRange random_range(std::uint64_t longest) {
    const std::uint64_t offset = random_() % (model_.size() + 1);
    return {offset, random_() % (std::min(longest, model_.size() - offset) + 1)};
  }
  // The outcome of a read_async, and that its callback ran once, on another thread.
  std::string read_async(std::uint64_t offset, std::uint64_t length,
                         const ReadOptions& options = {}) {
    std::promise<std::string> promise;
    std::thread::id where;
    int calls = 0;
    source_->read_async(
        offset, length,
        [&](Result<Bytes> bytes) {
          where = std::this_thread::get_id();
          if (++calls == 1) promise.set_value(outcome(bytes));
        },
        options);
    std::string result = promise.get_future().get();
    drain_executor();
    EXPECT_EQ(calls, 1);
    EXPECT_NE(where, std::this_thread::get_id());
    return result;
  }
  // Returns when all that was submitted before has ended.
  static void drain_executor() {
    const auto both = std::make_shared<std::latch>(2);
    for (int i = 0; i < 2; ++i) default_executor()->submit([both] { both->arrive_and_wait(); });
    both->wait();
  }
  static ReadOptions stopped() {
    std::stop_source stop;
    stop.request_stop();
    return {.stop = stop.get_token()};
  }
  static ReadOptions late() {
    return {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  }

  Backend backend_;
  std::string model_;
  std::shared_ptr<const ByteSource> source_;
  std::mt19937_64 random_{20240607};
};

TYPED_TEST_SUITE_P(SourceContract);

TYPED_TEST_P(SourceContract, TellsWhatItIs) {
  this->open(pattern(100));
  EXPECT_EQ(this->source_->size(), 100);
  EXPECT_FALSE(this->source_->name().empty());
  EXPECT_EQ(this->source_->identity().strength, this->kTraits.strength);
  EXPECT_FALSE(this->source_->identity().version.empty());
  EXPECT_EQ(this->source_->has_view(), this->kTraits.has_view);
}

TYPED_TEST_P(SourceContract, ReadsWhatWasAskedFor) {
  this->open(pattern(100));
  EXPECT_EQ(this->read(0, 100), this->model_);
  for (const std::uint64_t at : {0U, 1U, 63U, 98U, 99U}) {
    EXPECT_EQ(this->read(at, 1), this->model_.substr(at, 1)) << at;
    EXPECT_EQ(this->read_into(at, 1), this->model_.substr(at, 1)) << at;
  }
  EXPECT_EQ(this->read_into(37, 42), this->model_.substr(37, 42));
}

TYPED_TEST_P(SourceContract, AnEmptyRangeInsideIsEmpty) {
  this->open(pattern(100));
  for (const std::uint64_t at : {0U, 50U, 100U}) {
    EXPECT_EQ(this->read(at, 0), "") << at;
    EXPECT_EQ(this->read_into(at, 0), "") << at;
  }
}

TYPED_TEST_P(SourceContract, AnEmptyObjectHasOneRange) {
  this->open("");
  EXPECT_EQ(this->source_->size(), 0);
  EXPECT_EQ(this->source_->has_view(), this->kTraits.has_view);
  EXPECT_EQ(this->read(0, 0), "");
  EXPECT_EQ(this->read(0, 1), "out_of_range");
  EXPECT_EQ(this->read(1, 0), "out_of_range");
}

// Were anything allocated before the check, 2^63 bytes would throw.
TYPED_TEST_P(SourceContract, ARangeOutsideIsOutOfRangeHoweverItIsRead) {
  this->open(pattern(100));
  std::byte one{};
  for (const ByteRange& range : this->kOutside) {
    SCOPED_TRACE(testing::Message() << range.offset << " + " << range.length);
    // Not that much memory, and none of it may be touched.
    const std::span<std::byte> out(&one, range.length);
    EXPECT_EQ(code_of(this->source_->read(range.offset, range.length)), "out_of_range");
    EXPECT_EQ(code_of(this->source_->read_into(range.offset, out)), "out_of_range");
    EXPECT_EQ(code_of(this->source_->view(range.offset, range.length)), "out_of_range");
    const std::array many{ByteRange{0, 1}, range};
    EXPECT_EQ(code_of(this->source_->read_many(many)), "out_of_range");
    EXPECT_EQ(this->read_async(range.offset, range.length), "out_of_range");
  }
  EXPECT_EQ(one, std::byte{});
}

TYPED_TEST_P(SourceContract, AnErrorNamesTheObjectAndTheRange) {
  this->open(pattern(100));
  const Error error = this->source_->read(50, 51).error();
  EXPECT_EQ(error.path(), this->source_->name());
  EXPECT_EQ(error.range(), (ByteRange{50, 51}));
  EXPECT_NE(error.detail().find("100 bytes"), std::string::npos) << error.message();
}

TYPED_TEST_P(SourceContract, RandomRangesAreThoseOfTheModel) {
  this->open(pattern(100'000));
  for (int i = 0; i < 300; ++i) {
    const ByteRange range = this->random_range(i % 2 == 0 ? 100 : 20'000);
    const std::string right = this->model_.substr(range.offset, range.length);
    ASSERT_EQ(this->read(range.offset, range.length), right) << range.offset;
    ASSERT_EQ(this->read_into(range.offset, range.length), right) << range.offset;
  }
}

TYPED_TEST_P(SourceContract, ReadManyKeepsTheOrderAskedFor) {
  this->open(pattern(5'000'000));
  const std::array ranges{
      ByteRange{4'999'990, 10}, ByteRange{0, 10},         // far apart, the last first
      ByteRange{5, 10},         ByteRange{5, 10},         // overlapping, twice the same
      ByteRange{7, 2},          ByteRange{2'000'000, 0},  // inside another, empty
      ByteRange{5'000'000, 0},  ByteRange{100'000, 4'500'000},
  };
  EXPECT_EQ(this->read_many(ranges), this->expected(ranges));
}

TYPED_TEST_P(SourceContract, ReadManyOfNothingIsNothing) {
  this->open(pattern(100));
  EXPECT_TRUE(this->read_many({}).empty());
  const std::array empty{ByteRange{0, 0}, ByteRange{100, 0}};
  EXPECT_EQ(this->read_many(empty), (std::vector<std::string>{"", ""}));
}

TYPED_TEST_P(SourceContract, ReadManyOfRandomRangesIsThatOfTheModel) {
  this->open(pattern(3'000'000));
  for (int i = 0; i < 10; ++i) {
    std::vector<ByteRange> ranges(this->random_() % 60);
    for (ByteRange& range : ranges) range = this->random_range(this->random_() % 100'000);
    ASSERT_EQ(this->read_many(ranges), this->expected(ranges)) << i;
  }
}

TYPED_TEST_P(SourceContract, SlicesOutliveTheSource) {
  this->open(pattern(100'000));
  const std::array ranges{ByteRange{10, 20}, ByteRange{90'000, 5}};
  const Bytes bytes = this->source_->read(100, 200).value();
  const std::vector<Bytes> many = this->source_->read_many(ranges).value();
  this->source_.reset();
  EXPECT_EQ(bytes.text(), this->model_.substr(100, 200));
  EXPECT_EQ(many[0].text(), this->model_.substr(10, 20));
  EXPECT_EQ(many[1].text(), this->model_.substr(90'000, 5));
}

TYPED_TEST_P(SourceContract, AViewIsTheObjectItself) {
  this->open(pattern(100));
  const auto view = this->source_->view(10, 20);
  if (!this->kTraits.has_view) {
    EXPECT_EQ(code_of(view), "unsupported");
    return;
  }
  ASSERT_TRUE(view);
  EXPECT_EQ(text(*view), this->model_.substr(10, 20));
  EXPECT_EQ(view->data(), this->source_->read(10, 20)->data()) << "read copied";
  EXPECT_EQ(this->source_->view(100, 0)->size(), 0);
}

TYPED_TEST_P(SourceContract, AStopIsCancelled) {
  this->open(pattern(100));
  const std::array many{ByteRange{0, 1}};
  EXPECT_EQ(outcome(this->source_->read(0, 1, this->stopped())), "cancelled");
  EXPECT_EQ(this->read_into(0, 9, this->stopped()), "cancelled");
  EXPECT_EQ(code_of(this->source_->read_many(many, this->stopped())), "cancelled");
  EXPECT_EQ(this->read_async(0, 1, this->stopped()), "cancelled");
}

TYPED_TEST_P(SourceContract, APassedDeadlineIsATimeout) {
  this->open(pattern(100));
  const std::array many{ByteRange{0, 1}};
  EXPECT_EQ(outcome(this->source_->read(0, 1, this->late())), "timeout");
  EXPECT_EQ(this->read_into(0, 9, this->late()), "timeout");
  EXPECT_EQ(code_of(this->source_->read_many(many, this->late())), "timeout");
  EXPECT_EQ(this->read_async(0, 1, this->late()), "timeout");
}

// A bad range is bad whenever it is asked for; an empty one needs no time.
TYPED_TEST_P(SourceContract, TheRangeIsJudgedBeforeTheTime) {
  this->open(pattern(100));
  EXPECT_EQ(outcome(this->source_->read(100, 1, this->stopped())), "out_of_range");
  EXPECT_EQ(outcome(this->source_->read(100, 0, this->stopped())), "");
}

TYPED_TEST_P(SourceContract, AsyncGivesWhatReadGives) {
  this->open(pattern(100));
  EXPECT_EQ(this->read_async(10, 20), this->model_.substr(10, 20));
  EXPECT_EQ(this->read_async(100, 0), "");
  std::string out(20, '#');
  std::promise<std::string> done;
  this->source_->read_into_async(10, std::as_writable_bytes(std::span(out)),
                                 [&](Result<void> result) { done.set_value(code_of(result)); });
  EXPECT_EQ(done.get_future().get(), "ok");
  EXPECT_EQ(out, this->model_.substr(10, 20));
}

TYPED_TEST_P(SourceContract, AnAsyncReadKeepsItsSource) {
  this->open(pattern(100));
  const auto held = std::make_shared<std::latch>(1);
  for (int i = 0; i < 2; ++i) default_executor()->submit([held] { held->wait(); });
  std::promise<std::string> promise;
  this->source_->read_async(0, 100, [&](Result<Bytes> b) { promise.set_value(outcome(b)); });
  this->source_.reset();
  held->count_down();
  EXPECT_EQ(promise.get_future().get(), this->model_);
  this->drain_executor();
}

TYPED_TEST_P(SourceContract, AHintChangesNothing) {
  this->open(pattern(100'000));
  for (const AccessHint access : {AccessHint::normal, AccessHint::sequential, AccessHint::random,
                                  AccessHint::will_need, AccessHint::dont_need}) {
    for (const ByteRange range : {ByteRange{0, 100'000}, ByteRange{5000, 5000}, ByteRange{1, 0},
                                  ByteRange{99'999, UINT64_MAX}, ByteRange{UINT64_MAX, 1}}) {
      this->source_->hint(range, access);
    }
    EXPECT_EQ(this->read(0, 100'000), this->model_);
  }
}

TYPED_TEST_P(SourceContract, NoticesThatItWasWrittenInto) {
  if constexpr (TestFixture::kTraits.can_be_overwritten) {
    this->open(pattern(100));
    this->backend_.overwrite(10, "new");
    const std::string shown = "new" + this->model_.substr(13, 1);
    const std::string right = this->kTraits.shows_overwriting ? shown : "changed";
    const std::array many{ByteRange{10, 4}};
    EXPECT_EQ(this->read(10, 4), right);
    EXPECT_EQ(this->read_into(10, 4), right);
    EXPECT_EQ(this->read_many(many), std::vector<std::string>{right});
  }
}

// Cut inside a page, where a map would show zeros, and in front of one, where it would fault.
TYPED_TEST_P(SourceContract, NoticesThatItWasCut) {
  if constexpr (TestFixture::kTraits.can_be_cut) {
    for (const std::uint64_t size : {30'000U, 4096U, 0U}) {
      SCOPED_TRACE(size);
      this->open(pattern(40'000));
      this->backend_.cut(size);
      EXPECT_EQ(this->read_into(size, 40), "changed");
      EXPECT_EQ(this->read_into(0, 40'000), "changed");
      EXPECT_EQ(this->read_into(size, 40), "changed") << "the second time";
    }
    this->open(pattern(40'000));
    this->backend_.cut(30'000);
    const std::string still_there = this->model_.substr(29'990, 10);
    const bool spoilt = this->kTraits.cut_spoils_all;
    EXPECT_EQ(this->read_into(29'990, 10), spoilt ? "changed" : still_there);
    const Error error = [&] {
      std::array<std::byte, 10> out{};
      return this->source_->read_into(39'990, out).error();
    }();
    EXPECT_EQ(error.path(), this->source_->name());
    EXPECT_EQ(error.range(), (ByteRange{39'990, 10}));
    if (this->kTraits.tells_new_size) {
      EXPECT_NE(error.detail().find("30000"), std::string::npos) << error.message();
    }
  }
}

TYPED_TEST_P(SourceContract, StaysWithTheObjectThatWasOpened) {
  if constexpr (TestFixture::kTraits.can_be_replaced) {
    this->open(pattern(100));
    this->backend_.replace("another");
    EXPECT_EQ(this->read(0, 100), this->model_);
    EXPECT_EQ(this->read_into(90, 10), this->model_.substr(90, 10));
  }
}

TYPED_TEST_P(SourceContract, VersionsDiffer) {
  if constexpr (TestFixture::kTraits.can_be_replaced &&
                TestFixture::kTraits.strength != IdentityStrength::size_only) {
    this->open(pattern(100));
    const SourceIdentity first = this->source_->identity();
    EXPECT_EQ(this->backend_.open_again()->identity(), first);
    this->backend_.replace(pattern(100));
    EXPECT_NE(this->backend_.open_again()->identity(), first);
  }
}

REGISTER_TYPED_TEST_SUITE_P(SourceContract, TellsWhatItIs, ReadsWhatWasAskedFor,
                            AnEmptyRangeInsideIsEmpty, AnEmptyObjectHasOneRange,
                            ARangeOutsideIsOutOfRangeHoweverItIsRead,
                            AnErrorNamesTheObjectAndTheRange, RandomRangesAreThoseOfTheModel,
                            ReadManyKeepsTheOrderAskedFor, ReadManyOfNothingIsNothing,
                            ReadManyOfRandomRangesIsThatOfTheModel, SlicesOutliveTheSource,
                            AViewIsTheObjectItself, AStopIsCancelled, APassedDeadlineIsATimeout,
                            TheRangeIsJudgedBeforeTheTime, AsyncGivesWhatReadGives,
                            AnAsyncReadKeepsItsSource, AHintChangesNothing,
                            NoticesThatItWasWrittenInto, NoticesThatItWasCut,
                            StaysWithTheObjectThatWasOpened, VersionsDiffer);

}  // namespace quire::source
