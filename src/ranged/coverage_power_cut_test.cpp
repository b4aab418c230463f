// Resuming where the power goes: random histories of ranges, cut before every call.
//
// After each cut, of a file that is opened again:
//   1. All that a sync had promised, and was not given back since, is covered.
//   2. Every byte that is covered has the value that was last written to it.
//   3. All else can be allocated, and the file be finished.
// QUIRE_SEED chooses the first history (printed), QUIRE_HISTORIES how many, QUIRE_NIGHTLY=1 many.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

using os::Survivors;
using Disk = os::SimulatedFileSystem;

constexpr const char* kPath = "/file";
constexpr const char* kJournal = "/file.quire-coverage";
const RangedFileOptions kResume{.resume = true};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What must be found: the value of every byte, and which bytes were promised.
struct Model {
  std::map<std::uint64_t, std::byte> values;  // last written, or being written
  std::set<std::uint64_t> promised;
  std::uint64_t size = 0;       // that the file surely has
  std::uint64_t next_size = 0;  // that it may get
};

class History {
 public:
  History(std::uint64_t seed, bool check_recovered_cuts)
      : random_(seed), check_recovered_cuts_(check_recovered_cuts) {
    disk_.write_back_one_in(4, seed);
    disk_.set_hook([this](const os::SimulatedCall& /*call*/) {
      cut(Survivors::none);
      cut(Survivors::all);
      cut(Survivors::random);
      cut(Survivors::random);
      return os::SimulatedOutcome{};
    });
  }

  void run(int steps) {
    model_.size = model_.next_size = 2000 + below(12'000);
    open();
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    held_.clear();
    finish();
    disk_.set_hook(nullptr);
  }

  std::uint64_t cuts() const { return cuts_; }

 private:
  struct Held {
    FileRange range;
    std::vector<WriteReceipt> receipts;
  };

  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : random_() % n; }

  void open() {
    file_ = RangedAccess::open_or_create(disk_, kPath, model_.size, kResume).value();
    is_created_ = true;
  }

  void step() {
    switch (below(12)) {
      case 0:
      case 1: {
        auto range = file_.allocate_up_to(1 + below(5000), std::uint64_t{1} << below(10));
        if (range) held_.push_back({*std::move(range), {}});
        return;
      }
      case 2:
      case 3:
      case 4:
      case 5:
        return write();
      case 6:
      case 7:
        return sync();
      case 8:
        return sync_all();
      case 9:
        return free();
      case 10:
        if (!held_.empty() && below(2) == 0) held_.erase(held_.begin());
        return grow();
      default:
        return reopen();
    }
  }

  void write() {
    if (held_.empty()) return;
    Held& held = held_[below(held_.size())];
    const auto missing = held.range.missing();
    if (missing.empty()) return;
    const ByteRange gap = missing[below(missing.size())];
    const ByteRange part{gap.offset, 1 + below(gap.length)};
    std::vector<std::byte> data(part.length);
    std::ranges::generate(data, [this] { return static_cast<std::byte>(random_()); });
    for (std::uint64_t i = 0; i < part.length; ++i) {
      model_.values[held.range.range().offset + part.offset + i] = data[i];
    }
    held.receipts.push_back(held.range.write(data, part.offset).value());
  }

  void promise(ByteRange range) {
    for (std::uint64_t i = range.offset; i < range.end(); ++i) model_.promised.insert(i);
  }

  void sync() {
    if (held_.empty()) return;
    Held& held = held_[below(held_.size())];
    ASSERT_TRUE(file_.sync(held.receipts));
    for (const WriteReceipt& receipt : held.receipts) promise(receipt.range());
    held.receipts.clear();
  }

  void sync_all() {
    ASSERT_TRUE(file_.sync_all());
    for (const auto& [offset, value] : model_.values) model_.promised.insert(offset);
  }

  void free() {
    if (held_.empty()) return;
    const auto which = held_.begin() + static_cast<std::ptrdiff_t>(below(held_.size()));
    const ByteRange range = which->range.range();
    // From here on nothing of it is promised; its old values stand until somebody writes there.
    for (std::uint64_t i = range.offset; i < range.end(); ++i) model_.promised.erase(i);
    FileRange freed = std::move(which->range);
    held_.erase(which);
    ASSERT_TRUE(std::move(freed).free());
    for (std::uint64_t i = range.offset; i < range.end(); ++i) model_.values.erase(i);
  }

