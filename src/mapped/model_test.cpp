// A mapped file against a plain vector of bytes, over long random histories.
#include <cstring>
#include <random>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

// Every operation is done to both; each refusal is foretold from the model alone.
class ModelTest : public MappedFileTest, public testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override { reopen_new(); }

  void reopen_new() {
    auto made = MappedFile::create_or_replace(path(), 0, options());
    ASSERT_TRUE(made) << made.error().message();
    file_ = *std::move(made);
    model_.clear();
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % std::max<std::uint64_t>(limit, 1); }
  // Mostly small, sometimes so large that the system is called, now and then past the end.
  ByteRange any_range() {
    const std::uint64_t offset = below(model_.size() + 2);
    const std::uint64_t length = below(8) == 0 ? below(300'000) : below(9000);
    return {offset, below(20) == 0
                        ? length
                        : std::min(length, model_.size() - std::min(offset, model_.size()))};
  }
  std::vector<std::byte> any_bytes(std::uint64_t length) {
    std::vector<std::byte> bytes(length);
    for (std::size_t i = 0; i < bytes.size(); i += 1 + below(64)) {
      bytes[i] = static_cast<std::byte>(random_());
    }
    return bytes;
  }
  MappedFileOptions options() {
    static constexpr std::array kPolicies{FlushPolicy::manual(), FlushPolicy::every_bytes(50'000),
                                          FlushPolicy::every_writes(7),
                                          FlushPolicy::every(std::chrono::milliseconds(3))};
    return {.reserve = kMost,
            .sparse = below(2) == 0,
            .flush_policy = kPolicies[below(4)],
            .prefault = below(4) == 0 ? Prefault::write : Prefault::none,
            .huge_pages = below(4) == 0};
  }
  bool inside(ByteRange range) const { return range.fits(model_.size()); }
  static std::string expected(bool good) { return good ? "ok" : "out_of_range"; }

  void do_something() {
    static constexpr std::array kSteps{
        &ModelTest::write,  &ModelTest::write,  &ModelTest::write,
        &ModelTest::append, &ModelTest::append, &ModelTest::store_by_span,
        &ModelTest::fill,   &ModelTest::flush,  &ModelTest::copy_within,
        &ModelTest::resize, &ModelTest::reopen, &ModelTest::change_a_private_copy,
        &ModelTest::punch};
    (this->*kSteps[below(kSteps.size())])();
  }

  void write() {
    const ByteRange range = any_range();
    const auto bytes = any_bytes(range.length);
    ASSERT_EQ(code_of(file_.write(range.offset, bytes)), expected(inside(range)));
    if (inside(range)) std::ranges::copy(bytes, at(range.offset));
  }
  void store_by_span() {
    const ByteRange range = any_range();
    auto span = file_.mutable_bytes(range.offset, range.length);
    ASSERT_EQ(code_of(span), expected(inside(range)));
    if (!span) return;
    const auto bytes = any_bytes(range.length);
    std::ranges::copy(bytes, span->begin());
    std::ranges::copy(bytes, at(range.offset));
    ASSERT_TRUE(file_.mark_dirty(range));
  }
  void fill() {
    const ByteRange range = any_range();
    const auto value = static_cast<std::byte>(random_());
    ASSERT_EQ(code_of(file_.fill(range.offset, range.length, value)), expected(inside(range)));
    if (inside(range)) std::fill_n(at(range.offset), range.length, value);
  }
  void copy_within() {
    const ByteRange from = any_range();
    const std::uint64_t to = below(model_.size() + 1);
    const bool good = inside(from) && inside({to, from.length});
    ASSERT_EQ(code_of(file_.copy_within(from, to)), expected(good));
    if (good && !from.empty()) std::memmove(&model_[to], &model_[from.offset], from.length);
  }
  void append() {
    const auto bytes = any_bytes(below(20'000));
    if (model_.size() + bytes.size() > kMost) return;
    ASSERT_EQ(file_.append(bytes).value(), model_.size());
    model_.insert(model_.end(), bytes.begin(), bytes.end());
  }
  void resize() {
    const std::uint64_t size = below(kMost / 2);
    ASSERT_TRUE(size < model_.size() ? file_.shrink(size) : file_.grow(size));
    model_.resize(size);
  }
  void punch() {
    const ByteRange range = any_range();
    ASSERT_EQ(code_of(file_.punch_hole(range)), expected(inside(range)));
    if (inside(range)) std::fill_n(at(range.offset), range.length, std::byte{0});
  }
  void flush() {
    const ByteRange range = any_range();
    ASSERT_TRUE(file_.flush());
    ASSERT_EQ(code_of(file_.flush_range(range)), expected(inside(range)));
    ASSERT_TRUE(file_.trim());
  }
  void reopen() {
    ASSERT_TRUE(file_.close());
    ASSERT_EQ(std::filesystem::file_size(path()), model_.size());
    file_ = open(path(), Access::read_write, options());
  }
  void change_a_private_copy() {
    MappedFile copy = open(path(), Access::copy_on_write);
    std::vector<std::byte> changed = model_;
    for (int i = 0; i < 3; ++i) {
      const ByteRange range = any_range();
      const auto bytes = any_bytes(range.length);
      ASSERT_EQ(code_of(copy.write(range.offset, bytes)), expected(inside(range)));
      if (inside(range)) {
        std::ranges::copy(bytes, changed.begin() + static_cast<std::ptrdiff_t>(range.offset));
      }
    }
    check_changes(copy, changed);
    const bool commits = below(2) == 0;
    ASSERT_TRUE(commits ? copy.commit() : copy.discard());
    if (commits) model_ = changed;
    ASSERT_TRUE(copy.changed_ranges().value().empty());
    ASSERT_TRUE(same(copy, model_));
  }
  // The ranges cover all that differs from the file, and no page that does not.
  void check_changes(const MappedFile& copy, const std::vector<std::byte>& changed) {
    std::vector<bool> told((model_.size() + kPage - 1) / kPage, false);
    const auto ranges = copy.changed_ranges();
    ASSERT_TRUE(ranges) << ranges.error().message();
    for (const ByteRange& range : *ranges) {
      for (std::uint64_t p = range.offset / kPage; p * kPage < range.end(); ++p) told[p] = true;
    }
    for (std::size_t page = 0; page < told.size(); ++page) {
      const std::size_t first = page * kPage;
      const std::size_t length = std::min<std::size_t>(kPage, model_.size() - first);
      const bool differs = std::memcmp(&model_[first], &changed[first], length) != 0;
      ASSERT_EQ(differs, told[page]) << "page " << page;
    }
  }

  static bool same(const MappedFile& file, const std::vector<std::byte>& bytes) {
    std::vector<std::byte> copy(bytes.size());
    return file.size() == bytes.size() && file.read_into(0, copy) && copy == bytes &&
           std::ranges::equal(file.bytes(0, bytes.size()).value(), bytes);
  }

  std::vector<std::byte>::iterator at(std::uint64_t offset) {
    return model_.begin() + static_cast<std::ptrdiff_t>(offset);
  }

  static constexpr std::uint64_t kMost = 2 * kMiB;
  std::minstd_rand random_{GetParam()};
  MappedFile file_;
  std::vector<std::byte> model_;
};

TEST_P(ModelTest, AMappedFileIsAVectorOfBytes) {
  for (int step = 0; step < 300; ++step) {
    do_something();
    ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    ASSERT_TRUE(same(file_, model_)) << "step " << step;
  }
  ASSERT_TRUE(file_.close());
  EXPECT_TRUE(contents(path()) == text(model_));
}

INSTANTIATE_TEST_SUITE_P(Histories, ModelTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace quire::mapped