  void grow() {
    if (model_.size > 30'000) return;
    model_.next_size = model_.size + 1 + below(6000);
    ASSERT_TRUE(file_.grow(model_.next_size));
    model_.size = model_.next_size;
  }

  void reopen() {
    held_.clear();
    if (below(2) == 0) {
      ASSERT_TRUE(file_.close());
      for (const auto& [offset, value] : model_.values) model_.promised.insert(offset);
    } else {
      file_ = RangedFile();
      std::erase_if(model_.values,
                    [this](const auto& byte) { return !model_.promised.contains(byte.first); });
    }
    open();
  }

  void finish() {
    // The rest, in whatever pieces it lies.
    const Coverage coverage = file_.coverage().value();
    for (const ByteRange gap : coverage.missing) {
      auto range = file_.allocate_up_to(gap.length);
      while (range && range->size() > 0) {
        const std::vector<std::byte> data(range->size(), std::byte{'f'});
        const ByteRange place = range->range();
        for (std::uint64_t i = place.offset; i < place.end(); ++i) {
          model_.values[i] = std::byte{'f'};
        }
        ASSERT_TRUE(range->write(data));
        range = file_.allocate_up_to(gap.length);
      }
    }
    // What alignment skipped is allocated by the next opening.
    ASSERT_TRUE(file_.sync_all());
    if (!file_.coverage()->is_whole()) return;
    for (const auto& [offset, value] : model_.values) model_.promised.insert(offset);
    is_finishing_ = true;
    ASSERT_TRUE(file_.finish());
  }

  void cut(Survivors survivors) {
    ++cuts_;
    const auto after = disk_.power_cut(survivors, random_);
    check(*after);
    // What recovering does may be cut too.
    if (!check_recovered_cuts_ || cuts_ % 23 != 0) return;
    after->set_hook([&](const os::SimulatedCall& /*call*/) {
      for (const auto again : {Survivors::none, Survivors::all, Survivors::random}) {
        ++cuts_;
        check(*after->power_cut(again, random_));
      }
      return os::SimulatedOutcome{};
    });
    ignore_error(RangedAccess::open_or_create(*after, kPath, model_.size, kResume));
    after->set_hook(nullptr);
  }

  void check(Disk& disk) {
    if (testing::Test::HasFailure()) return;
    const bool has_journal = disk.info(kJournal).has_value();
    if (is_finishing_ && !has_journal) return check_content(disk, {{0, model_.size}});
    const auto info = disk.info(kPath);
    if (!info) {
      ASSERT_FALSE(is_created_) << "the file is gone";
      ASSERT_TRUE(RangedAccess::open_or_create(disk, kPath, model_.size, kResume));
      return;
    }
    ASSERT_TRUE(info->size == model_.size || info->size == model_.next_size);
    auto file = RangedAccess::open(disk, kPath, Access::read_write, kResume);
    ASSERT_TRUE(file) << file.error().message();
    const Coverage coverage = file->coverage().value();
    std::uint64_t promised = 0;
    for (const ByteRange range : coverage.written) {
      const auto first = model_.promised.lower_bound(range.offset);
      promised += static_cast<std::uint64_t>(
          std::distance(first, model_.promised.lower_bound(range.end())));
    }
    ASSERT_EQ(promised, model_.promised.size()) << "promised bytes are missing";
    check_content(disk, coverage.written);
    for (const ByteRange gap : coverage.missing) ASSERT_TRUE(file->allocate_at(gap));
  }

  void check_content(Disk& disk, const std::vector<ByteRange>& covered) {
    auto file = disk.open(kPath, os::OpenMode::read, 0).value();
    for (const ByteRange range : covered) {
      std::vector<std::byte> bytes(range.length);
      ASSERT_TRUE(file->read_exactly(range.offset, bytes));
      for (std::uint64_t i = 0; i < range.length; ++i) {
        const auto expected = model_.values.find(range.offset + i);
        ASSERT_TRUE(expected != model_.values.end())
            << "byte " << range.offset + i << " is covered and was never written";
        ASSERT_EQ(bytes[i], expected->second)
            << "byte " << range.offset + i << " is covered and wrong";
      }
    }
  }

  os::Random random_;
  const bool check_recovered_cuts_;
  Disk disk_;
  RangedFile file_;
  std::vector<Held> held_;  // before the file: ranges go first
  Model model_;
  bool is_created_ = false;
  bool is_finishing_ = false;
  std::uint64_t cuts_ = 0;
};

TEST(CoveragePowerCut, RandomHistories) {
  const bool nightly = from_environment("QUIRE_NIGHTLY", 0) != 0;
  const std::uint64_t first = from_environment("QUIRE_SEED", 1);
  const std::uint64_t histories = from_environment("QUIRE_HISTORIES", nightly ? 300 : 10);
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = first; seed < first + histories; ++seed) {
    SCOPED_TRACE("QUIRE_SEED=" + std::to_string(seed));
    History history(seed, true);
    history.run(40);
    cuts += history.cuts();
    if (testing::Test::HasFailure()) break;
  }
  std::printf("%llu power cuts\n", static_cast<unsigned long long>(cuts));
  EXPECT_GT(cuts, histories * 100);
}

}  // namespace
}  // namespace quire::ranged
